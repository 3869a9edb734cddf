"""Bodies changed by rule: the option `modify_body`, `/[filter]/regex/[@]replacement`.

Only bodies of flows that a filter may mean are collected; all others stream. Expressions see the body with its content coding
undone, and what is sent is coded as it was. What cannot be changed passes as it is, and the flow says why: a body above
`stream_large_bodies`, one that does not decode, a stream of events, which has no end to wait for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from interceptor.addons.rule_addon import COLLECT, RuleAddon, Said, readable_file
from interceptor.model.encoding import credible_size, decode_content, encode_content
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Request, Response
from interceptor.specs.errors import UserError
from interceptor.specs.rules import BodyRule, body_rule

_LARGEST_DECODED: Final = 256 * 1024 * 1024
"""A body that is larger without its coding is left as it is: a few kilobytes may claim to be gigabytes."""

_log = logging.getLogger(__name__)


class ModifyBody(RuleAddon[BodyRule]):
    option = "modify_body"
    looks_at = ("request", "response")

    def parse(self, text: str) -> BodyRule:
        rule = body_rule(text)
        if rule.template is None:
            readable_file(rule.path)
        return rule

    def hooks_for(self, at_head: Sequence[BodyRule], with_body: Sequence[BodyRule]) -> Sequence[str]:
        return ("requestheaders", "request", "responseheaders", "response") if at_head or with_body else ()

    def requestheaders(self, flow: HttpFlow) -> Said:
        return COLLECT if self._may_apply(flow) else None

    def responseheaders(self, flow: HttpFlow) -> Said:
        if not self._may_apply(flow) or flow.response is None:
            return None
        if (flow.response.headers.get("content-type") or "").lower().startswith("text/event-stream"):
            for rule in self._at_head:
                if rule.applies_to(flow):
                    self.noted(flow, rule, "not applied: a stream of events has no end to wait for")
            return None
        return COLLECT

    def request(self, flow: HttpFlow) -> None:
        self._modify(flow, flow.request)

    def response(self, flow: HttpFlow) -> None:
        response = flow.response
        if response is None or flow.request.method == "HEAD" or response.status_code in (204, 304) or response.status_code < 200:
            return
        self._modify(flow, response)

    def on_request(self, flow: HttpFlow, rules: Sequence[BodyRule]) -> None:
        """All is done when the body is there."""

    def _may_apply(self, flow: HttpFlow) -> bool:
        return bool(self._with_body) or any(rule.applies_to(flow) for rule in self._at_head)

    def _modify(self, flow: HttpFlow, message: Request | Response) -> None:
        rules = [rule for rule in (*self._at_head, *self._with_body) if rule.applies_to(flow)]
        if not rules:
            return
        coding = message.headers.get("content-encoding") or ""
        try:
            if not flow.body_is_editable:
                raise UserError("the body is larger than stream_large_bodies and was passed on as it came")
            encoded = message.body.read()
            content = decode_content(encoded, coding, credible_size(len(encoded), _LARGEST_DECODED))
        except (UserError, ValueError) as error:
            for rule in rules:
                self.noted(flow, rule, f"not applied: {error}")
            return
        before = content
        for rule in rules:
            content = self._substituted(flow, rule, content)
        if content != before:
            flow.backup()
            message.set_content(encode_content(content, coding))

    def _substituted(self, flow: HttpFlow, rule: BodyRule, content: bytes) -> bytes:
        if rule.template is not None:
            changed = rule.pattern.sub(rule.template, content)
        else:
            try:
                replacement = readable_file(rule.path).read_bytes()
            except (OSError, UserError) as error:
                _log.warning("modify_body %s: %s", rule.text, error, extra={"flow_id": flow.id})
                self.noted(flow, rule, f"not applied: {error}")
                return content
            changed = rule.pattern.sub(lambda _: replacement, content)
        if changed != content:
            self.noted(flow, rule)
        return changed
