"""Requests refused by rule: the option `block_list`, `/filter/status`. Status 444 hangs up without a word.

The answer has no body and does not say who gave it.
"""

from __future__ import annotations

from collections.abc import Sequence

from interceptor.addons.answers import answer
from interceptor.addons.rule_addon import RuleAddon, Said
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import Kill, Respond
from interceptor.specs.rules import HANG_UP, BlockRule, block_rule


class BlockList(RuleAddon[BlockRule]):
    option = "block_list"

    def parse(self, text: str) -> BlockRule:
        return block_rule(text)

    def on_request(self, flow: HttpFlow, rules: Sequence[BlockRule]) -> Said:
        for rule in rules:
            if rule.applies_to(flow):
                self.noted(flow, rule)
                flow.metadata["blocklisted"] = True
                if rule.status == HANG_UP:
                    return Kill(f"Blocked by {rule.text!r} in block_list.")
                return Respond(answer(rule.status))
        return None
