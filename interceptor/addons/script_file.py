"""One script: a Python file run as a module, what it imported from beside it, and tracebacks that begin in it.

    load ─▸ module, executed ─▸ its addons, nested ones flattened          has_changed: it, or a module that it imported
    blame(error) ─▸ the traceback without our frames

The file is compiled anew each time and leaves no bytecode behind: a change within the same second counts, too. Its folder is on
`sys.path` while it is loaded, so that it finds the modules beside it; these are forgotten before it is loaded again.
"""

from __future__ import annotations

import importlib
import itertools
import linecache
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from interceptor.specs.errors import UserError

_PACKAGE: Final = str(Path(__file__).parent.parent) + os.sep
_NUMBERS: Final = itertools.count(1)

Stamp = tuple[int, int, int] | None


class ScriptFile:
    """`path` as it was given. Nothing happens until `load`."""

    def __init__(self, path: str) -> None:
        self.given = path
        self.path = Path(path).expanduser().absolute()
        self.module: ModuleType | None = None
        self._imported: dict[str, ModuleType] = {}
        self._stamps: dict[Path, Stamp] = {self.path: None}

    @property
    def name(self) -> str:
        return self.path.name

    def load(self, prepare: Callable[[ModuleType], None] = lambda module: None) -> ModuleType:
        """Runs it. `prepare` gets the module before. UserError if there is no such file; what the script raises passes through,
        and the files are watched all the same."""
        self._stamps = {self.path: stamp(self.path)}
        try:
            source = self.path.read_bytes()
        except OSError as error:
            raise UserError(f"the script {self.given} cannot be read: {error.strerror or error}") from None
        module = ModuleType(f"__interceptor_script_{next(_NUMBERS)}__.{self.path.stem}")
        module.__file__ = str(self.path)
        before, path, writes_no_bytecode = set(sys.modules), list(sys.path), sys.dont_write_bytecode
        importlib.invalidate_caches()
        linecache.checkcache()
        sys.modules[module.__name__] = module  # dataclasses and pickle look for it there
        sys.path.insert(0, str(self.path.parent))
        sys.dont_write_bytecode = True
        self.module = module
        try:
            prepare(module)
            exec(compile(source, str(self.path), "exec"), module.__dict__)
        finally:
            sys.path[:], sys.dont_write_bytecode = path, writes_no_bytecode
            self._notice_imports(before)
        return module

    def _notice_imports(self, before: set[str]) -> None:
        """Modules from beside the script: new ones, and those that another script has imported already."""
        folder = str(self.path.parent) + os.sep
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            is_beside = isinstance(file, str) and file.startswith(folder) and "site-packages" not in file
            if module is self.module or not is_beside or file.startswith(_PACKAGE):  # type: ignore[union-attr]
                continue
            if name not in before or (self.module is not None and module in vars(self.module).values()):
                self._imported[name] = module
                self._stamps[Path(str(file))] = stamp(Path(str(file)))

    def forget(self) -> None:
        """So that the next `load` finds everything as it is on disk then."""
        for name, module in self._imported.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
        if self.module is not None:
            sys.modules.pop(self.module.__name__, None)
        self.module, self._imported = None, {}

    def has_changed(self) -> bool:
        """Since it was loaded, or since it could not be."""
        return any(stamp(path) != known for path, known in self._stamps.items())

    @property
    def is_there(self) -> bool:
        return self.path.exists()

    def blame(self, error: BaseException) -> str:
        """The traceback of what the script raised, from its first line in it on."""
        report = traceback.TracebackException.from_exception(error)
        files = {str(path) for path in self._stamps}
        linked: traceback.TracebackException | None = report
        while linked is not None:
            _trim(linked.stack, files)
            linked = linked.__cause__ or linked.__context__
        return "".join(report.format()).rstrip()


def _trim(stack: traceback.StackSummary, files: set[str]) -> None:
    """Without what led to the script, the import machinery, and our own frames behind it."""
    frames = list(itertools.dropwhile(lambda frame: frame.filename not in files, stack))
    stack[:] = [frame for frame in frames if not frame.filename.startswith((_PACKAGE, "<frozen "))]


def stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def addons_of(addon: Any) -> Iterator[Any]:
    """It, and those that it brings in `addons`, to any depth."""
    yield addon
    for inner in getattr(addon, "addons", ()):
        yield from addons_of(inner)


def name_of(addon: Any) -> str:
    """As `ctx.master.addons.get` knows it."""
    if isinstance(addon, ModuleType):
        return addon.__name__.rpartition(".")[2]
    named = getattr(addon, "name", None)
    return named if isinstance(named, str) else type(addon).__name__.lower()
