"""The composition root: builds every part, joins them, owns start and shutdown.

    Options ─▸ App: event log, commands, store and view, addons and chain, TLS, listeners        `runs` gives it a loop and a face

Everything here can be built without an event loop (so that `--commands` can list what there is); `start` needs one.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from interceptor.addons.chain import Chain, Place
from interceptor.addons.client_replay import ClientReplay
from interceptor.addons.intercept import Intercept
from interceptor.commands import Commands
from interceptor.eventlog import EventLog
from interceptor.model.flow import Flow, HttpFlow, Opcode, WebSocketMessage
from interceptor.model.http import Request
from interceptor.option_commands import OptionCommands
from interceptor.options import Options
from interceptor.proxy.settings import Settings
from interceptor.session.life import SessionLife
from interceptor.session.selection import Selection
from interceptor.session.spool import Spool
from interceptor.session.store import Store
from interceptor.session.undo import Undo
from interceptor.session.view import View
from interceptor.specs.errors import UserError
from interceptor.specs.modes import check_modes, parse_mode
from interceptor.specs.sizes import parse_size
from interceptor.stack_settings import settings_of

if TYPE_CHECKING:
    from interceptor.addons.scripts import Scripts
    from interceptor.addons.server_replay import ServerReplay
    from interceptor.certs.authority import Authority
    from interceptor.certs.leaf import LeafKeys
    from interceptor.certs.settings import KeyLog
    from interceptor.launch.browser import Browsers
    from interceptor.proxy.driver import Services
    from interceptor.proxy.listeners import Listeners
    from interceptor.proxy.names import SystemNames
    from interceptor.proxy.own_lookups import OwnLookups
    from interceptor.proxy.pac import PacFiles
    from interceptor.proxy.tls_service import TlsService
    from interceptor.session.search.searching import Searching
    from interceptor.specs.filter import Filter

_TLS_OPTIONS = frozenset(
    (
        "tls_version_client_min", "tls_version_client_max", "tls_version_server_min", "tls_version_server_max",
        "ciphers_client", "ciphers_server", "tls_ecdh_curve_client", "tls_ecdh_curve_server", "client_certs",
        "ssl_verify_upstream_trusted_ca", "ssl_verify_upstream_trusted_confdir", "cert_passphrase",
        "request_client_cert", "certs", "add_upstream_certs_to_client_chain",
    )
)  # fmt: skip
INDEX_AFTER_SECONDS: Final = 0.5
_LISTENING_OPTIONS = frozenset(("mode", "listen_host", "listen_port", "server"))


class Closing(Protocol):
    def close(self) -> None: ...


class App:
    """All parts of one running program. UserError if an option cannot be honoured."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.eventlog = EventLog()
        self.commands = Commands(options)
        self.option_commands = OptionCommands(self.commands, options)
        self.undo = Undo()
        spool_directory = Path(options.spool_directory).expanduser() if options.spool_directory else None
        self.store = Store(
            self._schedule,
            Spool(spool_directory, warn=self._warn),
            memory_limit=parse_size(options.store_memory_limit),
            warn=self._warn,
        )
        self.view = View(self.store)
        self.session_life = SessionLife(options, self.store, self.undo, self.eventlog.add)
        self.intercept = Intercept(self.store.touch)
        self.is_reading = False  # while rfile is
        self.problem_at_end = ""  # what a person should know when all is over
        self.replays = ClientReplay(options, self.store, self.replay, self._schedule)
        self._settings: Settings | None = None
        self._listeners: Listeners | None = None
        self._services: Services | None = None
        self._tls: TlsService | None = None
        self._browsers: Browsers | None = None
        self.owns_terminal = False  # the console does
        self.shut_down: Callable[[], None] = lambda: None  # the face says how
        self._configure_flows()
        self.commands.add("script.run", self.run_script)
        self.commands.flow_resolver = Selection(self.store, self.view, _filter).resolve

    # --- parts that are made when they are needed -----------------------------------------------------------

    @cached_property
    def authority(self) -> Authority:
        from interceptor.certs.authority import Authority

        return Authority.load_or_create(self.options.confdir_path, self.options.ca_key_type, self.options.key_size)

    @cached_property
    def leaf_keys(self) -> LeafKeys:
        """Of all certificates that are shown to clients; the same as long as the program runs."""
        from interceptor.certs.leaf import LeafKeys

        return LeafKeys()

    @cached_property
    def keylog(self) -> KeyLog:
        """The one that all contexts write to; where it goes can be changed at any time."""
        from interceptor.certs.settings import KeyLog

        return KeyLog(self._keylog_path)

    @property
    def _keylog_path(self) -> str | None:
        return self.options.tls_keylog_file or os.environ.get("SSLKEYLOGFILE") or os.environ.get("MITMPROXY_SSLKEYLOGFILE")

    @cached_property
    def pac_files(self) -> PacFiles:
        from interceptor.proxy.pac import PacFiles

        return PacFiles()

    @cached_property
    def names(self) -> SystemNames:
        from interceptor.proxy.names import SystemNames

        names = SystemNames()
        names.configure(self.options.dns_name_servers, self.options.dns_use_hosts_file)
        return names

    @property
    def listeners(self) -> Listeners:
        assert self._listeners is not None, "not started"
        return self._listeners

    @cached_property
    def chain(self) -> Chain:
        from interceptor.addons.block import Block
        from interceptor.addons.onboarding import Onboarding
        from interceptor.addons.proxyauth import ProxyAuth
        from interceptor.addons.rules import rule_addons

        onboarding = Onboarding(self.authority, self._onboarding_hosts)
        addons = [Block(self.options), ProxyAuth(self.options), onboarding]
        chain = Chain(addons, self.intercept, self.eventlog.add_exception)
        for addon in rule_addons(self.options, self.server_replay):
            chain.add(addon, Place.RULES)
        self.server_replay.on_change = self._rules_changed
        return chain

    @cached_property
    def searching(self) -> Searching:
        from interceptor.session.search.searching import Searching

        options = self.options
        begins = self.owns_terminal  # what was captured by `dump` is indexed when somebody looks at it
        return Searching(self.store, lambda: begins and options.search_index, lambda: parse_size(options.search_body_limit))

    @cached_property
    def server_replay(self) -> ServerReplay:
        from interceptor.addons.server_replay import ServerReplay
        from interceptor.session.formats.recognised import read_file

        return ServerReplay(self.options, lambda path: read_file(path, self._warn, new_body=self.store.spool.new_body))

    @cached_property
    def own_lookups(self) -> OwnLookups:
        from interceptor.proxy.own_lookups import OwnLookups

        assert self._services is not None, "not started"
        return OwnLookups(self._services, self.names, self.settings)

    @cached_property
    def scripts(self) -> Scripts:
        from interceptor.addons.scripts import Scripts

        assert self._services is not None, "not started"
        return Scripts(self, self._services)

    def _onboarding_hosts(self) -> Sequence[str] | None:
        return [self.options.onboarding_host] if self.options.onboarding else None

    def _tls_service(self) -> TlsService:
        from interceptor.certs.contexts import ClientContexts, OwnCertificates, TlsSettings, UpstreamContexts
        from interceptor.proxy.tls_service import TlsService

        options = self.options
        chosen = {name: getattr(options, name) for name in TlsSettings.__dataclass_fields__}
        settings = TlsSettings(**chosen)
        own = OwnCertificates(options.certs, options.cert_passphrase)
        clients = ClientContexts(self.authority, own, settings, self.keylog, self.leaf_keys)
        return TlsService(clients, UpstreamContexts(settings, self.keylog))

    # --- life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """From here on clients are served. UserError if an address cannot be had, or a file not be read."""
        from interceptor.garbage import Garbage
        from interceptor.platform.limits import raise_file_descriptor_limit
        from interceptor.proxy.client_programs import configure_programs
        from interceptor.proxy.driver import Services
        from interceptor.proxy.hangups import HangUps
        from interceptor.proxy.listeners import Listeners

        raise_file_descriptor_limit()
        self.session_life.start(makes_unnamed=self.owns_terminal)
        loop = asyncio.get_running_loop()
        if self.owns_terminal:  # what is written is indexed, in a while: nobody waits for that
            loop.call_later(INDEX_AFTER_SECONDS, lambda: self.searching)
        services = self._services = Services(
            loop, self.store, HangUps(loop), self._report, self._is_own_address, self.options.connect_addr
        )
        services.connection_ended = Garbage(loop.call_soon, lambda: len(self.store)).connection_ended
        services.look_up = self.names.look_up
        self._choose_lookups()
        services.confdir, services.tell = self.options.confdir_path, partial(self.log, "info")
        from interceptor.proxy.asks import ChooseWay, LogIn
        from interceptor.proxy.logins import log_in

        services.later = {ChooseWay: lambda ask: self.pac_files.choose(ask), LogIn: log_in}
        configure_programs(services, self.options, self.store.clients_changed)
        self._listeners = Listeners(services, self.settings, iter(self.store.next_id, None))
        if not (self.options.confdir_path / "interceptor-ca.pem").exists():
            self.authority  # noqa: B018 - made before there is a port: who waits for the port finds the CA's files
        # Bound early: a taken port is said at once, and whoever connects meanwhile waits a moment instead of being refused.
        if self.options.server:
            self._listen()
        services.tls = self._tls = self._tls_service()
        services.decider = self.chain
        self.options.subscribe(self._options_changed)
        if self.options.scripts:
            self.scripts.apply()
            self.scripts.start_running()
        gc.freeze()  # what is there now stays: the collector need not look at it

    async def end_scripts(self) -> None:
        """Before `close`: what they do at the end may take a moment."""
        if "scripts" in self.__dict__:
            await self.scripts.close()

    def close(self, savers: Sequence[Closing] = ()) -> None:
        """`savers` are closed when all has ended that they are to save, and can still be read."""
        if self._browsers is not None:
            self._browsers.close()
        if self._listeners is not None:
            self._listeners.close()
        if self._services is not None:
            self._services.hangups.close()
            if self._services.programs is not None:
                self._services.programs.close()
        if "own_lookups" in self.__dict__:
            self.own_lookups.close()
        if "pac_files" in self.__dict__:
            self.pac_files.close()
        self.store.flush()
        for saver in savers:
            saver.close()
        if "searching" in self.__dict__:
            self.searching.close()
        self.problem_at_end = self.session_life.close()
        self.store.spool.close()

    def _listen(self) -> None:
        options = self.options
        modes = [parse_mode(text) for text in options.mode] if options.server else []
        check_modes(modes, options.listen_host, options.listen_port)
        self.listeners.apply(modes, options.listen_host, options.listen_port)
        for text in self.listeners.describe():
            self.eventlog.add("info", f"Listening at {text}")

    def settings(self) -> Settings:
        """The options as a stack may know them; made anew after a change."""
        if self._settings is None:
            assert self._tls is not None
            self._settings = settings_of(self.options, self._tls, is_replaying_servers=self.server_replay.is_active)
        return self._settings

    def _options_changed(self, options: Options, names: set[str]) -> None:
        from interceptor.proxy.client_programs import configure_programs

        self._rules_changed()
        assert self._services is not None
        self._services.local_host = options.connect_addr
        self.names.configure(options.dns_name_servers, options.dns_use_hosts_file)
        self._choose_lookups()
        configure_programs(self._services, options, self.store.clients_changed)
        if "tls_keylog_file" in names:
            self.keylog.open(self._keylog_path)
        if names & _TLS_OPTIONS:
            self._services.tls = self._tls = self._tls_service()
        if names & _LISTENING_OPTIONS:
            self._listen()
        if names & {"search_index", "search_body_limit"} and "searching" in self.__dict__:
            self.searching.settings_changed()
        if "scripts" in names and "scripts" not in self.__dict__:
            self.scripts.start_running()  # from here on it is told of changes itself
            self.scripts.apply()

    def _choose_lookups(self) -> None:
        """Who looks up the names that we connect to: the system, unless its hosts file is not to count."""
        assert self._services is not None
        self._services.find = None if self.names.uses_hosts else self.own_lookups.find

    def _rules_changed(self) -> None:
        """Who has a say in what may be another now, and what connections are told of the options."""
        self._settings = None
        self.chain.refresh()

    def _configure_flows(self) -> None:
        """What the options say about holding and showing flows; applies at once."""
        self._flow_options_changed(self.options, {"intercept", "view_filter", "view_order", "console_focus_follow"})
        self.options.subscribe(self._flow_options_changed)

    def _flow_options_changed(self, options: Options, names: set[str]) -> None:
        if names & {"intercept", "intercept_active"}:
            self.intercept.filter = _filter(options.intercept)
            self.intercept.is_enabled = options.intercept_active
        if "view_filter" in names:
            self.view.set_filter(_filter(options.view_filter))
        if names & {"view_order", "view_order_reversed"}:
            self.view.set_order(options.view_order, options.view_order_reversed)
        if "console_focus_follow" in names:
            self.view.focus_follow = options.console_focus_follow

    # --- what the faces and commands do ---------------------------------------------------------------------

    def filter(self, text: str) -> Filter | None:
        """The filter that was typed; None of an empty one, which all flows match. UserError if it is none."""
        return _filter(text)

    def replay(self, flow: HttpFlow, over: Callable[[HttpFlow], None]) -> HttpFlow:
        """Sends the request of this flow again; what comes of it is a new flow, which `over` is called with at its end."""
        request = flow.request.copy()
        request.timestamp_end = None
        again = HttpFlow(self.store.next_id(), mode=flow.mode, request=request)
        again.replay_of = flow.id
        again.created_at = request.timestamp_start = time.time()
        self.listeners.replay(again, _said_by_client(flow), lambda: over(again))
        return again

    def create(self, request: Request) -> HttpFlow:
        """A new flow on the list, which is not sent."""
        now = time.time()
        request.timestamp_start = request.timestamp_end = now
        flow = HttpFlow(self.store.next_id(), created_at=now, request=request)
        self.store.add(flow)
        return flow

    def kill(self, flow: Flow) -> None:
        """Ends the flow on the wire, held or not."""
        self.intercept.kill(flow)
        if flow.is_live:
            self.listeners.kill(flow.id, "Killed by the user.")

    def inject(self, flow: Flow, from_client: bool, data: bytes, is_text: bool = False) -> None:
        """Says something in a running conversation, as if the client, or the server, had. UserError if that cannot be."""
        from interceptor.proxy.core.events import MessageInjected

        if refusal := self.listeners.inject(MessageInjected(flow.id, from_client, data, is_text)):
            raise UserError(refusal)

    def run_script(self, flows: Sequence[Flow], path: Path) -> None:
        """Run a script over flows, as if they happened now."""
        self.scripts.start_run(flows, str(path))

    def log(self, level: str, text: str, flow_id: int | None = None) -> None:
        self.eventlog.add(level, text, flow_id)

    async def start_browser(self, name: str, arguments: Sequence[str], ended: Callable[[int], None] = lambda status: None) -> str:
        """Starts a browser that comes through the first regular listener; what to tell the user. UserError if it cannot be."""
        from interceptor.certs.leaf import public_key_pin
        from interceptor.launch.browser import Browsers, Way

        address = self.listeners.local_address()
        if address is None:
            raise UserError("a browser needs a listener in regular mode: set mode regular")
        if self._browsers is None:
            self._browsers = Browsers(self._warn)
        # The CA is in no chain that clients are shown, so a browser that looks for keys in the chain needs that of the leaves.
        keys = (self.authority.certificate.public_key(), self.leaf_keys.ec.public_key())
        way = Way(*address, self.authority.cert_path, [public_key_pin(key) for key in keys])
        return await self._browsers.start(name, way, arguments, ended)

    def adopt(self, text: str, sockets: Sequence[socket.socket]) -> None:
        """Clients come over these from now on; where they wanted to go the kernel says."""
        self.listeners.adopt(text, sockets)

    def proxy_address(self) -> tuple[str, int] | None:
        """Where programs of this machine find a regular listener."""
        return self.listeners.local_address()

    # --- small joints ---------------------------------------------------------------------------------------

    def _schedule(self, seconds: float, callback: Callable[[], None]) -> object:
        return asyncio.get_running_loop().call_later(seconds, callback)

    def _warn(self, message: str) -> None:
        self.eventlog.add("warn", message)

    def _report(self, message: str, error: BaseException | None) -> None:
        if error is None:
            self.eventlog.add("warn", message)
        else:
            self.eventlog.add_exception(message, error)

    def _is_own_address(self, host: str, port: int, transport: str) -> bool:
        return self._listeners is not None and self._listeners.is_own_address(host, port, transport)


def _said_by_client(flow: HttpFlow) -> Sequence[WebSocketMessage]:
    """What a replay of a WebSocket says: all that was sent on, but for pings, which belong to the connection."""
    return [
        message
        for message in (flow.websocket.messages if flow.websocket is not None else ())
        if message.from_client and not message.is_dropped and message.opcode not in (Opcode.PING, Opcode.PONG)
    ]


def _filter(text: str | None) -> Filter | None:
    if not text:
        return None
    from interceptor.specs.filter import parse

    is_exact = any(
        os.environ.get(name) == "1" for name in ("INTERCEPTOR_CASE_SENSITIVE_FILTERS", "MITMPROXY_CASE_SENSITIVE_FILTERS")
    )
    return parse(text, ignore_case=not is_exact)
