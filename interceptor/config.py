"""The configuration file: `config.yaml` (or `config.yml`) in the configuration folder, option names to values, as in mitmproxy.

    load_config(confdir) ─▸ {name: value}, checked     save_options(options, path) ─▸ the file, its comments kept

YAML is read by ruamel.yaml, which is imported only if there is a file: most people have none, and it takes as long to import
as the proxy takes to start. What is wrong in the file is a UserError that names the file, the line and the reason.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from interceptor.options import GROUPS, OptionDefinition, Options
from interceptor.specs.errors import UserError

FILE_NAMES: Final = ("config.yaml", "config.yml")
_NOT_IN_FILE: Final = {"confdir"}


def load_config(confdir: Path, options: Options | None = None) -> dict[str, Any]:
    """The values of the file in that folder, ready for `Options.update`; empty if there is no file."""
    for name in FILE_NAMES:
        if (path := confdir / name).exists():
            return load_options(path, options)
    return {}


def load_options(path: Path, options: Options | None = None) -> dict[str, Any]:
    """The values of that file; UserError if it cannot be read or if one is not right. Those of options that a script may bring
    are kept for later by `options`."""
    document = _read(path)
    values: dict[str, Any] = {}
    options = options if options is not None else Options()
    known = {definition.name for definition in options.definitions()}
    may_be_brought = options.is_expecting or bool(document.get("scripts"))
    for name, value in document.items():
        try:
            if name in _NOT_IN_FILE:
                raise UserError(f"{name} cannot be set in a configuration file: use --{name} or INTERCEPTOR_CONFDIR")
            if may_be_brought and str(name) not in known:
                options.expect_more()
                options.keep_for_later(str(name), _texts(value))
                continue
            definition = options.definition(str(name))
            values[definition.name] = definition.validated(_plain(value, definition))
        except UserError as error:
            raise UserError(f"{path}, line {document.lc.key(name)[0] + 1}: {error.message}") from error
    return values


def save_options(options: Options, path: Path) -> None:
    """Writes what differs from the defaults, and whatever the file has already. Comments and order stay. UserError if the file
    that is there is not YAML, OSError if it cannot be written; then it is as before."""
    from ruamel.yaml.comments import CommentedMap

    document = _read(path) if path.exists() else CommentedMap()
    for definition in options.definitions():
        name = definition.name
        if name not in _NOT_IN_FILE and (name in document or not options.is_default(name)):
            document[name] = getattr(options, name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:  # passwords
            _yaml().dump(document, stream)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def options_as_yaml(options: Options) -> str:
    """All options with their values, each below a comment that says what it is: a configuration file to start from."""
    lines = ["# All options. Uncomment what you want to change, in config.yaml in the configuration folder."]
    for group in GROUPS:
        lines += ["", f"## {group}"]
        for definition in options.definitions():
            if definition.group == group:
                name = definition.name
                facts = [definition.type, f"default {json.dumps(definition.default, ensure_ascii=False)}"]
                if definition.choices:
                    facts.insert(1, " | ".join(definition.choices))
                mark = "# " if options.is_default(name) or name in _NOT_IN_FILE else ""
                value = json.dumps(getattr(options, name), ensure_ascii=False)
                lines += ["", f"# {definition.help}", f"# ({'; '.join(facts)})", f"{mark}{name}: {value}"]
    return "\n".join(lines) + "\n"


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.width = 1000  # a long filter stays on its line
    yaml.preserve_quotes = True
    return yaml


def _read(path: Path) -> Any:
    """The document, a mapping that knows its lines."""
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        document = _yaml().load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text file in UTF-8") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise UserError(f"{path}{where}: {_first_line(error.problem or error.context or 'not YAML')}") from error
    except YAMLError as error:
        raise UserError(f"{path} is not YAML: {_first_line(str(error))}") from error
    if document is None:
        return CommentedMap()
    if not isinstance(document, Mapping):
        raise UserError(f"{path}, line 1: lines like `showhost: true` are wanted")
    return document


def _texts(value: object) -> list[str]:
    """As they would be typed."""
    entries = value if isinstance(value, list) else [] if value is None else [value]
    return [str(entry).lower() if isinstance(entry, bool) else str(entry) for entry in entries]


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _plain(value: object, definition: OptionDefinition[Any]) -> object:
    """A YAML value as the option wants it: one text for a list of one, a number for a text of digits (sizes)."""
    kind = definition.kind
    if kind == "list":
        entries = value if isinstance(value, list) else [] if value is None else [value]
        return [
            str(entry) if isinstance(entry, (str, int, float)) and not isinstance(entry, bool) else entry for entry in entries
        ]
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value) if kind == "str" else int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value) if kind == "str" else definition.parse([value], None)
    return value
