"""Requests sent elsewhere by rule: the option `map_remote`, `/[filter]/regex/replacement` of the URL.

Expressions see the URL with the host that the client named. Scheme, host, port and path may all change; the Host field follows a
new host, and the request is sent to wherever it names then, by whichever way it came in.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

from interceptor.addons.rule_addon import RuleAddon
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Request
from interceptor.specs.rules import RemoteRule, remote_rule

_log = logging.getLogger(__name__)


class MapRemote(RuleAddon[RemoteRule]):
    option = "map_remote"

    def parse(self, text: str) -> RemoteRule:
        return remote_rule(text)

    def on_request(self, flow: HttpFlow, rules: Sequence[RemoteRule]) -> None:
        for rule in rules:
            if not rule.applies_to(flow):
                continue
            url = flow.request.pretty_url
            changed = rule.pattern.sub(rule.template, url)
            if changed == url:
                continue
            if not _is_web_url(changed):
                _log.warning(
                    "map_remote %s makes %r of %r, which is no http or https URL",
                    rule.text,
                    changed,
                    url,
                    extra={"flow_id": flow.id},
                )
                self.noted(flow, rule, f"not applied: {changed!r} is no http or https URL")
                continue
            flow.backup()
            _redirect(flow.request, url, changed)
            self.noted(flow, rule)


def _is_web_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _redirect(request: Request, old: str, new: str) -> None:
    """Where the URL still names the same server only the path changes: the address that the client chose for it counts."""
    before, after = urlsplit(old), urlsplit(new)
    if (before.scheme, before.netloc) == (after.scheme, after.netloc):
        request.path = new.partition("#")[0].partition("://")[2].removeprefix(after.netloc) or "/"
        if not request.path.startswith("/"):
            request.path = f"/{request.path}"
        return
    request.set_url(new)
    request.is_absolute = False
