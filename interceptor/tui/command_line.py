"""What is typed behind `:` and bound to keys: completed, hinted at, and carried out.

`set` is the one command whose line is read here as well: `set name=value` is `set name value`, and the value of an option that is
no list is all the rest of the line as typed, so that a filter needs no quotes around it: `set intercept ~u "a b" & ~m POST`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from interceptor.commands import Commands, lex, quote
from interceptor.options import Options
from interceptor.specs.errors import UserError
from interceptor.tui.prompt import Candidate

_SET: Final = re.compile(r"\s*set\s+([a-z_][a-z0-9_]*)(\s*=\s*|\s+|$)(.*)", re.DOTALL)
_SET_PREFIX: Final = re.compile(r"(\s*set\s+[a-z_][a-z0-9_]*)(=)(.*)", re.DOTALL)


class CommandLine:
    def __init__(self, commands: Commands, options: Options) -> None:
        self._commands, self._options = commands, options

    def execute(self, line: str) -> object:
        """What the command returns. UserError if the line is not right."""
        match = _SET.fullmatch(line)
        if match is None:
            return self._commands.execute(line)
        name, _, rest = match.groups()
        self._commands.call("set", name, *self._values(name, rest.strip()))
        return f"{name}: {self._options.text_of(name) or 'not set'}"

    def _values(self, name: str, rest: str) -> Sequence[str]:
        words = lex(rest)
        if words and words[-1].is_open:
            raise UserError("a quote in this value is not closed")
        if self._options.definition(name).kind == "list":
            return [word.text for word in words]
        if not words or (len(words) == 1 and not words[0].text):
            return []
        return [words[0].text] if len(words) == 1 and rest[0] in "'\"" and rest[-1] == rest[0] else [rest]

    def set_line(self, name: str) -> str:
        """The line that sets the option to what it is now."""
        definition = self._options.definition(name)
        if definition.kind == "list":
            return " ".join(["set", name, *(quote(each) for each in getattr(self._options, name))])
        value = self._options.text_of(name)
        is_plain = not value or self._values(name, value) == [value]
        return f"set {name} {value if is_plain else quote(value)}"

    def complete(self, before: str) -> Sequence[Candidate]:
        """What could stand at the end of `before`."""
        match = _SET_PREFIX.fullmatch(before)
        line = f"{match.group(1)} {match.group(3)}" if match is not None else before
        try:
            completions = self._commands.complete(line)
        except UserError:
            return ()
        candidates = []
        for each in completions:
            completed = each.apply(line)
            if match is not None:
                completed = f"{match.group(1)}={completed[len(match.group(1)) + 1 :]}"
            candidates.append(Candidate(completed, each.text, each.help))
        if len(candidates) == 1 and candidates[0].line == before:
            return ()
        return candidates

    def hint(self, line: str) -> str:
        """What the command on the line takes; for an option, what it is."""
        words = line.split()
        if len(words) > 1 and words[0] == "set":
            name = words[1].partition("=")[0]
            try:
                definition = self._options.definition(name)
            except UserError:
                return ""
            choices = f" ({', '.join(definition.choices)})" if definition.choices else ""
            return f"{name}, {definition.type}: {definition.help}{choices}"
        if words and words[0] in self._commands.names():
            return f"{self._commands.signature(words[0])} — {self._commands.help(words[0])}"
        return ""

    def is_known(self, line: str) -> bool:
        """False if the line cannot become a command."""
        words = line.split()
        return not words or any(name.startswith(words[0]) for name in self._commands.names())
