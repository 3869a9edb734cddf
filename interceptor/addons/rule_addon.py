"""What addons have in common that follow the rules of one option, and how flows say what rules did to them.

    option ─parse─▸ rules ─┬ whose filter looks at the head ─▸ on_request, on_response at the head: the body streams
                           └ whose filter looks into bodies ─▸ the body is collected, then on_request, on_response

A change of the option applies to the next decision; whoever owns the chain refreshes it then. Without rules there is no say in
any hook.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Final, Generic, TypeVar

from interceptor.model.flow import NOTED_BY_RULES, Flow, HttpFlow
from interceptor.model.hooks import Collect, Forward, Verdict
from interceptor.options import Options
from interceptor.specs.errors import UserError
from interceptor.specs.rules import Rule

R = TypeVar("R", bound=Rule)
Said = Verdict | None

COLLECT: Final = Forward(Collect.WHOLE)
_HEADS: Final = {"request": "requestheaders", "response": "responseheaders"}


def note(flow: Flow, what: str) -> None:
    """What a rule did to this flow: shown with it, and kept with it in files. The same is said once."""
    noted = flow.metadata.setdefault(NOTED_BY_RULES, [])
    if what not in noted:
        noted.append(what)


class RuleAddon(ABC, Generic[R]):
    """`option` is a list of rules; `looks_at` says for which messages they count. UserError from the constructor, and from
    setting the option, if a rule cannot be followed."""

    option: ClassVar[str]
    looks_at: ClassVar[Collection[str]] = ("request",)
    collects_itself: Final = True

    def __init__(self, options: Options) -> None:
        self._options = options
        self._at_head: Sequence[R] = ()
        self._with_body: Sequence[R] = ()
        self.hooks: Collection[str] = ()
        self._configure(options)
        options.subscribe(self._options_changed)

    @abstractmethod
    def parse(self, text: str) -> R:
        """UserError if it is no rule of this kind."""

    @abstractmethod
    def on_request(self, flow: HttpFlow, rules: Sequence[R]) -> Said:
        """`rules` are those that can be decided about now; whether their filter matches is for this to ask."""

    def on_response(self, flow: HttpFlow, rules: Sequence[R]) -> Said:
        """The same for the response; nothing unless `looks_at` has it."""
        return None

    def requestheaders(self, flow: HttpFlow) -> Said:
        return self.on_request(flow, self._at_head) or (COLLECT if self._with_body else None)

    def request(self, flow: HttpFlow) -> Said:
        return self.on_request(flow, self._with_body)

    def responseheaders(self, flow: HttpFlow) -> Said:
        return self.on_response(flow, self._at_head) or (COLLECT if self._with_body else None)

    def response(self, flow: HttpFlow) -> Said:
        return self.on_response(flow, self._with_body)

    def _options_changed(self, options: Options, names: set[str]) -> None:
        if self.option in names:
            self._configure(options)

    def texts(self, options: Options) -> Iterable[str]:
        """The rules as typed."""
        texts: Iterable[str] = getattr(options, self.option)
        return texts

    def _configure(self, options: Options) -> None:
        rules = []
        for text in self.texts(options):
            try:
                rules.append(self.parse(text))
            except UserError as error:
                raise UserError(f"{self.option}: {text!r}: {error.message}", error.position) from None
        self._at_head = [rule for rule in rules if not rule.needs_body]
        self._with_body = [rule for rule in rules if rule.needs_body]
        self.hooks = self.hooks_for(self._at_head, self._with_body)

    def hooks_for(self, at_head: Sequence[R], with_body: Sequence[R]) -> Collection[str]:
        """In which hooks there is a say while these are the rules."""
        names: set[str] = set()
        if at_head or with_body:
            names.update(_HEADS[message] for message in self.looks_at)
        if with_body:
            names.update(self.looks_at)
        return names

    def noted(self, flow: HttpFlow, rule: R, how: str = "") -> None:
        note(flow, f"{self.option} {rule.text}" + (f": {how}" if how else ""))


def readable_file(text: str) -> Path:
    """The file of that path, `~` filled in. UserError if it cannot be read now."""
    path = Path(text).expanduser()
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise UserError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
