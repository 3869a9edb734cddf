"""Key bindings that were changed in the console, kept in `keys.yaml`; its format is told in `keymap`.

    bind   ─▸ the same key in the same contexts leaves the other entries, an entry is added
    unbind ─▸ the same; where the key does something by default, an entry without a command says that it does nothing

Entries that a person wrote stay as they are, comments too. UserError if the file is not what it should be; then it is as before.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from interceptor.specs.errors import UserError
from interceptor.tui.keymap import Binding, normalized


def remember(path: Path, binding: Binding) -> None:
    entries = _without(_read(path), binding.key, binding.contexts)
    entry: dict[str, Any] = {"key": binding.key, "cmd": binding.command, "ctx": list(binding.contexts)}
    if binding.help:
        entry["help"] = binding.help
    entries.append(entry)
    _write(path, entries)


def forget(path: Path, key: str, contexts: Sequence[str], by_default: Sequence[str]) -> None:
    """`by_default` are those of the contexts in which the key does something unless the file says otherwise."""
    entries = _without(_read(path), key, contexts)
    if by_default:
        entries.append({"key": key, "cmd": "", "ctx": list(by_default)})
    if entries or path.exists():
        _write(path, entries)


def _without(entries: Any, key: str, contexts: Sequence[str]) -> Any:
    """The entries say nothing of the key in those contexts any more."""
    for index in reversed(range(len(entries))):
        entry = entries[index]
        if not isinstance(entry, dict) or normalized(str(entry.get("key", ""))) != normalized(key):
            continue
        name = "ctx" if "ctx" in entry else "context"
        theirs = entry.get(name, ["global"])
        theirs = theirs.replace(",", " ").split() if isinstance(theirs, str) else list(theirs)
        left = [each for each in theirs if each not in contexts]
        if not left:
            del entries[index]
        elif left != theirs:
            entry[name] = left
    return entries


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.width = 1000
    yaml.preserve_quotes = True
    return yaml


def _read(path: Path) -> Any:
    from ruamel.yaml.comments import CommentedSeq
    from ruamel.yaml.error import YAMLError

    try:
        entries = _yaml().load(path.read_text("utf-8"))
    except FileNotFoundError:
        return CommentedSeq()
    except (OSError, UnicodeError) as error:
        raise UserError(f"the change is for this run only: {path} cannot be read: {error}") from None
    except YAMLError as error:
        raise UserError(f"the change is for this run only: {path} is not YAML: {' '.join(str(error).split())}") from None
    if entries is None:
        return CommentedSeq()
    if not isinstance(entries, list):
        raise UserError(f"the change is for this run only: {path} is not a list of bindings")
    return entries


def _write(path: Path, entries: Any) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(fresh, "w", encoding="utf-8") as stream:
            _yaml().dump(entries, stream)
        os.replace(fresh, path)
    except OSError as error:
        raise UserError(f"the change is for this run only: {path} cannot be written: {error.strerror or error}") from None
    finally:
        fresh.unlink(missing_ok=True)
