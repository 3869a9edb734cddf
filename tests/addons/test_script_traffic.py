"""What scripts do to traffic: verdicts, holds, bodies, conversations, connections."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from interceptor.model.connection import Connection, Side
from interceptor.model.flow import FlowError, Opcode, TcpFlow, UdpFlow, WebSocketData
from interceptor.model.hooks import (
    FORWARD,
    ClientConnected,
    Collect,
    ConnectRequested,
    DatagramReceived,
    Drop,
    Forward,
    Kill,
    MessageReceived,
    RequestHead,
    RequestReady,
    Respond,
    ResponseHead,
    ResponseReady,
    WebSocketMessageBegun,
    WebSocketMessageReceived,
)
from interceptor.model.records import FlowChanged, FlowStarted
from tests.addons.script_bench import Bench, on_bench


def test_an_answer_of_the_script(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            from mitmproxy import http
            def request(flow: http.HTTPFlow) -> None:
                if flow.request.pretty_url == "http://example.com/path":
                    flow.response = http.Response.make(418, b"teapot", {"Content-Type": "text/html"})
            """
        )
        assert bench.ask(RequestReady(bench.flow())) == FORWARD
        verdict = bench.ask(RequestReady(bench.flow(url="http://example.com/path")))
        assert isinstance(verdict, Respond)
        assert verdict.response.status_code == 418
        assert verdict.response.body.read() == b"teapot"
        assert dict(verdict.response.headers) == {b"Content-Type": b"text/html", b"Content-Length": b"6"}

    on_bench(tmp_path, test)


def test_an_answer_before_the_body_does_not_wait_for_it(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script("from mitmproxy import http\ndef requestheaders(flow): flow.response = http.Response.make(204)\n")
        assert isinstance(bench.ask(RequestHead(bench.flow())), Respond)
        bench.script(
            "from mitmproxy import http\ndef requestheaders(flow): flow.response = http.Response.make(204)\n"
            "def request(flow): flow.response.headers['late'] = '1'\n"
        )
        flow = bench.flow()
        assert bench.ask(RequestHead(flow)) == Forward(Collect.WHOLE)  # `request` has its say, as in mitmproxy
        verdict = bench.ask(RequestReady(flow))
        assert isinstance(verdict, Respond)
        assert verdict.response.headers["late"] == "1"

    on_bench(tmp_path, test)


def test_who_looks_at_heads_alone_does_not_have_bodies_collected(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            def requestheaders(flow):
                assert flow.request.content is None
                flow.request.headers["x"] = "1"
            """
        )
        flow = bench.flow("POST")
        flow.request.timestamp_end = None
        assert bench.ask(RequestHead(flow)) == FORWARD
        assert flow.request.headers["x"] == "1"
        assert bench.ask(ResponseHead(bench.answered())) is FORWARD
        assert bench.errors == []

    on_bench(tmp_path, test)


def test_kill(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            from mitmproxy import ctx
            def http_connect(flow): flow.kill()
            def request(flow): flow.kill()
            def response(flow): flow.kill()
            def tcp_message(flow): flow.kill()
            def client_disconnected(client): ctx.master.view[0].kill()
            """
        )
        flow = bench.flow()
        killed = Kill("Killed by a script.")
        assert bench.ask(ConnectRequested(bench.flow("CONNECT"))) == killed
        assert bench.ask(RequestReady(bench.flow())) == killed
        assert bench.ask(ResponseReady(bench.answered())) == killed
        assert bench.ask(MessageReceived(TcpFlow(0, is_live=True), True, b"x")) == killed
        assert bench.killed == []
        bench.store.flush()
        assert bench.joints.watcher is not None
        bench.joints.watcher.client_gone(Connection(Side.CLIENT))
        assert bench.killed == [flow]  # outside of its own hooks it is ended at once

    on_bench(tmp_path, test)


def test_intercept_holds_whatever_the_filter_says(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script("def request(flow):\n    if flow.request.path == '/held': flow.intercept()\n")
        assert bench.ask(RequestReady(bench.flow())) == FORWARD
        flow = bench.flow(url="http://example.com/held")
        answers: list[object] = []
        assert bench.chain.decide(RequestReady(flow), answers.append) is None
        assert flow.held is not None
        assert bench.ask(RequestReady(bench.flow())) == FORWARD
        bench.intercept.resume(flow)
        assert answers == [FORWARD]
        assert not bench.intercept.is_active

    on_bench(tmp_path, test)


def test_a_body_that_streams_is_looked_at_when_it_has_passed(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            def responseheaders(flow): flow.response.stream = True
            def response(flow): flow.metadata["seen"] = flow.response.text
            """
        )
        flow = bench.answered(b"")
        assert flow.response is not None
        flow.response.timestamp_end = None
        assert bench.ask(ResponseHead(flow)) == Forward(Collect.STREAM)
        flow.body_is_editable = False
        assert bench.ask(ResponseReady(flow)) == FORWARD
        assert "seen" not in flow.metadata
        flow.response.set_content(b"all of it")
        flow.response.timestamp_end = 9.0
        bench.end(flow)
        assert flow.metadata["seen"] == "all of it"
        assert bench.errors == []

    on_bench(tmp_path, test)


def test_a_function_as_stream_gets_the_body_in_pieces(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            def responseheaders(flow):
                def modify(data: bytes):
                    return data.upper() if data else [b" the", b" end"]
                flow.response.stream = modify
            """
        )
        flow = bench.answered(b"abc" * 50_000)
        assert bench.ask(ResponseHead(flow)) == Forward(Collect.WHOLE)
        assert bench.ask(ResponseReady(flow)) == FORWARD
        assert flow.response is not None
        assert flow.response.body.read() == b"ABC" * 50_000 + b" the end"
        assert flow.is_modified

    on_bench(tmp_path, test)


def test_a_coroutine_keeps_its_own_flow_waiting(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            import asyncio
            event = asyncio.Event()
            async def request(flow):
                if flow.request.path == "/slow":
                    await event.wait()
                    flow.request.headers["waited"] = "1"
                else:
                    event.set()
            """
        )
        slow = bench.flow(url="http://example.com/slow")
        waiting = asyncio.ensure_future(bench.later(RequestReady(slow)))
        await asyncio.sleep(0)
        assert await bench.later(RequestReady(bench.flow())) == FORWARD
        assert await waiting == FORWARD
        assert slow.request.headers["waited"] == "1"

    on_bench(tmp_path, test)


def test_a_coroutine_whose_client_has_left_is_cancelled(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            import asyncio
            async def request(flow):
                try:
                    await asyncio.Event().wait()
                finally:
                    flow.metadata["cancelled"] = True
            """
        )
        flow = bench.flow()
        hook = RequestReady(flow)
        assert bench.ask(hook) is None
        await asyncio.sleep(0)
        bench.chain.withdraw(hook)
        while "cancelled" not in flow.metadata:
            await asyncio.sleep(0)

    on_bench(tmp_path, test)


def test_concurrent_runs_in_a_thread_of_its_own(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            import threading
            from mitmproxy.script import concurrent
            both = threading.Barrier(2, timeout=10)
            @concurrent
            def request(flow):
                both.wait()
                flow.request.headers["x"] = str(threading.current_thread() is threading.main_thread())
            """
        )
        one, other = bench.flow(), bench.flow()
        assert await asyncio.gather(bench.later(RequestReady(one)), bench.later(RequestReady(other))) == [FORWARD, FORWARD]
        assert [flow.request.headers["x"] for flow in (one, other)] == ["False", "False"]
        assert bench.errors == []

    on_bench(tmp_path, test)


def test_a_halt_ends_the_round_of_scripts(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.write("a.py", "from mitmproxy import exceptions\ndef request(flow): raise exceptions.AddonHalt()\n")
        bench.write("b.py", "def request(flow): flow.comment = 'asked'\n")
        bench.use("a.py", "b.py")
        flow = bench.flow()
        assert bench.ask(RequestReady(flow)) == FORWARD
        assert flow.comment == ""
        assert bench.errors == []

    on_bench(tmp_path, test)


def test_a_flow_is_one_object_as_long_as_it_lives(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            def request(flow): flow.mine = [flow]
            def response(flow): assert flow.mine == [flow] and flow.mine[0] is flow and flow in {flow}
            def error(flow): flow.comment = f"{flow.error} {len(flow.mine)} {flow.live}"
            """
        )
        flow = bench.flow()
        bench.ask(RequestReady(flow))
        flow.response = bench.answered().response
        bench.ask(ResponseReady(flow))
        flow.error = FlowError("it broke", 5.0)
        bench.end(flow)
        assert bench.errors == []
        assert flow.comment == "it broke 1 False"

    on_bench(tmp_path, test)


# -- conversations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "made", "hook"), [("tcp", TcpFlow, MessageReceived), ("udp", UdpFlow, DatagramReceived)])
def test_raw_messages(tmp_path: Path, kind: str, made: type[TcpFlow], hook: type[MessageReceived]) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            from mitmproxy import KIND
            def KIND_start(flow: KIND.WHOLEFlow): flow.metadata["told"] = ["start"]
            def KIND_message(flow: KIND.WHOLEFlow):
                message = flow.messages[-1]
                if message.content == b"drop":
                    message.drop()
                message.content = message.content.replace(b"foo", b"bar")
                flow.metadata["told"].append(message.from_client)
            def KIND_end(flow): flow.metadata["told"].append("end")
            def KIND_error(flow): flow.metadata["told"].append(flow.error.msg)
            """.replace("KIND", kind).replace("WHOLE", kind.upper())
        )
        flow, broken, never = made(0, is_live=True), made(0, is_live=True), made(0)
        for each in (flow, broken, never):
            bench.record(FlowStarted(each))
        assert bench.ask(hook(flow, True, b"a foo")) == Forward(data=b"a bar")
        assert bench.ask(hook(flow, False, b"as it is")) == FORWARD
        assert bench.ask(hook(flow, False, b"drop")) == Drop()
        broken.error = FlowError("reset", 1.0)
        for each in (flow, broken, never):
            bench.end(each)
        assert flow.metadata["told"] == ["start", True, False, False, "end"]
        assert broken.metadata["told"] == ["start", "reset"]
        assert never.metadata == {}  # the row of a connection that failed
        assert bench.errors == []

    on_bench(tmp_path, test)


def test_messages_of_a_websocket(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script(
            """
            import re
            def websocket_start(flow): flow.metadata["told"] = ["start"]
            def websocket_message(flow):
                message = flow.websocket.messages[-1]
                flow.metadata["told"].append((message.is_text, message.from_client))
                message.content = re.sub(rb"^Hello", b"HAPPY", message.content)
                if b"FOOBAR" in message.content:
                    message.drop()
            def websocket_end(flow): flow.metadata["told"].append("end")
            """
        )
        flow = bench.answered()
        flow.websocket = WebSocketData()
        bench.record(FlowChanged(flow))
        bench.record(FlowChanged(flow))
        assert bench.ask(WebSocketMessageBegun(flow, True, Opcode.TEXT)) == Forward(Collect.WHOLE)
        assert bench.ask(WebSocketMessageReceived(flow, True, Opcode.TEXT, b"Hello you")) == Forward(data=b"HAPPY you")
        assert bench.ask(WebSocketMessageReceived(flow, False, Opcode.BINARY, b"FOOBAR")) == Drop()
        bench.end(flow)
        assert flow.metadata["told"] == ["start", (True, True), (False, False), "end"]
        assert bench.errors == []

    on_bench(tmp_path, test)


# -- connections -----------------------------------------------------------------------------------------------------------


def test_clients_may_be_refused(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script("def client_connected(client):\n    if client.peername[0] == '10.0.0.9': client.error = 'not you'\n")
        good, bad = (Connection(Side.CLIENT, (address, 1)) for address in ("10.0.0.8", "10.0.0.9"))
        assert bench.ask(ClientConnected(good, "regular")) == FORWARD
        assert bench.ask(ClientConnected(bad, "regular")) == Kill("not you")

    on_bench(tmp_path, test)


def test_connections_to_servers(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.script("def request(flow): pass\n")
        assert bench.joints.watcher is None
        bench.script(
            """
            from mitmproxy import ctx
            def server_connect(data):
                if data.server.address[0] == "old.example":
                    data.server.address = ("new.example", data.server.address[1])
                if data.server.address[0] == "forbidden.example":
                    data.server.error = "not there"
            def server_connected(data): ctx.log.info(f"connected {data.server.address[0]} for {data.client.peername[0]}")
            def server_connect_error(data): ctx.log.info(f"failed {data.server.error}")
            def server_disconnected(data): ctx.log.info(f"gone {data.server.address[0]}")
            def client_disconnected(client): ctx.log.info(f"left {client.peername[0]}")
            """
        )
        client = Connection(Side.CLIENT, ("10.0.0.8", 1))
        old, forbidden = (Connection(Side.SERVER, (host, 80)) for host in ("old.example", "forbidden.example"))
        watcher = bench.joints.watcher
        assert watcher is not None
        assert await watcher.server_wanted(old, client) == ""
        assert old.peer == ("new.example", 80)
        watcher.server_there(old, client)
        assert await watcher.server_wanted(forbidden, client) == "not there"
        watcher.server_failed(forbidden, None)
        watcher.server_gone(old, client)
        watcher.client_gone(client)
        told = ["connected new.example for 10.0.0.8", "failed not there", "gone new.example", "left 10.0.0.8"]
        assert bench.texts()[-4:] == told
        assert bench.errors == []

    on_bench(tmp_path, test)


def test_a_script_is_run_over_a_conversation(tmp_path: Path) -> None:
    from interceptor.model.body import MemoryBody
    from interceptor.model.flow import TcpMessage

    async def test(bench: Bench) -> None:
        path = bench.write(
            "s.py",
            "def tcp_message(flow): flow.metadata.setdefault('said', []).append(b' '.join(m.content for m in flow.messages))\n",
        )
        flow = TcpFlow(0, messages=[TcpMessage(True, MemoryBody(word), 1.0) for word in (b"one", b"two")])
        await bench.scripts.run([flow], str(path))
        assert flow.metadata["said"] == [b"one", b"one two"]

    on_bench(tmp_path, test)
