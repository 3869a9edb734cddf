"""Scripts as their authors know them: loaded, asked, reloaded, taken out."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import pytest

from interceptor.model.hooks import (
    FORWARD,
    Collect,
    Forward,
    RequestHead,
    RequestReady,
    ResponseReady,
)
from interceptor.options import Options
from interceptor.specs.errors import UserError
from tests.addons.script_bench import Bench, on_bench

COUNTER = """
    from mitmproxy import ctx, http

    class Counter:
        def __init__(self):
            self.num = 0

        def request(self, flow: http.HTTPFlow) -> None:
            self.num += 1
            flow.request.headers["x-count"] = str(self.num)

    addons = [Counter()]
"""


def test_a_function_a_class_and_one_within_another(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            from mitmproxy import http

            class Inner:
                def request(self, flow: http.HTTPFlow) -> None:
                    flow.request.headers["order"] += " inner"

            class Outer:
                addons = [Inner()]

                def request(self, flow):
                    flow.request.headers["order"] += " outer"

            def request(flow):
                flow.request.headers["order"] = "module"

            addons = [Outer()]
            """
        )
        flow = bench.flow()
        assert bench.ask(RequestReady(flow)) == FORWARD
        assert flow.request.headers["order"] == "module outer inner"
        assert flow.is_modified
        assert flow.original is not None
        assert "order" not in flow.original[0].headers
        assert flow.noted_by_rules() == [f"scripts {bench.options.scripts[0]}: request"]

    on_bench(tmp_path, test)


def test_scripts_are_asked_in_the_order_of_the_option(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        for name in "ab":
            bench.write(f"{name}.py", f"def request(flow): flow.request.path += '{name}'\n")
        bench.use("b.py", "a.py")
        flow = bench.flow()
        bench.ask(RequestReady(flow))
        assert flow.request.path == "/ba"
        bench.use("a.py", "b.py")
        bench.ask(RequestReady(flow))
        assert flow.request.path == "/baab"

    on_bench(tmp_path, test)


def test_without_scripts_nothing_is_there(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert "mitmproxy" not in sys.modules
        assert bench.joints.recorder is bench.store
        bench.script(COUNTER)
        assert "mitmproxy" in sys.modules
        assert bench.ask(RequestHead(bench.flow())) == Forward(Collect.WHOLE)
        bench.use()
        assert "mitmproxy" not in sys.modules
        assert bench.joints.recorder is bench.store
        flow = bench.flow()
        assert bench.ask(RequestHead(flow)) is FORWARD
        assert bench.ask(RequestReady(flow)) is FORWARD
        assert not flow.is_modified

    on_bench(tmp_path, test)


def test_a_mitmproxy_that_is_installed_is_out_of_play_inside_scripts_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, part = ModuleType("mitmproxy"), ModuleType("mitmproxy.net")
    monkeypatch.setitem(sys.modules, "mitmproxy", real)
    monkeypatch.setitem(sys.modules, "mitmproxy.net", part)

    async def test(bench: Bench) -> None:
        bench.script("from mitmproxy import http\ndef request(flow: http.HTTPFlow): flow.comment = http.__name__\n")
        flow = bench.flow()
        bench.ask(RequestReady(flow))
        assert flow.comment == "interceptor.script.http"
        bench.use(bench.write("net.py", "import mitmproxy.net\n").name)
        assert "interceptor has no mitmproxy.net; scripts may import from mitmproxy: addonmanager, command" in bench.errors[0]
        bench.use()
        assert sys.modules["mitmproxy"] is real
        assert sys.modules["mitmproxy.net"] is part

    on_bench(tmp_path, test)


# -- errors ----------------------------------------------------------------------------------------------------------------


def test_what_a_script_raises_is_told_by_its_own_lines_and_the_flow_goes_on(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        path = bench.write(
            "bad.py",
            """\
            def helper(flow):
                flow.request.content = "text"

            def request(flow):
                helper(flow)

            def response(flow):
                1 / 0
            """,
        )
        bench.write("good.py", "def request(flow): flow.comment = 'asked'\n")
        bench.use("bad.py", "good.py")
        flow = bench.flow()
        assert bench.ask(RequestReady(flow)) == FORWARD
        assert flow.comment == "asked"
        assert bench.errors == [
            "bad.py: request failed: Traceback (most recent call last):\n"
            f'  File "{path}", line 5, in request\n    helper(flow)\n'
            + _carets(bench.errors[0], 0)
            + f'  File "{path}", line 2, in helper\n    flow.request.content = "text"\n'
            + _carets(bench.errors[0], 1)
            + "TypeError: content is bytes, not str; for text there is `text`"
        ]
        assert bench.ask(ResponseReady(bench.answered())) == FORWARD
        assert bench.errors[1].endswith("ZeroDivisionError: division by zero")
        assert bench.flow_ids == [1, 2]

    on_bench(tmp_path, test)


def _carets(text: str, number: int) -> str:
    """The line of ~ and ^ that newer Pythons put below a line of code, if it is there."""
    chunk = text.split("  File ")[number + 1].splitlines()
    return "".join(f"{line}\n" for line in chunk[2:] if line.strip() and not line.strip("~^ "))


def test_a_script_that_cannot_be_loaded_says_where(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.write("broken.py", "import this_module_is_nowhere\n")
        bench.write("syntax.py", "def request(flow)\n    pass\n")
        bench.use("broken.py", "syntax.py")
        first, second = bench.errors
        assert first.startswith("broken.py: loading failed: Traceback")
        assert f'File "{tmp_path / "broken.py"}", line 1, in <module>' in first
        assert "interceptor/addons" not in first
        assert "importlib" not in first
        assert first.endswith("ModuleNotFoundError: No module named 'this_module_is_nowhere'")
        assert f'File "{tmp_path / "syntax.py"}", line 1' in second
        assert "SyntaxError" in second
        assert bench.ask(RequestReady(bench.flow())) == FORWARD

    on_bench(tmp_path, test)


def test_a_file_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(COUNTER)
        before = list(bench.options.scripts)
        with pytest.raises(UserError, match=r"there is no script .*/nowhere\.py"):
            bench.use("nowhere.py")
        assert bench.options.scripts == before
        flow = bench.flow()
        bench.ask(RequestReady(flow))
        assert flow.request.headers["x-count"] == "1"

    on_bench(tmp_path, test)


def test_hooks_that_nobody_calls_are_named(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script("def quic_start_client(data): pass\ndef request(flow): pass\nfrom urllib import response\n")
        script = bench.options.scripts[0].rpartition("/")[2]
        assert bench.texts("warn") == [f"{script}: quic_start_client is not called: there is no such hook here"]

    on_bench(tmp_path, test)


# -- changes on disk -------------------------------------------------------------------------------------------------------


def test_a_changed_script_is_loaded_anew(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.write("s.py", "def request(flow): flow.comment += 'old '\ndef done(): open(__file__ + '.done', 'w').close()\n")
        bench.use("s.py")
        flow = bench.flow()
        bench.ask(RequestReady(flow))
        bench.scripts.reload_changed()
        bench.ask(RequestReady(flow))
        bench.write("s.py", "def request(flow): flow.comment += 'new'\n")
        bench.scripts.reload_changed()
        bench.ask(RequestReady(flow))
        assert flow.comment == "old old new"
        assert (tmp_path / "s.py.done").exists()
        assert bench.texts() == [f"Script {tmp_path / 's.py'} loaded anew"]

    on_bench(tmp_path, test)


def test_a_script_that_breaks_is_unloaded_until_it_is_mended(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.write("s.py", "def request(flow): flow.comment += 'old '\n")
        bench.use("s.py")
        flow = bench.flow()
        bench.ask(RequestReady(flow))
        bench.write("s.py", "def request(flow): flow.comment += 'broken'\nraise ValueError('not yet')\n")
        bench.scripts.reload_changed()
        assert [error.splitlines()[-1] for error in bench.errors] == ["ValueError: not yet"]
        bench.ask(RequestReady(flow))
        bench.scripts.reload_changed()
        assert len(bench.errors) == 1
        bench.write("s.py", "def request(flow): flow.comment += 'mended'\n")
        bench.scripts.reload_changed()
        bench.ask(RequestReady(flow))
        assert flow.comment == "old mended"

    on_bench(tmp_path, test)


def test_a_script_that_vanishes_comes_back(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        path = bench.write("s.py", "def request(flow): flow.comment += 'x'\n")
        bench.use("s.py")
        path.unlink()
        bench.scripts.reload_changed()
        flow = bench.flow()
        bench.ask(RequestReady(flow))
        assert flow.comment == ""
        assert "cannot be read: No such file or directory" in bench.errors[0]
        bench.write("s.py", "def request(flow): flow.comment += 'back'\n")
        bench.scripts.reload_changed()
        bench.ask(RequestReady(flow))
        assert flow.comment == "back"

    on_bench(tmp_path, test)


def test_a_module_beside_scripts_that_changes_has_all_that_import_it_loaded_anew(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.write("words_of_script.py", "class Word(str): pass\nWORD = Word('old')\n")
        bench.write("a.py", "import words_of_script\ndef request(flow): flow.comment += words_of_script.WORD + ' '\n")
        bench.write(
            "b.py",
            "import words_of_script\nfrom words_of_script import Word\n"
            "def request(flow): flow.comment += str(isinstance(words_of_script.WORD, Word)) + ' '\n",
        )
        bench.use("a.py", "b.py")
        flow = bench.flow()
        bench.ask(RequestReady(flow))
        bench.write("words_of_script.py", "class Word(str): pass\nWORD = Word('new')\n")
        bench.scripts.reload_changed()
        bench.ask(RequestReady(flow))
        assert flow.comment == "old True new True "
        assert not list(tmp_path.glob("__pycache__"))
        bench.use()
        assert "words_of_script" not in sys.modules

    on_bench(tmp_path, test)


# -- options and commands --------------------------------------------------------------------------------------------------

WITH_OPTION = """
    from collections.abc import Sequence
    from typing import Optional

    from mitmproxy import ctx, exceptions

    class AddHeader:
        def load(self, loader):
            loader.add_option(name="addheader", typespec=bool, default=False, help="Add a count header")
            loader.add_option("limit_of_it", Optional[int], None, "Most")
            loader.add_option("hosts_of_it", Sequence[str], [], "Hosts")

        def configure(self, updates):
            if "limit_of_it" in updates and ctx.options.limit_of_it is not None and ctx.options.limit_of_it > 3:
                raise exceptions.OptionsError("limit_of_it must be <= 3")

        def request(self, flow):
            if ctx.options.addheader:
                flow.request.headers["limit"] = f"{ctx.options.limit_of_it} {ctx.options.hosts_of_it}"

    addons = [AddHeader()]
"""


def test_options_of_a_script(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(WITH_OPTION)
        flow = bench.flow()
        bench.ask(RequestReady(flow))
        assert "limit" not in flow.request.headers
        bench.options.set_from_arguments("addheader=true", "limit_of_it=2", "hosts_of_it=a", "hosts_of_it=b")
        bench.ask(RequestReady(flow))
        assert flow.request.headers["limit"] == "2 ['a', 'b']"
        with pytest.raises(UserError, match="limit_of_it must be <= 3"):
            bench.options.update(limit_of_it=4)
        assert bench.options.limit_of_it == 2  # type: ignore[attr-defined]
        kept = bench.options.scripts
        bench.use()
        with pytest.raises(UserError, match="there is no option 'addheader'"):
            bench.options.set_text("addheader", "true")
        bench.options.scripts = kept
        bench.ask(RequestReady(flow))
        assert flow.request.headers["limit"] == "2 ['a', 'b']"

    on_bench(tmp_path, test)


def test_options_may_be_set_before_the_script_has_brought_them(tmp_path: Path) -> None:
    options = Options()
    options.expect_more()
    options.set_from_arguments("addheader", "limit_of_it=1")

    async def test(bench: Bench) -> None:
        bench.script(WITH_OPTION)
        assert bench.options.addheader is True  # type: ignore[attr-defined]
        assert bench.options.limit_of_it == 1  # type: ignore[attr-defined]
        with pytest.raises(UserError, match=r"no option 'adheader' \(did you mean addheader"):
            bench.options.set_text("adheader", "true")

    on_bench(tmp_path, test, options)


def test_an_option_that_no_script_brings_is_said(tmp_path: Path) -> None:
    options = Options()
    options.expect_more()
    options.set_from_arguments("adheader")

    async def test(bench: Bench) -> None:
        bench.write("s.py", WITH_OPTION)
        bench.use("s.py")
        assert bench.errors == ["there is no option 'adheader', and no script has brought one"]

    on_bench(tmp_path, test, options)


def test_commands_of_a_script(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            from collections.abc import Sequence

            from mitmproxy import command, ctx, flow, types

            class MyAddon:
                @command.command("myaddon.inc")
                def inc(self, by: int = 1) -> int:
                    "Count."
                    self.num = getattr(self, "num", 0) + by
                    return self.num

                @command.command("myaddon.addheader")
                def addheader(self, flows: Sequence[flow.Flow], name: str) -> Sequence[flow.Flow]:
                    for f in flows:
                        f.request.headers[name] = "yes"
                    return flows

                @command.command("words")
                def words(self) -> Sequence[str]:
                    return ["red", "green"]

                @command.command("choose")
                @command.argument("word", type=types.Choice("words"))
                def choose(self, word: str, path: types.Path) -> str:
                    return f"{word} {path} {type(path).__name__}"

                @command.command("all")
                def all(self):
                    changed = ctx.master.commands.call("myaddon.addheader", list(ctx.master.view), "called")
                    return f"{changed[0].request.headers['called']} {len(changed)} {ctx.master.commands.execute('myaddon.inc 5')}"

            addons = [MyAddon()]
            """
        )
        commands, flow = bench.commands, bench.flow()
        bench.store.flush()
        assert commands.execute("myaddon.inc") == 1
        assert commands.execute("myaddon.inc 2") == 3
        assert commands.help("myaddon.inc") == "Count."
        assert commands.signature("myaddon.addheader") == "myaddon.addheader flows name"
        assert commands.execute("myaddon.addheader @all x-new") == [flow]
        assert flow.request.headers["x-new"] == "yes"
        assert flow.is_modified
        with pytest.raises(UserError, match="'blue' is not one of red, green"):
            commands.execute("choose blue x")
        assert commands.execute("choose red x/y") == "red x/y str"
        assert commands.execute("all") == "yes 1 8"
        bench.use()
        with pytest.raises(UserError, match="there is no command"):
            commands.execute("myaddon.inc")

    on_bench(tmp_path, test)


def test_a_command_that_cannot_be_typed_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.write(
            "s.py",
            "from mitmproxy import command\n@command.command('fine')\ndef fine(): pass\n"
            "@command.command('not.fine')\ndef worse(x: dict): pass\n",
        )
        bench.use("s.py")
        assert "a command cannot take x: <class 'dict'>" in bench.errors[0]
        with pytest.raises(UserError):
            bench.commands.execute("fine")

    on_bench(tmp_path, test)


# -- life ------------------------------------------------------------------------------------------------------------------


def test_life_of_a_script(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            from mitmproxy import ctx
            told = []
            def load(loader): told.append("load")
            def configure(updated): told.append("configure " + str("scripts" in updated))
            async def running(): told.append("running")
            def request(flow): flow.comment = ", ".join(told)
            def done(): ctx.log.info("done")
            """
        )
        await asyncio.sleep(0)
        flow = bench.flow()
        bench.ask(RequestReady(flow))
        assert flow.comment == "load, configure True, running"
        bench.options.showhost = True
        bench.ask(RequestReady(flow))
        assert flow.comment == "load, configure True, running, configure False"
        bench.use()
        assert bench.texts()[0] == "done"

    on_bench(tmp_path, test)


def test_the_program_as_scripts_see_it(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.owns_terminal = True
        bench.script(
            """
            from mitmproxy import ctx
            class Named:
                name = "its name"
            addons = [Named()]
            def request(flow):
                print("printed", 2, sep="-")
                ctx.log.warn("warned")
                view = ctx.master.view
                assert len(view) == 1 and view[0] == flow and flow in view and view.get_by_id(flow.id) == flow
                assert view.focus.flow == flow
                assert "its name" in ctx.master.addons and "no name" not in ctx.master.addons
                assert "view" in ctx.master.addons
                ctx.options.showhost = True
                view.add([flow.copy()])
                ctx.master.shutdown()
            """
        )
        flow = bench.flow()
        bench.store.flush()
        bench.ask(RequestReady(flow))
        assert bench.errors == []
        assert bench.texts() == ["printed-2"]
        assert bench.texts("warn") == ["warned"]
        assert bench.options.showhost
        assert [each.id for each in bench.store] == [1, 2]
        assert bench.was_shut_down

    on_bench(tmp_path, test)


def test_update_is_about_what_others_have_changed(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            def request(flow): flow.comment = "by the script"
            def update(flows):
                for flow in flows:
                    flow.metadata["updates"] = flow.metadata.get("updates", 0) + 1
                    flow.marked = True
            """
        )
        flow = bench.flow()
        bench.store.flush()
        bench.ask(RequestReady(flow))
        for _ in range(5):
            await asyncio.sleep(0)
        bench.store.flush()
        assert "updates" not in flow.metadata
        bench.store.touch(flow)
        for _ in range(5):
            await asyncio.sleep(0)
            bench.store.flush()
        assert flow.metadata == {"updates": 1}
        assert flow.marker == "default"

    on_bench(tmp_path, test)


# -- once, over flows that are there ---------------------------------------------------------------------------------------


def test_a_script_is_run_over_flows(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        path = bench.write(
            "s.py",
            """
            from mitmproxy import command
            seen = []
            def load(loader): loader.add_option("of_run", int, 1, "")
            @command.command("of.run")
            def of_run(): pass
            def request(flow): flow.metadata["seen"] = ["request"]
            async def response(flow): flow.metadata["seen"].append("response")
            def error(flow): flow.metadata["seen"].append("error")
            """,
        )
        flow, other = bench.answered(), bench.flow()
        for each in (flow, other):
            bench.end(each)
        await bench.scripts.run([flow, other], str(path))
        assert flow.metadata["seen"] == ["request", "response"]
        assert other.metadata["seen"] == ["request"]
        assert "of.run" not in bench.commands.names()
        await bench.scripts.run([flow], str(path))  # it has left nothing behind
        assert "mitmproxy" not in sys.modules
        with pytest.raises(UserError, match=r"bad\.py could not be loaded; the event log says why"):
            await bench.scripts.run([flow], str(bench.write("bad.py", "1 / 0\n")))
        assert bench.errors[0].endswith("ZeroDivisionError: division by zero")

    on_bench(tmp_path, test)


def test_without_a_script_nothing_of_this_is_imported() -> None:
    program = (
        "import asyncio, sys; from interceptor.app import App; from interceptor.options import Options\n"
        "async def main():\n"
        "    app = App(Options(listen_port=0, confdir=sys.argv[1])); app.start(); await app.end_scripts(); app.close()\n"
        "    print([name for name in sys.modules if 'script' in name and name.startswith('interceptor')])\n"
        "asyncio.run(main())"
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
