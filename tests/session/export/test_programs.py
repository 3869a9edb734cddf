"""Requests exported as programs, run against an origin: what it receives is what was recorded, whatever the bytes were."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from interceptor.model.http import Field
from interceptor.options import Options
from interceptor.session.export import literals
from interceptor.session.export.formats import export
from interceptor.specs.errors import UserError
from tests.session.export.echo import Echo, listening
from tests.session.export.test_curl import NASTY, OWN, PLAIN_TARGETS, TOKEN, VALUE_BYTES, flow_of
from tests.support.effort import examples

PROGRAMS = ("python", "fetch", "go", "powershell")


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with listening() as origin:
        yield origin


def program(name: str, *arguments: object, **more: object) -> str:
    text = export(name, flow_of(*arguments, **more), Options())  # type: ignore[arg-type]
    assert isinstance(text, str)
    assert text.isascii() and re.sub(r"[\t\n]", "", text).isprintable()
    return text


def parts(raw: bytes) -> tuple[bytes, list[Field], bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    fields = [(name, value.removeprefix(b" ")) for name, _, value in (line.partition(b":") for line in lines)]
    return first, fields, body


def joined(fields: list[Field]) -> dict[bytes, bytes]:
    """Fields of one name together, as those clients send them that keep no order."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        found.setdefault(name.lower(), []).append(value.strip(b" \t"))
    return {name: b", ".join(values).strip(b" \t") for name, values in found.items()}


def together(fields: list[Field]) -> list[Field]:
    """Those of one name behind each other, spelt as the first."""
    spelt: dict[bytes, list[Field]] = {}
    for name, value in fields:
        same = spelt.setdefault(name.lower(), [])
        same.append((same[0][0] if same else name, value))
    return [field for same in spelt.values() for field in same]


# -- literals -------------------------------------------------------------------------------------------------------------


@examples(200)
@given(raw=st.binary(max_size=60) | NASTY | st.text("'\"`$\\\n\u2018\u2019\u201c;#<>%{}()", max_size=12).map(str.encode))
def test_a_literal_is_one_literal_and_means_the_bytes(raw: bytes) -> None:
    meant = ast.literal_eval(literals.python(raw))
    assert (meant.encode("ascii") if isinstance(meant, str) else meant) == raw
    assert json.loads(literals.javascript(raw.decode("latin-1"))) == raw.decode("latin-1")
    said = literals.go(raw)
    assert re.fullmatch(r'"(?:[^"\\]|\\["\\]|\\x[0-9a-f]{2})*"', said)
    assert ast.literal_eval("b" + said) == raw, "Python's literals of bytes mean the same"
    text = literals.powershell_bytes(raw)
    match = re.fullmatch(r"\[Text\.Encoding\]::ASCII\.GetBytes\('((?:[^']|'')*)'\)|\[Convert\]::FromBase64String\('(.*)'\)", text)
    assert match is not None and text.isascii() and text.isprintable()
    plain, packed = match.groups()
    assert (base64.b64decode(packed) if plain is None else plain.replace("''", "'").encode()) == raw


# -- Python ---------------------------------------------------------------------------------------------------------------


def run_python(text: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(text, "exported", "exec"), {"__name__": "exported"})


@examples(60)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PROPFIND", "M-SEARCH", "post", "$'id'"]),
    target=PLAIN_TARGETS,
    fields=st.lists(st.tuples(TOKEN, NASTY | VALUE_BYTES), max_size=6),
    body=st.just(b"") | st.binary(max_size=60) | NASTY,
)
@example("GET", b"/../a/./b?x", [(b"A", b"1"), (b"a", b"2")], b"")
@example("POST", b"/a", [(b"Accept", b"*/*"), (b"X", b"\x0b")], b"'''\"\"\"")
def test_python_sends_what_was_recorded(echo: Echo, method: str, target: bytes, fields: list[Field], body: bytes) -> None:
    fields = [field for field in fields if field[0].lower() not in OWN]
    host = (b"Host", b"127.0.0.1:%d" % echo.port)
    if re.search(rb"%(?![0-9a-f]{2})", target):
        with pytest.raises(UserError, match="no escape"):
            program("python", method, target, fields, body)
        return
    echo.requests.clear()
    run_python(program("python", method, target, [host, *fields], body, port=echo.port))
    first, arrived, content = parts(echo.requests[0])
    quoted = re.sub(rb"[{}|^\\\[\]]", lambda found: b"%%%02X" % found.group()[0], target)
    quoted = re.sub(rb"%..", lambda found: found.group().upper(), quoted)
    quoted = re.sub(rb"^([^?]*)\?$", rb"\1", quoted)  # of an empty query it says nothing
    assert first == b"%b %b HTTP/1.1" % (method.encode(), quoted)
    assert [field for field in arrived if field[0].lower() not in (b"host", b"content-length")] == together(fields)
    assert content == body


def test_python_keeps_a_host_and_chunks(echo: Echo) -> None:
    for fields in ([(b"Host", b"other.example")], [(b"host", b"other.example"), (b"X", b"1"), (b"X", b"2")]):
        echo.requests.clear()
        run_python(program("python", "POST", b"/", [*fields, (b"Transfer-Encoding", b"chunked")], b"ab", port=echo.port))
        _, arrived, content = parts(echo.requests[0])
        assert [field for field in arrived if field[0] != b"Transfer-Encoding"] == fields and content == b"ab"
        assert (b"Transfer-Encoding", b"chunked") in arrived


def test_an_ordinary_request_is_an_ordinary_call() -> None:
    fields = [(b"Host", b"127.0.0.1"), (b"Accept", b"*/*"), (b"User-Agent", b"me"), (b"Accept-Encoding", b"gzip")]
    assert program("python", "GET", b"/a?b=c", fields).splitlines()[:12] == [
        "import requests",
        "",
        "headers = {",
        "    'Accept': '*/*',",
        "    'User-Agent': 'me',",
        "    'Accept-Encoding': 'gzip',",
        "    'Connection': None,",
        "}",
        "response = requests.request(",
        "    'GET',",
        "    'http://127.0.0.1/a?b=c',",
        "    headers=headers,",
    ]


# -- JavaScript -----------------------------------------------------------------------------------------------------------

_RUNNER = """
const lines = require("readline").createInterface({ input: process.stdin });
const AsyncFunction = Object.getPrototypeOf(async function () {}).constructor;
const quiet = { log() {} };
(async () => {
  for await (const line of lines) {
    let failure = "";
    try { await new AsyncFunction("console", JSON.parse(line))(quiet); } catch (error) { failure = String(error.cause || error); }
    process.stdout.write(JSON.stringify(failure) + "\\n");
  }
})();
"""


@pytest.fixture(scope="module")
def javascript() -> Iterator[Callable[[str], None]]:
    """One Node.js for all of them."""
    process = subprocess.Popen(["node", "-e", _RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None

    def run(text: str) -> None:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(text) + "\n")
        process.stdin.flush()
        failure = json.loads(process.stdout.readline())
        assert not failure, f"{failure}\n{text}"

    yield run
    process.stdin.close()
    process.stdout.close()
    assert process.wait(10) == 0


@pytest.mark.needs_node
@examples(60)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PROPFIND", "M-SEARCH", "$'id'"]),
    target=PLAIN_TARGETS,
    fields=st.lists(st.tuples(TOKEN, NASTY | VALUE_BYTES), max_size=6),
    body=st.just(b"") | st.binary(max_size=60) | NASTY | st.just("</script>\u2028`${x}`".encode()),
)
def test_fetch_sends_what_was_recorded(
    javascript: Callable[[str], None], echo: Echo, method: str, target: bytes, fields: list[Field], body: bytes
) -> None:
    fields = [field for field in fields if field[0].lower() not in OWN]
    arguments = method, target, [(b"Host", b"127.0.0.1:%d" % echo.port), *fields], body
    is_dotted = re.search(rb"(^|/)(\.|%2e){1,2}(/|$)", target.partition(b"?")[0], re.IGNORECASE)
    is_cut = is_dotted or target.partition(b"?")[1:] == (b"?", b"")
    if is_cut or (method == "GET" and body) or any(re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value) for _, value in fields):
        with pytest.raises(UserError, match="fetch"):
            program("fetch", *arguments, port=echo.port)
        return
    echo.requests.clear()
    javascript(program("fetch", *arguments, port=echo.port))
    first, arrived, content = parts(echo.requests[0])
    quoted = re.sub(rb"[{}|^\\']", lambda found: b"%%%02X" % found.group()[0], target)
    assert first == b"%b %b HTTP/1.1" % (method.encode(), quoted)
    sent, found = joined(fields), joined(arrived)
    assert {name: found.get(name) for name in sent} == sent
    assert content == body
    assert (b"content-type" in found) is (b"content-type" in sent), "nothing is said about a body that was not said"


# -- Go -------------------------------------------------------------------------------------------------------------------

GO_TARGETS = (b"/a?b=c", b"/../x/./y", b"//double", b"/%zz?q='\"[]{}|^\\", b"*", b"/\xff", b"")


@pytest.mark.needs_go
def test_go_sends_what_was_recorded(echo: Echo, tmp_path: Path) -> None:
    """Several requests as one program, since compiling takes its time."""
    nasty = [b"$(touch pwned)", b'"; panic(1); "', b"\\", b"caf\xc3\xa9 \xff", b"`", b"", b"%s\t\x01".replace(b"\x01", b"")]
    methods = ("POST", "GET", "M-SEARCH", "PUT", "OPTIONS", "$'id'", "DELETE")
    expected, mains = [], []
    for number, (method, target, value) in enumerate(zip(methods, GO_TARGETS, nasty, strict=True)):
        body = b"" if method in ("GET", "OPTIONS") else bytes(range(256)) + value
        fields = [(b"Host", b"127.0.0.1:%d" % echo.port), (b"x-Odd", value), (b"X-Two", b"1"), (b"X-Two", b"2")]
        fields += [(b"user-agent", b"me")] if number % 2 else []
        text = program("go", method, target, fields, body, port=echo.port)
        mains.append(text)
        expected.append((method.encode(), target, fields[1:], body))
    imports = sorted({line for text in mains for line in re.findall(r'^\t"[a-z/]+"$', text, re.MULTILINE)})
    functions = [text[text.index("func main") :].replace("func main", f"func main{number}") for number, text in enumerate(mains)]
    calls = "".join(f"\tmain{number}()\n" for number in range(len(mains)))
    whole = "package main\n\nimport (\n" + "\n".join(imports) + "\n)\n\n" + "\n\n".join(functions)
    (tmp_path / "main.go").write_text(f"{whole}\n\nfunc main() {{\n{calls}}}\n")
    environment = {"PATH": _path(), "HOME": str(tmp_path), "GOFLAGS": "-mod=mod", "GO111MODULE": "off"}
    done = subprocess.run(["go", "run", "main.go"], cwd=tmp_path, env=environment, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    for raw, (method, target, fields, body) in zip(echo.requests[-len(mains) :], expected, strict=True):
        first, arrived, content = parts(raw)
        quoted = re.sub(rb"[{}|^\\\"\xff]", lambda found: b"%%%02X" % found.group()[0], target or b"/")
        assert first == b"%b %b HTTP/1.1" % (method, quoted)
        kept = [field for field in arrived if field[0] not in (b"Host", b"Content-Length")]
        assert sorted((b"User-Agent" if n == b"user-agent" else n, v.strip(b" \t")) for n, v in fields) == sorted(kept)
        assert content == body
    if shutil.which("gofmt"):
        (tmp_path / "one.go").write_text(mains[0] + "\n")
        assert subprocess.run(["gofmt", "-l", "one.go"], cwd=tmp_path, capture_output=True, check=True).stdout == b""


def _path() -> str:
    import os

    return os.environ["PATH"]


def test_go_as_it_is_written() -> None:
    text = program("go", "POST", b"/a", [(b"Host", b"127.0.0.1"), (b"X", b'"\n'.strip())], b"x\n")
    assert '\trequest, err := http.NewRequest("POST", "http://127.0.0.1/a", strings.NewReader("x\\x0a"))' in text.splitlines()
    assert '\trequest.Header["X"] = []string{"\\""}' in text.splitlines()
    assert '\trequest.Header["User-Agent"] = []string{""}' in text.splitlines(), "Go would name itself"
    assert '"strings"' not in program("go", "GET", b"/", [])


# -- PowerShell -----------------------------------------------------------------------------------------------------------

_POWERSHELL_LINE = re.compile(r"""(?:[][$\w.:()@, =-]|'(?:[^'\u2018-\u201b]|'')*')*""", re.ASCII)


@examples(100)
@given(
    method=st.sampled_from(["GET", "POST", "M-SEARCH", "$'id'"]),
    target=PLAIN_TARGETS,
    fields=st.lists(st.tuples(TOKEN, NASTY | VALUE_BYTES | st.just("\u2019; calc; \u2019".encode())), max_size=6),
    body=st.just(b"") | st.binary(max_size=60) | NASTY | st.just("\u2019; calc; \u2019".encode()),
)
def test_nothing_in_powershell_is_outside_of_quotes(method: str, target: bytes, fields: list[Field], body: bytes) -> None:
    try:
        text = program("powershell", method, target, fields, body)
    except UserError as error:
        assert "PowerShell" in error.message or "header" in error.message
        return
    for line in text.splitlines():
        assert _POWERSHELL_LINE.fullmatch(line), line
    said = re.findall(r"TryAddWithoutValidation\('((?:[^']|'')*)', '((?:[^']|'')*)'\)", text)
    framing = (b"content-length", b"transfer-encoding", b"host")
    assert [(name.replace("''", "'").encode(), value.replace("''", "'").encode()) for name, value in said] == [
        field for field in fields if field[0].lower() not in framing
    ]


def test_powershell_puts_each_field_where_net_takes_it() -> None:
    fields = [(b"Host", b"127.0.0.1"), (b"Content-Type", b"a/b"), (b"X", b"it's"), (b"Content-Length", b"1")]
    lines = program("powershell", "PUT", b"/a", fields, b"x").splitlines()
    assert "[void]$request.Content.Headers.TryAddWithoutValidation('Content-Type', 'a/b')" in lines
    assert "[void]$request.Headers.TryAddWithoutValidation('X', 'it''s')" in lines
    assert not any("'Host'" in line or "'Content-Length'" in line for line in lines)


# -- what cannot be said --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "method", "target", "fields", "body", "reason"),
    [
        ("fetch", "GET", b"/", [], b"x", "no body with GET"),
        ("fetch", "TRACE", b"/", [], b"", "TRACE"),
        ("fetch", "post", b"/", [], b"", "post"),
        ("fetch", "GET", b"/a/%2e./b", [], b"", "dot segments"),
        ("fetch", "GET", b"/a?", [], b"", "empty query"),
        ("powershell", "GET", b"/./b", [], b"", "dot segments"),
        ("powershell", "GET", b"/", [(b"X", b"\xff")], b"", "plain ASCII"),
        *((name, "OPTIONS", b"*", [], b"", r"\*") for name in ("python", "fetch", "powershell")),
        *((name, "POST", b"/", [], b"x" * ((1 << 20) + 1), "too long for a program") for name in PROGRAMS),
        *((name, "GET", b"/", [(b"a", b"x\r\ny: z")], b"", "line end") for name in PROGRAMS),
        *((name, "GET X", b"/", [], b"", "method") for name in PROGRAMS),
        *((name, "CONNECT", b"h:1", [], b"", "CONNECT") for name in PROGRAMS),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused(
    name: str, method: str, target: bytes, fields: list[Field], body: bytes, reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        program(name, method, target, fields, body)
