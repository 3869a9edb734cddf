"""What a script gets in `load`: a place to register options and commands."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from typing import Any

from interceptor.option_definitions import OptionDefinition
from interceptor.specs.errors import UserError

GROUP = "scripts"
_KINDS = {bool: "bool", int: "int", float: "float", str: "str"}


class Loader:
    """`add_option` and `add_command`; what they registered goes with the script."""

    def __init__(
        self, add_option: Callable[[OptionDefinition[Any]], None], add_command: Callable[[str, Callable[..., Any]], None]
    ) -> None:
        self._add_option, self._add_command = add_option, add_command

    def add_option(self, name: str, typespec: Any, default: Any, help: str, choices: Sequence[str] | None = None) -> None:
        """An option of that name, as all others: `--set`, the configuration file, the console. UserError if it is there already,
        or of a type that options do not have."""
        kind, is_optional = _kind(typespec, name)
        definition: OptionDefinition[Any] = OptionDefinition(
            kind, default, GROUP, help, optional=is_optional, choices=choices or ()
        )
        definition.name = name
        definition.validated(default)
        self._add_option(definition)

    def add_command(self, path: str, func: Callable[..., Any]) -> None:
        self._add_command(path, func)


def _kind(typespec: Any, name: str) -> tuple[str, bool]:
    if isinstance(typespec, type) and typespec in _KINDS:
        return _KINDS[typespec], False
    origin, inner = typing.get_origin(typespec), typing.get_args(typespec)
    if isinstance(origin, type) and issubclass(origin, Sequence) and inner == (str,):
        return "list", False
    rest = [each for each in inner if each is not type(None)]
    if len(rest) == 1 and len(inner) == 2 and rest[0] in _KINDS:
        return _KINDS[rest[0]], True
    raise UserError(f"the option {name} cannot be of type {typespec!r}: bool, int, float, str, Sequence[str], or str | None")
