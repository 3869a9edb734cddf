"""The types that arguments of commands may have: how each is read from text, and what may be typed for it.

A command is an ordinary annotated function. An annotation becomes an `ArgumentType` here; `Commands` knows no type by itself.

    int  float  bool  str  bytes  Path         one word each
    Flow, Sequence[Flow]                       a flow spec: @focus, @marked, @12,13, or a filter
    Sequence[str]                              words with commas between them
    Annotated[str, Choices(texts)]             one of what `texts()` gives at that time
    Annotated[str, Suggestions(offers)]        any text; `offers()` helps to type it; for Sequence[str], too
    OptionName, OptionValue, CommandName       a name that exists; for a value, what the option before it takes
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from interceptor.model.flow import Flow
from interceptor.options import Options
from interceptor.specs.errors import UserError

FlowResolver = Callable[[str], Sequence[Flow]]
FLOW_SPECS: Final = (
    ("@all", "every flow"),
    ("@focus", "the flow under the cursor"),
    ("@shown", "flows that the view's filter lets through"),
    ("@hidden", "flows that it does not"),
    ("@marked", "flows with a marker"),
    ("@unmarked", "flows without one"),
)
_MOST_PATHS: Final = 200


@dataclass(frozen=True, slots=True)
class Choices:
    """`Annotated[str, Choices(texts)]`: the text must be one of those that `texts()` gives when the command is used."""

    texts: Callable[[], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Suggestions:
    """`Annotated[str, Suggestions(offers)]`: any text; what `offers()` gives, with a word on each, can be completed, and so can
    paths, if it may be one."""

    offers: Callable[[], Iterable[tuple[str, str]]]
    with_paths: bool = False


@dataclass(frozen=True, slots=True)
class _Marker:
    label: str


OptionName = Annotated[str, _Marker("option")]
OptionValue = Annotated[str, _Marker("value")]
CommandName = Annotated[str, _Marker("command")]


@dataclass(frozen=True, slots=True)
class World:
    """What types need to know of the program."""

    options: Options | None
    resolve_flows: FlowResolver | None
    command_names: Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """`label` stands for the argument in signatures where its name says nothing; `needs` follows "… needs"."""

    label: str
    needs: str
    parse: Callable[[str, World], Any]
    complete: Callable[[str, World, Sequence[str]], Iterable[tuple[str, str]]]  # word, world, words before -> (text, help)


def argument_type(annotation: object) -> ArgumentType:
    """TypeError if there is no such type: a mistake of the command's author."""
    if isinstance(annotation, type) and annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1])
    if origin is Literal:
        return _chosen(lambda: [str(each) for each in arguments])
    present = [each for each in arguments if each is not type(None)]
    if (origin is Union or isinstance(annotation, _UNION)) and len(present) == 1:
        return argument_type(present[0])  # Path | None: None is its default
    if isinstance(origin, type) and issubclass(origin, Sequence):
        if arguments == (Flow,):
            return _FLOWS
        if arguments == (str,):
            return _TEXTS
    raise TypeError(f"a command cannot take an argument of type {annotation!r}")


_UNION: Final = type(int | None)


def _annotated(base: object, note: object) -> ArgumentType:
    if isinstance(note, Choices):
        return _chosen(note.texts)
    if isinstance(note, Suggestions):
        return _suggested(argument_type(base), note)
    if isinstance(note, _Marker):
        return _MARKED[note.label]
    raise TypeError(f"a command cannot take an argument annotated with {note!r}")


def _suggested(plain: ArgumentType, note: Suggestions) -> ArgumentType:
    """The same with completion; in a list of texts, of the one behind the last comma."""

    def complete(word: str, world: World, before: Sequence[str]) -> Iterable[tuple[str, str]]:
        start, comma, _ = word.rpartition(",") if plain is _TEXTS else ("", "", "")
        offers = [(f"{start}{comma}{text}", help) for text, help in note.offers()]
        return [*offers, *_complete_path(word, world, before)] if note.with_paths else offers

    return replace(plain, complete=complete)


def _no_hints(word: str, world: World, before: Sequence[str]) -> Iterable[tuple[str, str]]:
    return ()


def _parse_whole(word: str, world: World) -> int:
    try:
        return int(word)
    except ValueError:
        raise UserError(f"{word!r} is not a whole number") from None


def _parse_number(word: str, world: World) -> float:
    try:
        return float(word)
    except ValueError:
        raise UserError(f"{word!r} is not a number") from None


def _parse_truth(word: str, world: World) -> bool:
    match word.lower():
        case "true" | "yes" | "on" | "1":
            return True
        case "false" | "no" | "off" | "0":
            return False
        case _:
            raise UserError(f"{word!r} is neither true nor false")


def _parse_bytes(word: str, world: World) -> bytes:
    return typed_bytes(word)


def typed_bytes(word: str) -> bytes:
    """What the text means where bytes are wanted: UTF-8, with \\n, \\r, \\t, \\0, \\\\ and \\xNN for what cannot be typed."""
    from re import sub

    escapes = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}

    def plain(found: Any) -> bytes:
        code: bytes = found.group(1)
        return bytes.fromhex(code[1:].decode()) if code[:1] == b"x" else escapes[code]

    return sub(rb"\\(x[0-9a-fA-F]{2}|[nrt0\\])", plain, word.encode("utf-8", "surrogateescape"))


def _parse_flows(word: str, world: World) -> Sequence[Flow]:
    if world.resolve_flows is None:
        raise UserError("there are no flows here")
    return world.resolve_flows(word)


def _parse_flow(word: str, world: World) -> Flow:
    flows = _parse_flows(word, world)
    if len(flows) != 1:
        raise UserError(f"one flow is needed, and {word} is {len(flows) or 'none'}: try @focus")
    return flows[0]


def _complete_truth(word: str, world: World, before: Sequence[str]) -> Iterable[tuple[str, str]]:
    return [("true", ""), ("false", "")]


def _complete_flows(word: str, world: World, before: Sequence[str]) -> Iterable[tuple[str, str]]:
    return FLOW_SPECS


def _complete_path(word: str, world: World, before: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Entries of the folder that the word is in; `~` stays as typed, and so does the `+` that means append."""
    plus = "+" if word.startswith("+") else ""
    folder, slash, start = word.removeprefix("+").rpartition("/")
    typed_folder = folder + slash
    try:
        with os.scandir(os.path.expanduser(typed_folder) or ".") as entries:
            found = sorted(
                (entry.name, entry.is_dir())
                for entry in entries
                if entry.name.startswith(start) and (start.startswith(".") or not entry.name.startswith("."))
            )
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return []
    return [
        (f"{plus}{typed_folder}{name}{'/' if is_folder else ''}", "folder" if is_folder else "")
        for name, is_folder in found[:_MOST_PATHS]
    ]


def _chosen(texts: Callable[[], Iterable[str]]) -> ArgumentType:
    def parse(word: str, world: World) -> str:
        known = list(texts())
        if word not in known:
            raise UserError(f"{word!r} is not one of {', '.join(known) or 'none'}")
        return word

    return ArgumentType("choice", "one of its choices", parse, lambda word, world, before: [(each, "") for each in texts()])


def _parse_option_name(word: str, world: World) -> str:
    if world.options is not None:
        world.options.definition(word.partition("=")[0])  # UserError with the nearest names
    return word


def _complete_option_name(word: str, world: World, before: Sequence[str]) -> Iterable[tuple[str, str]]:
    return [(each.name, each.help) for each in world.options.definitions()] if world.options is not None else []


def _complete_option_value(word: str, world: World, before: Sequence[str]) -> Iterable[tuple[str, str]]:
    """What the option named earlier in the line takes: its choices, its present value."""
    if world.options is None:
        return
    named = [each for each in world.options.definitions() if each.name in before]
    for definition in named[:1]:
        current = world.options.text_of(definition.name)
        if definition.kind == "bool":
            yield from [("true", ""), ("false", ""), ("toggle", "")]
        elif definition.choices:
            is_list = definition.kind == "list"
            yield from [
                (each, "now" if each == current else "") for each in definition.choices if not (is_list and each in before)
            ]
        elif definition.beginnings:
            yield from [item for item in definition.beginnings.items() if item[0] not in before]
        elif current and definition.kind != "list":
            yield current, "now"


_TEXT: Final = ArgumentType("text", "a text", lambda word, world: word, _no_hints)
_FLOWS: Final = ArgumentType("flows", "flows: try @focus", _parse_flows, _complete_flows)
_TEXTS: Final = ArgumentType(
    "texts",
    "texts with commas between them",
    lambda word, world: [part.strip() for part in word.split(",") if part.strip()],
    _no_hints,
)
_PLAIN: Final[dict[type, ArgumentType]] = {
    str: _TEXT,
    int: ArgumentType("number", "a whole number", _parse_whole, _no_hints),
    float: ArgumentType("number", "a number", _parse_number, _no_hints),
    bool: ArgumentType("true|false", "true or false", _parse_truth, _complete_truth),
    bytes: ArgumentType("bytes", "bytes as text", _parse_bytes, _no_hints),
    Path: ArgumentType("path", "a path", lambda word, world: Path(word).expanduser(), _complete_path),
    Flow: ArgumentType("flow", "one flow: try @focus", _parse_flow, _complete_flows),
}
_MARKED: Final = {
    "option": ArgumentType("option", "an option's name", _parse_option_name, _complete_option_name),
    "value": ArgumentType("value", "a value", lambda word, world: word, _complete_option_value),
    "command": ArgumentType(
        "command",
        "a command",
        lambda word, world: word,
        lambda word, world, before: [(name, "") for name in world.command_names()],
    ),
}
