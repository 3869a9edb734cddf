"""Header fields set, replaced and removed by rule: the option `modify_headers`, `/[filter]/name/value`.

As in mitmproxy all filters are asked first, then what the matching rules name is removed, then their values are added, so two
rules with one name are two fields. Without a filter a rule is for requests and responses: ~q and ~s choose. A field that was
there is replaced in its place; a new one comes last.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Final

from interceptor.addons.rule_addon import RuleAddon, readable_file
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Field, Headers, Message
from interceptor.specs.errors import UserError
from interceptor.specs.rules import HeaderRule, header_rule

_log = logging.getLogger(__name__)
_NOT_IN_A_VALUE: Final = re.compile(rb"[\r\n\0]")


class ModifyHeaders(RuleAddon[HeaderRule]):
    option = "modify_headers"
    looks_at = ("request", "response")

    def parse(self, text: str) -> HeaderRule:
        rule = header_rule(text)
        if rule.value is None:
            readable_file(rule.path)
            _value(rule)
        return rule

    def on_request(self, flow: HttpFlow, rules: Sequence[HeaderRule]) -> None:
        self._modify(flow, flow.request, rules)

    def on_response(self, flow: HttpFlow, rules: Sequence[HeaderRule]) -> None:
        if flow.response is not None:
            self._modify(flow, flow.response, rules)

    def _modify(self, flow: HttpFlow, message: Message, rules: Sequence[HeaderRule]) -> None:
        found: dict[bytes, list[Field]] = {}
        for rule in rules:
            if not rule.applies_to(flow):
                continue
            try:
                value = _value(rule)
            except UserError as error:
                _log.warning("modify_headers %s: %s", rule.text, error.message, extra={"flow_id": flow.id})
                self.noted(flow, rule, f"not applied: {error.message}")
                continue
            if not value and rule.name not in message.headers:
                continue
            if not found:
                flow.backup()
            fields = found.setdefault(rule.name.lower(), [])
            if value:
                fields.append((rule.name, value))
            self.noted(flow, rule)
        for name, fields in found.items():
            _replace(message.headers, name, fields)


def _value(rule: HeaderRule) -> bytes:
    if rule.value is not None:
        return rule.value
    try:
        value = readable_file(rule.path).read_bytes().strip(b" \t\r\n")
    except OSError as error:
        raise UserError(f"{rule.path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if _NOT_IN_A_VALUE.search(value):
        raise UserError(f"{rule.path} has several lines, and the value of a header field is one")
    return value


def _replace(headers: Headers, name: bytes, new: list[Field]) -> None:
    """Fields of that name (lower case) by these, in the place of the first."""
    kept: list[Field] = []
    place: int | None = None
    for item in headers.fields:
        if item[0].lower() != name:
            kept.append(item)
        elif place is None:
            place = len(kept)
    place = len(kept) if place is None else place
    headers.fields = [*kept[:place], *new, *kept[place:]]
