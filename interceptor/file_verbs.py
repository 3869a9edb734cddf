"""What is done with files of flows without a console: `interceptor convert`, `export` and `show`.

    file, session … ─▸ recognised by their first bytes ─▸ --filter ─▸ a file in another format | exports | lines

One flow is in memory at a time. A file that is written is there as a whole or as it was before. What a source holds and cannot be
read is said on standard error; a damaged source ends with status 1. Long work shows how far it is, on a terminal.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TextIO

from interceptor.model.flow import Flow
from interceptor.options import Options
from interceptor.session.formats.recognised import is_session, read_flows
from interceptor.specs.errors import UserError

if TYPE_CHECKING:
    from interceptor.specs.filter import Filter

_FIRST_SECONDS: Final = 0.5
_EVERY_SECONDS: Final = 0.2


class Files:
    """Flows of files, one by one, those that the filter lets through. `count` is how many these were so far."""

    def __init__(self, paths: Sequence[str], expression: str, err: TextIO, is_quiet: bool = False) -> None:
        self._paths, self._err, self._is_quiet = paths, err, is_quiet
        self._wanted: Filter | None = None
        if expression:
            from interceptor.specs.filter import parse

            self._wanted = parse(expression)
        self.count = 0
        self._read_count = 0
        self._shown_at = time.monotonic() + _FIRST_SECONDS - _EVERY_SECONDS
        self._is_shown = False
        self._shows = not is_quiet and err.isatty()

    def __iter__(self) -> Iterator[Flow]:
        """UserError, with the file's name, where one cannot be read."""
        try:
            for path in self._paths:
                yield from self._of(path)
        finally:
            self._wipe()

    def _of(self, path: str) -> Iterator[Flow]:
        stream, size = _opened(path)
        before = self._read_count
        with stream:
            try:
                for number, flow in self._flows(path, stream):
                    self._read_count = before + number
                    if self._shows:
                        self._show(path, stream, size)
                    if flow is not None:
                        flow.id = self._read_count
                        self.count += 1
                        yield flow
            except UserError as error:
                raise UserError(f"{path}: {error.message}") from None

    def _flows(self, path: str, stream: BinaryIO) -> Iterator[tuple[int, Flow | None]]:
        """Each with its number in the file; None for those that the filter keeps back."""

        def skipped(what: str) -> None:
            self.say(f"{path}: {what}")

        if isinstance(stream, io.BufferedReader) and is_session(stream.peek(16)):
            from interceptor.session.session_flows import flows_of_session

            if path == "-":
                raise UserError("a session cannot be read from standard input; name its file")
            return flows_of_session(Path(path).expanduser(), skipped, self._wanted)
        return self._filtered(stream, skipped)

    def _filtered(self, stream: BinaryIO, skipped: Callable[[str], None]) -> Iterator[tuple[int, Flow | None]]:
        for number, flow in enumerate(read_flows(stream, skipped), 1):
            yield number, flow if self._wanted is None or self._wanted.matches(flow) else None

    def say(self, what: str) -> None:
        if not self._is_quiet:
            self._wipe()
            self._err.write(f"interceptor: {_plain(what)}\n")

    def _show(self, path: str, stream: BinaryIO, size: int) -> None:
        now = time.monotonic()
        if now - self._shown_at < _EVERY_SECONDS:
            return
        self._shown_at, self._is_shown = now, True
        part = f", {min(100, stream.tell() * 100 // size)} %" if size else ""
        self._err.write(f"\r\x1b[K{_plain(Path(path).name)}: {self._read_count:,} flows{part}")
        self._err.flush()

    def _wipe(self) -> None:
        if self._is_shown:
            self._is_shown = False
            self._err.write("\r\x1b[K")
            self._err.flush()


def run_convert(
    words: Sequence[str], expression: str, to: str, *, is_quiet: bool, err: TextIO | None = None, key_log: str | None = None
) -> int:
    """IN … OUT: the exit status."""
    from interceptor.session.formats import written
    from interceptor.session.formats.replaced_file import replacing

    *sources, target = words if len(words) >= 2 else ["", ""]
    if not sources or not sources[0]:
        raise UserError("convert wants a file to read and a file to write: interceptor convert flows.mitm flows.har")
    if target == "-" and not to:
        raise UserError(f"a name for the format is needed where there is no file: --to {', '.join(written.names())}")
    name = to or written.format_of(target)
    if target != "-":
        written.check_target(name, Path(target))
    files = Files(sources, expression, err or sys.stderr, is_quiet)
    left_out = 0

    def write(stream: BinaryIO) -> int:
        nonlocal left_out
        with written.writing(name, stream, key_log) as writer:
            for flow in files:
                left_out += 0 if writer.write(flow) else 1
        stream.flush()
        return files.count - left_out

    if target == "-":
        count = write(sys.stdout.buffer)
    else:
        try:
            with replacing(Path(target)) as stream:
                count = write(stream)
        except KeyboardInterrupt:
            raise UserError(f"stopped; {target} is as it was") from None
    note = written.left_out(left_out, name)
    files.say(f"{_flows(count)} written to {target}" + (f"; {note}" if note else ""))
    return 0


def run_export(
    options: Options,
    words: Sequence[str],
    expression: str,
    *,
    is_quiet: bool,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """FORMAT FILE [FOLDER or FILE]: the exit status, 1 if a flow could not be exported."""
    from interceptor.session.export import formats

    name, source, target = (*words, "", "", "")[:3]
    if not name or not source or len(words) > 3:
        raise UserError(
            f"export wants a format and a file: interceptor export curl flows.mitm. Formats: {', '.join(formats.names())}"
        )
    formats.check(name)
    files, failed, written = Files([source], expression, err or sys.stderr, is_quiet), 0, 0
    place = Path(target).expanduser() if target else None
    first_raw: bytes | None = None  # printed when it is clear that it is the only one
    for flow in files:
        try:
            exported = formats.export(name, flow, options)
        except UserError as error:
            failed += 1
            files.say(f"flow {flow.id}: {error.message}")
            continue
        content = exported if isinstance(exported, bytes) else f"{exported}\n".encode()
        written += 1
        if place is None and isinstance(exported, bytes):
            if first_raw is not None:
                raise UserError("several flows as bytes would run into one another: name a folder, or choose one by --filter")
            first_raw = content
        elif place is None:
            _print(b"\n" + content if written > 1 else content, out)
        else:
            _put(content, place, formats.file_name(name, flow), written)
    if not files.count:
        raise UserError("no flow matches" if expression else f"{source} has no flows")
    if first_raw is not None:
        _print(first_raw, out)
    if place is not None:
        files.say(f"{_flows(written)} exported to {target}")
    return 1 if failed else 0


def _print(content: bytes, out: TextIO | None) -> None:
    stream = out or sys.stdout
    binary: Any = getattr(stream, "buffer", None)
    if binary is None:
        stream.write(content.decode("utf-8", "backslashreplace"))
    else:
        stream.flush()
        binary.write(content)
        binary.flush()


def _put(content: bytes, place: Path, name: str, number: int) -> None:
    from interceptor.session.formats.replaced_file import replacing

    if not place.is_dir() and number > 1:
        raise UserError(f"{place} is one file, and there are several flows: name a folder, or choose one by --filter")
    with replacing(place / name if place.is_dir() else place) as stream:
        stream.write(content)


def run_show(
    options: Options, words: Sequence[str], expression: str, cuts: str, *, as_json: bool, is_quiet: bool,
    out: TextIO | None = None, err: TextIO | None = None,
) -> int:  # fmt: skip
    """FILE [filter]: a line per flow, or what `cuts` names of it. The exit status."""
    if not words:
        raise UserError("show wants a file: interceptor show flows.har '~c 5xx'")
    source, *rest = words
    if rest and expression:
        raise UserError("the filter is given twice: behind the file, and by --filter")
    stream = out or sys.stdout
    line = _cut_line(cuts, as_json, stream) if cuts else _flow_line(options, as_json, stream)
    for flow in Files([source], expression or " ".join(rest), err or sys.stderr, is_quiet):
        stream.write(line(flow))
    return 0


def _flow_line(options: Options, as_json: bool, stream: TextIO) -> Callable[[Flow], str]:
    detail = max(options.flow_detail, 1)
    if as_json:
        from interceptor.flow_json import flow_line

        return lambda flow: flow_line(flow, detail)
    from interceptor.dump_text import FlowText

    is_coloured = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    text = FlowText(
        is_coloured=is_coloured,
        detail=detail,
        view=options.dumper_default_contentview,
        show_host=options.showhost,
        lines=options.content_view_lines_cutoff,
    )
    encoding = stream.encoding or "utf-8"
    return lambda flow: text.of(flow).encode(encoding, "backslashreplace").decode(encoding)


def _cut_line(cuts: str, as_json: bool, stream: TextIO) -> Callable[[Flow], str]:
    from interceptor.session.export.cut import check_paths, csv_line, json_line

    paths = [path.strip() for path in cuts.split(",") if path.strip()]
    check_paths(paths)
    if as_json:
        return lambda flow: json_line(flow, paths)
    stream.write(csv_line(paths))
    from interceptor.session.export.cut import texts_of

    return lambda flow: csv_line(texts_of(flow, paths))


def _opened(path: str) -> tuple[BinaryIO, int]:
    if path == "-":
        return sys.stdin.buffer, 0
    try:
        stream = open(Path(path).expanduser(), "rb")  # noqa: SIM115 - closed by whoever reads it
        return stream, os.fstat(stream.fileno()).st_size
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"{path} cannot be read: {reason.lower()}") from None


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _flows(count: int) -> str:
    return f"{count:,} {'flow' if count == 1 else 'flows'}"
