"""Commands that scripts define, made fit for the registry.

    @command.command("my.count")                       a method or a function; without a name it is the function's own
    @command.argument("path", type=types.Path)         what the annotation does not say
    def count(self, flows: Sequence[flow.Flow]) -> int: …

The registry calls with records, the script gets facades; what it gives back becomes records again.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Sequence
from pathlib import Path as FilePath
from typing import Annotated, Any, TypeVar

from interceptor.argument_types import Choices, CommandName
from interceptor.model.flow import Flow as Record
from interceptor.script.flow import Flow
from interceptor.script.types import Choice, Cmd, CutSpec, Marker, Path
from interceptor.specs.errors import UserError

F = TypeVar("F", bound=Callable[..., Any])
Facade = Callable[[Record], Flow]


def command(name: str | None = None) -> Callable[[F], F]:
    """Marks a function as a command."""

    def mark(function: F) -> F:
        function.command_name = name or function.__name__.replace("_", ".")  # type: ignore[attr-defined]
        return function

    return mark


def argument(name: str, type: Any) -> Callable[[F], F]:
    """Says of what type an argument is."""

    def mark(function: F) -> F:
        function.__dict__.setdefault("command_arguments", {})[name] = type
        return function

    return mark


def for_registry(function: Callable[..., Any], facade: Facade, call: Callable[[str], Any]) -> Callable[..., Any]:
    """The function as the registry wants it: our types in its signature. `call` runs a command by name, for choices. UserError if
    an argument is of a type that cannot be typed."""
    said = getattr(function, "command_arguments", {})
    hints = {**typing.get_type_hints(function), **said}
    signature = inspect.signature(function)
    annotations = {name: _ours(hints.get(name, str), name, call) for name in signature.parameters}

    def run(*arguments: Any) -> Any:
        return records_of(function(*(facades_of(each, facade) for each in arguments)))

    parameters = [each.replace(annotation=annotations[name]) for name, each in signature.parameters.items()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = annotations
    run.__doc__ = function.__doc__
    return run


def _ours(annotation: Any, name: str, call: Callable[[str], Any]) -> Any:
    if isinstance(annotation, Choice):
        return Annotated[str, Choices(lambda: call(annotation.options_command))]
    if isinstance(annotation, type) and annotation in _OURS:
        return _OURS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Flow):
        return Record
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(origin, type) and issubclass(origin, Sequence) and len(inner) == 1:
        return Sequence[_ours(inner[0], name, call)]  # type: ignore[misc]
    rest = [each for each in inner if each is not type(None)]
    if len(rest) == 1 and len(inner) == 2:
        return _ours(rest[0], name, call)
    raise UserError(f"a command cannot take {name}: {annotation!r}; use str, int, bool, a type of mitmproxy.types, or flows")


_OURS: dict[Any, Any] = {
    str: str,
    int: int,
    float: float,
    bool: bool,
    bytes: bytes,
    Path: FilePath,
    FilePath: FilePath,
    Cmd: CommandName,
    Marker: str,
    CutSpec: Sequence[str],
}


def facades_of(value: Any, facade: Facade) -> Any:
    """Records, also in a list, as facades; paths as texts; all else as it is."""
    if isinstance(value, Record):
        return facade(value)
    if isinstance(value, FilePath):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [facades_of(each, facade) for each in value]
    return value


def records_of(value: Any) -> Any:
    """Facades, also in a list, as records; all else as it is."""
    if isinstance(value, Flow):
        return value.record
    return [records_of(each) for each in value] if isinstance(value, (list, tuple)) else value
