"""Requests answered from files by rule: the option `map_local`, `/[filter]/regex/path`.

    path is a file    ─▸ that file, whatever the rest of the URL is
    path is a folder  ─▸ the URL's part behind the match, or the expression's first group, is looked for in it

What is looked for: the name itself with its %xx decoded, index.html in a folder of that name, and both again with characters
that file systems dislike as `_`. Names never lead out of the folder. If a rule matches and neither it nor a later one has such a
file, the answer is 404; the log says what was looked for. The content type is that of the file's name.
"""

from __future__ import annotations

import logging
import mimetypes
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote

from interceptor.addons.answers import answer
from interceptor.addons.file_body import Files
from interceptor.addons.rule_addon import RuleAddon, Said
from interceptor.model.body import MemoryBody
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import Respond
from interceptor.model.http import Response
from interceptor.options import Options
from interceptor.specs.errors import UserError
from interceptor.specs.rules import LocalRule, local_rule

_log = logging.getLogger(__name__)
_FORBIDDEN: Final = frozenset("\0\\:" if os.name == "nt" else "\0")
_UNUSUAL: Final = re.compile(r"[^0-9a-zA-Z\-_.=(),/]")
_TEXT_TYPES: Final = ("text/", "application/javascript", "application/json")
_NOT_FOUND: Final = b"""<!doctype html><html><head><meta charset=utf-8><title>404 Not Found</title></head>
<body><h1>404 Not Found</h1><p>A map_local rule of this proxy covers this URL, and there is no file for it.
The event log says which names were looked for.</p></body></html>
"""


class MapLocal(RuleAddon[LocalRule]):
    option = "map_local"

    def __init__(self, options: Options) -> None:
        self._files = Files()
        super().__init__(options)

    def parse(self, text: str) -> LocalRule:
        rule = local_rule(text)
        if not _root(rule).exists():
            raise UserError(f"{_root(rule)} does not exist", len(text) - len(rule.path))
        return rule

    def on_request(self, flow: HttpFlow, rules: Sequence[LocalRule]) -> Said:
        url = flow.request.pretty_url
        looked_for: list[Path] = []
        first: LocalRule | None = None
        for rule in rules:
            if not (match := rule.pattern.search(url)) or not rule.applies_to(flow):
                continue
            first = first or rule
            for path in candidates(_root(rule), match):
                looked_for.append(path)
                if (response := self._response(flow, path)) is not None:
                    self.noted(flow, rule, str(path))
                    return Respond(response)
        if first is None:
            return None
        names = ", ".join(map(str, looked_for)) or "nothing, since its path leads out of the folder"
        _log.info("map_local %s: no file for %s; looked for %s", first.text, url, names, extra={"flow_id": flow.id})
        self.noted(flow, first, "no such file")
        return Respond(_without_body_for_head(flow, answer(404, _NOT_FOUND, "text/html; charset=utf-8")))

    def _response(self, flow: HttpFlow, path: Path) -> Response | None:
        if not path.is_file():
            return None
        try:
            body = self._files.body_of(path)
        except OSError as error:
            _log.warning("map_local: %s cannot be read: %s", path, error.strerror or error, extra={"flow_id": flow.id})
            return None
        content_type, coding = mimetypes.guess_type(path.name)
        if content_type is not None and content_type.startswith(_TEXT_TYPES) and "charset" not in content_type:
            content_type += "; charset=utf-8"
        response = answer(200, body, content_type if coding is None else "application/octet-stream")
        return _without_body_for_head(flow, response)


def candidates(root: Path, match: re.Match[str]) -> Iterator[Path]:
    """What may be the file that is meant by a URL in which `match` was found, the likeliest first."""
    if root.is_file():
        yield root
        return
    wanted = (match[1] or "") if match.re.groups else match.string[match.end() :]
    name = unquote(re.split("[?#]", wanted, maxsplit=1)[0], errors="surrogateescape").strip("/")
    seen: set[str] = set()
    for each in (name, _UNUSUAL.sub("_", name)):
        for tried in (each, f"{each}/index.html"):
            if tried and tried not in seen and (path := _inside(root, tried.strip("/"))) is not None:
                seen.add(tried)
                yield path


def _inside(root: Path, name: str) -> Path | None:
    """None if the name leads out of the folder, or is none on some system."""
    parts = PurePosixPath(name).parts
    if any(part in ("..", "/") or set(part) & _FORBIDDEN for part in parts):
        return None
    return root.joinpath(*parts)


def _root(rule: LocalRule) -> Path:
    return Path(rule.path).expanduser().absolute()


def _without_body_for_head(flow: HttpFlow, response: Response) -> Response:
    """It keeps the length that it would have."""
    if flow.request.method == "HEAD":
        response.body = MemoryBody()
    return response
