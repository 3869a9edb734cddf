"""What one option is: its name, type, default, help, group and choices, and how a typed text becomes its value.

    text ── parse ──▸ value ── validated ──▸ stored by `Options`
    value ── to_text ──▸ what a person would have typed

A definition is a class attribute of `Options` and a non-data descriptor: the value itself lies in the instance's dictionary,
so reading an option costs a plain attribute lookup. Only the small standard library is imported here, and what a check needs
(filters, modes, sizes) when the check runs: `--help` and `--version` must answer at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar, cast, overload

from interceptor.specs.errors import UserError

T = TypeVar("T")
Check = Callable[[Any], None]
"""Raises UserError if a value of the right type is still not a good one; its message follows the option's name."""

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_WANTS: Final = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text", "list": "a list of texts"}


class OptionError(UserError):
    """A value that is not good for its option. `position` counts in `text`, if both are known."""

    def __init__(self, message: str, position: int | None = None, text: str = "") -> None:
        super().__init__(message, position)
        self.text = text


class OptionDefinition(Generic[T]):
    """One option. `kind` is "bool", "int", "float", "str" or "list" (of texts); `is_optional` means that None is a value.
    `beginnings` are what a value can begin with, for completion, each with a word on it."""

    __slots__ = ("_check", "beginnings", "choices", "default", "group", "help", "is_optional", "kind", "name")

    def __init__(
        self,
        kind: str,
        default: T,
        group: str,
        help: str,
        *,
        optional: bool,
        choices: Sequence[str] = (),
        check: Check | None = None,
        beginnings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name = ""
        self.kind, self.default, self.group, self.help = kind, default, group, help
        self.is_optional, self.choices, self._check = optional, tuple(choices), check
        self.beginnings = beginnings

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> OptionDefinition[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> OptionDefinition[T] | T:
        return self if instance is None else cast(T, vars(instance)[self.name])

    @property
    def type(self) -> str:
        """For people: "bool", "optional str", "sequence of str", …"""
        if self.kind == "list":
            return "sequence of str"
        return f"optional {self.kind}" if self.is_optional else self.kind

    def validated(self, value: object) -> T:
        """The value to store, or UserError. A list is copied, a whole number is taken where a number is wanted."""
        if value is None and self.is_optional:
            return cast(T, None)
        fits, wanted = _fits(self.kind, value), _WANTS[self.kind]
        if not fits:
            raise UserError(f"{self.name} wants {wanted}, not {value!r}")
        if self.choices:
            for each in cast("Sequence[str]", value) if self.kind == "list" else (value,):
                if each not in self.choices:
                    raise UserError(f"{self.name} wants {self._one_of} {', '.join(self.choices)}, not {each!r}")
        if self._check is not None:
            try:
                self._check(value)
            except UserError as error:
                text = error.text if isinstance(error, OptionError) else value if isinstance(value, str) else ""
                raise OptionError(f"{self.name}: {error.message}", error.position, text) from error
        return cast(T, list(cast("Sequence[str]", value)) if self.kind == "list" else value)

    @property
    def _one_of(self) -> str:
        return "some of" if self.kind == "list" else "one of"

    def parse(self, texts: Sequence[str], current: object) -> object:
        """The value that was typed as `name=text`, once per text; no text at all is what `--set name` means: true for a switch,
        nothing for what may be unset, an empty list. `current` is what "toggle" toggles."""
        if self.kind == "list":
            return [text for text in texts if text]
        if len(texts) > 1:
            raise UserError(f"{self.name} takes one value, not {len(texts)}")
        text = texts[0] if texts else ("true" if self.kind == "bool" else "")
        if self.is_optional and not text:
            return None
        return self._parse_one(text, current)

    def _parse_one(self, text: str, current: object) -> object:
        if self.kind == "bool":
            word = text.strip().lower()
            if word == "toggle":
                return not current
            if word in _TRUE or word in _FALSE:
                return word in _TRUE
            raise UserError(f"{self.name} wants true, false or toggle, not {text!r}")
        if self.kind == "str":
            return text
        try:
            return int(text) if self.kind == "int" else float(text)
        except ValueError:
            raise UserError(f"{self.name} wants {_WANTS[self.kind]}, not {text!r}") from None

    def to_text(self, value: object) -> str:
        """What a person would type for this value; a list's entries are joined by ", "."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return f"{value:g}"
        return ", ".join(value) if isinstance(value, (list, tuple)) else str(value)

    def __repr__(self) -> str:
        return f"<option {self.name}: {self.type} = {self.default!r}>"


def _fits(kind: str, value: object) -> bool:
    match kind:
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "str":
            return isinstance(value, str)
        case _:
            return isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)


def _nearest(word: str, known: Sequence[str]) -> str:
    """ " (did you mean …?)" with the likeliest of the known words; "" if none comes near."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, 2, 0.6) or [each for each in known if len(word) > 2 and word in each][:3]
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def unknown_option(name: str, known: Sequence[str]) -> UserError:
    return UserError(f"there is no option {name!r}{_nearest(name, known) or '; --options lists all'}")


# Kinds of options, as `Options` declares them.


def switch(default: bool, group: str, help: str) -> OptionDefinition[bool]:
    return OptionDefinition("bool", default, group, help, optional=False)


def text(
    default: str, group: str, help: str, *, choices: Sequence[str] = (), check: Check | None = None
) -> OptionDefinition[str]:
    return OptionDefinition("str", default, group, help, optional=False, choices=choices, check=check)


def optional_text(
    group: str, help: str, *, choices: Sequence[str] = (), check: Check | None = None
) -> OptionDefinition[str | None]:
    return OptionDefinition("str", None, group, help, optional=True, choices=choices, check=check)


def texts(
    default: Sequence[str],
    group: str,
    help: str,
    *,
    choices: Sequence[str] = (),
    check: Check | None = None,
    beginnings: Mapping[str, str] = MappingProxyType({}),
) -> OptionDefinition[Sequence[str]]:
    """With `choices`, each entry is one of them."""
    return OptionDefinition(
        "list", tuple(default), group, help, optional=False, choices=choices, check=check, beginnings=beginnings
    )


def whole(default: int, low: int, high: int, group: str, help: str) -> OptionDefinition[int]:
    return OptionDefinition("int", default, group, help, optional=False, check=within(low, high))


def whole_or_all(default: int, group: str, help: str) -> OptionDefinition[int]:
    """At least 1; -1 is as many as there are."""
    return OptionDefinition("int", default, group, help, optional=False, check=_is_count_or_all)


def optional_whole(low: int, high: int, group: str, help: str) -> OptionDefinition[int | None]:
    return OptionDefinition("int", None, group, help, optional=True, check=within(low, high))


def seconds(default: float, group: str, help: str) -> OptionDefinition[float]:
    """A time that is waited: above zero, whole or not."""
    return OptionDefinition("float", default, group, help, optional=False, check=_is_positive)


def rate(group: str, help: str) -> OptionDefinition[float]:
    """So many a second, whole or not; 0 is as many as there are."""
    return OptionDefinition("float", 0.0, group, help, optional=False, check=_is_rate)


# Checks: each gets a value of the right type.


def within(low: int, high: int) -> Check:
    def check(value: int) -> None:
        if not low <= value <= high:
            raise UserError(f"{value} is not between {low} and {high}")

    return check


def _is_count_or_all(value: int) -> None:
    if value < 1 and value != -1:
        raise UserError(f"{value} is neither a number from 1 on nor -1, which means all at once")


def _is_positive(value: float) -> None:
    if not 0 < value < float("inf"):  # also refuses nan
        raise UserError(f"{value:g} is not a time in seconds above 0")


def _is_rate(value: float) -> None:
    if not 0 <= value < float("inf"):  # also refuses nan
        raise UserError(f"{value:g} is not a number a second; 0 is as fast as they go")


def is_size(value: str) -> None:
    from interceptor.specs.sizes import parse_size

    parse_size(value)


def is_filter(value: str) -> None:
    from interceptor.specs.filter import parse

    parse(value)


def are_modes(values: Sequence[str]) -> None:
    from interceptor.specs.modes import parse_mode

    for value in values:
        parse_mode(value)


def are_routes(values: Sequence[str]) -> None:
    from interceptor.specs.routes import parse_rule

    for value in values:
        try:
            parse_rule(value)
        except UserError as error:
            raise OptionError(error.message, error.position, value) from None


def are_servers(values: Sequence[str]) -> None:
    from interceptor.specs.servers import parse_server

    for value in values:
        try:
            parse_server(value)
        except UserError as error:
            raise OptionError(error.message, error.position, value) from None


def are_patterns(values: Sequence[str]) -> None:
    import re

    for value in values:
        try:
            re.compile(value)
        except re.error as error:
            raise UserError(f"{value!r} is not a regular expression: {error.msg}", error.pos) from None


def are_rules(kind: str) -> Check:
    """`kind` is "header", "body", "remote", "local" or "block": which rules of `specs.rules` these are."""

    def check(values: Sequence[str]) -> None:
        from interceptor.specs import rules

        for number, value in enumerate(values, 1):
            try:
                getattr(rules, f"{kind}_rule")(value)
            except UserError as error:
                which = f"rule {number}, " if len(values) > 1 else ""
                place = f", character {error.position + 1}" if error.position is not None else ""
                raise OptionError(f"{which}{value!r}{place}: {error.message}", error.position, value) from None

    return check


def is_user_and_password(value: str) -> None:
    user, colon, password = value.partition(":")
    if not (user and colon and password):
        raise UserError("what is wanted is user:password")


def are_networks(values: Sequence[str]) -> None:
    from ipaddress import ip_network

    for value in values:
        try:
            ip_network(value)
        except ValueError as error:
            raise UserError(f"{value!r} is not a network like 10.0.0.0/8, nor an address: {error}") from None


def is_address(value: str) -> None:
    from ipaddress import ip_address

    try:
        ip_address(value)
    except ValueError:
        raise UserError(f"{value!r} is not an IP address of this machine, like 192.168.1.5") from None
