"""The registry of verbs. Owners register theirs; keys, the prompt and scripts call them by name.

    commands.add("flow.mark", self.mark)            def mark(flows: Sequence[Flow], marker: str = "default") -> None
    commands.execute("flow.mark @focus :star:")     from text: words, typed by the function's annotations
    commands.call("flow.mark", flows, ":star:")     from code: real values

A line is words between white space; '…' and "…" keep white space in a word, there are no escapes inside, and quoted and bare
pieces that touch are one word. There is no chaining. A signature is looked at when it is first needed, so registering is cheap.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

from interceptor.argument_types import (
    ArgumentType,
    Choices,
    CommandName,
    FlowResolver,
    OptionName,
    OptionValue,
    World,
    argument_type,
)
from interceptor.options import Options
from interceptor.specs.errors import UserError

__all__ = ["Choices", "CommandName", "Commands", "Completion", "OptionName", "OptionValue", "Word", "lex", "quote"]


class Word(NamedTuple):
    """One word of a line: what it means, where it starts, where its first own character is (behind a quote that it starts
    with). `is_open`: its last quote is not closed."""

    text: str
    start: int
    content_start: int
    is_open: bool = False


class Completion(NamedTuple):
    """`text` may stand in place of all that follows `start` in the line; `help` says what it is."""

    start: int
    text: str
    help: str = ""

    def apply(self, line: str) -> str:
        return line[: self.start] + self.text


class Parameter(NamedTuple):
    name: str
    type: ArgumentType
    is_optional: bool
    is_rest: bool  # takes all words that follow


@dataclass(slots=True)
class _Command:
    name: str
    function: Callable[..., object]
    help: str
    _parameters: list[Parameter] | None = field(default=None)

    @property
    def parameters(self) -> list[Parameter]:
        if self._parameters is None:
            hints = typing.get_type_hints(self.function, include_extras=True)
            self._parameters = [
                Parameter(
                    each.name,
                    argument_type(hints.get(each.name, str)),
                    each.default is not each.empty,
                    each.kind is each.VAR_POSITIONAL,
                )
                for each in inspect.signature(self.function).parameters.values()
                if each.kind is not each.KEYWORD_ONLY
            ]
        return self._parameters

    @property
    def signature(self) -> str:
        return " ".join([self.name, *(_shown(each) for each in self.parameters)])


def _shown(parameter: Parameter) -> str:
    if parameter.is_rest:
        return f"[{parameter.name} …]"
    return f"[{parameter.name}]" if parameter.is_optional else parameter.name


class Commands:
    """All commands. `flow_resolver` turns a flow spec into flows; the app sets it."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options
        self.flow_resolver: FlowResolver | None = None
        self._commands: dict[str, _Command] = {}

    def add(self, name: str, function: Callable[..., object], help: str = "") -> None:
        """Registers a command; ValueError if the name is taken. The help is the docstring's first line unless given."""
        if name in self._commands:
            raise ValueError(f"the command {name} is there already")
        self._commands[name] = _Command(name, function, help or (function.__doc__ or "").strip().partition("\n")[0])

    def remove(self, name: str) -> None:
        """KeyError if there is none."""
        del self._commands[name]

    def names(self) -> Sequence[str]:
        """In alphabetical order."""
        return sorted(self._commands)

    def signature(self, name: str) -> str:
        """`flow.mark flows [marker]`; brackets around what may be left out."""
        return self._find(name).signature

    def help(self, name: str) -> str:
        """One line."""
        return self._find(name).help

    def call(self, name: str, *arguments: Any) -> object:
        """Calls with real values and gives back what the command returns."""
        return self._find(name).function(*arguments)

    def execute(self, text: str) -> object:
        """Calls what was typed. UserError, with position where it is known, if the line is not right."""
        words = lex(text)
        if not words:
            raise UserError("a command is needed: its name, then its arguments", 0)
        if words[-1].is_open:
            raise UserError("the quote that begins here is not closed", _last_quote(text, words[-1].start))
        command = self._find(words[0].text, words[0].start)
        return command.function(*self._arguments(command, words[1:]))

    def complete(self, text: str) -> Sequence[Completion]:
        """What could stand at the end of the line: command names, or values for the argument that is being typed."""
        words = lex(text)
        is_new = not words or (text[-1].isspace() and not words[-1].is_open)
        word = Word("", len(text), len(text)) if is_new else words[-1]
        before = words if is_new else words[:-1]
        if not before:
            return self._complete_name(word)
        if (parameter := self._parameter_at(before)) is None:
            return []
        earlier = [each.text for each in before[1:]]
        offers = parameter.type.complete(word.text, self._world(), earlier)
        return [Completion(word.start, quote(offer), help) for offer, help in offers if offer.startswith(word.text)]

    def _complete_name(self, word: Word) -> list[Completion]:
        """Names that begin with the word, then names that have it elsewhere; if there are none, those that have its characters
        in that order, the closest together first."""
        names = self.names()
        starting = [name for name in names if name.startswith(word.text)]
        within = [name for name in names if word.text in name and name not in starting]
        found = starting + within or _having_in_order(word.text, names)
        return [Completion(word.start, name, self._commands[name].help) for name in found]

    def _parameter_at(self, before: Sequence[Word]) -> Parameter | None:
        """The parameter that the next word belongs to, also behind a command that takes a command."""
        command = self._commands.get(before[0].text)
        if command is None:
            return None
        for index, word in enumerate(before[1:]):
            if index < len(command.parameters) and command.parameters[index].type.label == "command":
                return self._parameter_at([word, *before[index + 2 :]])
        parameters, index = command.parameters, len(before) - 1
        if index < len(parameters):
            return parameters[index]
        return parameters[-1] if parameters and parameters[-1].is_rest else None

    def _world(self) -> World:
        return World(self.options, self.flow_resolver, self.names)

    def _find(self, name: str, position: int | None = None) -> _Command:
        if (command := self._commands.get(name)) is not None:
            return command
        near = get_close_matches(name, list(self._commands), 2, 0.6)
        near = near or [each for each in self.names() if len(name) > 2 and name in each][:3]
        raise UserError(f"there is no command {name!r}" + (f" (did you mean {' or '.join(near)}?)" if near else ""), position)

    def _arguments(self, command: _Command, words: Sequence[Word]) -> list[Any]:
        parameters = command.parameters
        has_rest = bool(parameters) and parameters[-1].is_rest
        if len(words) > len(parameters) and not has_rest:
            hint = "; put quotes around a text with spaces" if parameters else ""
            raise UserError(f"too many words for {command.signature}{hint}", words[len(parameters)].start)
        values = []
        for index, word in enumerate(words):
            parameter = parameters[min(index, len(parameters) - 1)]
            try:
                values.append(parameter.type.parse(word.text, self._world()))
            except UserError as error:
                position = word.start if error.position is None else word.content_start + error.position
                raise UserError(f"{command.name}: {error.message}", position) from error
        for parameter in parameters[len(words) :]:
            if not parameter.is_optional and not parameter.is_rest:
                name = f"{parameter.name}, " if parameter.name not in parameter.type.needs else ""
                raise UserError(f"{command.name} needs {name}{parameter.type.needs}")
        return values


def _having_in_order(characters: str, names: Sequence[str]) -> list[str]:
    """`vfd` is in `view.flows.duplicate`."""
    pattern = re.compile(".*?".join(map(re.escape, characters)), re.IGNORECASE)
    spans = {name: match.end() - match.start() for name in names if (match := pattern.search(name))}
    return sorted(spans, key=spans.__getitem__)


def lex(text: str) -> list[Word]:
    """The words of a line. The last one may be open; that is for the caller to judge."""
    words: list[Word] = []
    pieces: list[str] = []
    start, quoted_by = -1, ""
    for position, character in enumerate(text):
        if quoted_by:
            if character == quoted_by:
                quoted_by = ""
            else:
                pieces.append(character)
        elif character.isspace():
            if start >= 0:
                words.append(Word("".join(pieces), start, start + (text[start] in "'\"")))
                pieces, start = [], -1
        else:
            start = position if start < 0 else start
            if character in "'\"":
                quoted_by = character
            else:
                pieces.append(character)
    if start >= 0:
        words.append(Word("".join(pieces), start, start + (text[start] in "'\""), bool(quoted_by)))
    return words


def quote(text: str) -> str:
    """The text as one word of a line: as it is where that is possible, else in quotes."""
    if text and not any(character.isspace() or character in "'\"" for character in text):
        return text
    if '"' not in text:
        return f'"{text}"'
    if "'" not in text:
        return f"'{text}'"
    return "".join(f"'{piece}'" if piece == '"' else f'"{piece}"' for piece in _split_at_quotes(text))


def _split_at_quotes(text: str) -> list[str]:
    """Pieces without a double quote, and the double quotes between them."""
    pieces: list[str] = []
    for piece in text.split('"'):
        pieces += ['"', piece] if piece else ['"']
    return [each for each in pieces[1:] if each]


def _last_quote(text: str, start: int) -> int:
    """Where the quote that stays open begins."""
    opened, quoted_by = start, ""
    for position in range(start, len(text)):
        character = text[position]
        if quoted_by:
            quoted_by = "" if character == quoted_by else quoted_by
        elif character in "'\"":
            opened, quoted_by = position, character
    return opened
