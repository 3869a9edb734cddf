"""`import mitmproxy` inside scripts: our modules under those names, as long as there are scripts.

    from mitmproxy import http  ─▸ sys.modules["mitmproxy"] (made here) ─▸ interceptor.script.http

A script that was written for mitmproxy runs unchanged, whether or not mitmproxy itself is installed beside us: a package of that
name in the same environment does not come into play, because the names are taken before anything looks for files. What was there
under those names is put back when the last script goes. A submodule that we do not have is an ImportError that says so.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

NAME: Final = "mitmproxy"
_MODULES: Final = {
    "addonmanager": "addonmanager",
    "command": "command",
    "connection": "connection",
    "ctx": "ctx",
    "exceptions": "exceptions",
    "flow": "flow",
    "flowfilter": "flowfilter",
    "hooks": "hooks",
    "http": "http",
    "log": "log",
    "script": "concurrent",
    "tcp": "tcp",
    "types": "types",
    "udp": "udp",
    "dns": "dns",
    "websocket": "websocket",
}
"""Name below `mitmproxy` -> name below `interceptor.script`."""


class _Missing(MetaPathFinder):
    """Says what there is, instead of finding files of a mitmproxy that is installed."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        if name.startswith(f"{NAME}."):
            raise ModuleNotFoundError(
                f"interceptor has no {name}; scripts may import from {NAME}: {', '.join(sorted(_MODULES))}", name=name
            )
        return None


class Aliases:
    """`install` and `remove`, each once."""

    def __init__(self) -> None:
        self._replaced: dict[str, ModuleType] = {}
        self._finder = _Missing()

    def install(self) -> None:
        self._replaced = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_ours(name)}
        package = ModuleType(NAME, "interceptor's own modules, under the names that scripts know.")
        package.__path__ = []
        sys.modules[NAME] = package
        for name, ours in _MODULES.items():
            module = importlib.import_module(f"interceptor.script.{ours}")
            sys.modules[f"{NAME}.{name}"] = module
            setattr(package, name, module)
        sys.meta_path.insert(0, self._finder)

    def remove(self) -> None:
        for name in [name for name in sys.modules if _is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(self._replaced)
        self._replaced = {}
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)


def _is_ours(name: str) -> bool:
    return name == NAME or name.startswith(f"{NAME}.")
