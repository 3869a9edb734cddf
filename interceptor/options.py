"""Every option of the program: name, type, default, help; and who is told when one changes.

Names, types, defaults and meaning are mitmproxy's wherever it has the option, so that people's habits and files carry over. An
option is declared here as soon as the program honours it, and not before. The values live in one `Options`, which `app` hands
to whoever needs it:

    options.showhost                         read, as a plain attribute
    options.update(showhost=True)            all or nothing: checked, stored, subscribers told once, undone if one refuses
    options.set_text("showhost", "toggle")   the same from text

Nothing here reads a file or the environment; `config` and `cli` do. Sizes ("256k", "1m") are kept as typed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from interceptor.option_definitions import (
    OptionDefinition,
    are_modes,
    are_networks,
    are_patterns,
    are_routes,
    are_rules,
    are_servers,
    is_address,
    is_filter,
    is_size,
    is_user_and_password,
    optional_text,
    optional_whole,
    rate,
    seconds,
    switch,
    text,
    texts,
    unknown_option,
    whole,
    whole_or_all,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["GROUPS", "OptionDefinition", "Options", "Subscriber"]

GROUPS = (
    "proxy", "hosts", "access", "rules", "scripts", "tls", "certificates", "dns", "limits", "flows", "files", "console", "dump",
)  # fmt: skip
"""In the order in which people are shown them."""

_TLS_VERSIONS = ("UNBOUNDED", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3")
_VERBOSITIES = ("error", "warn", "info", "alert", "debug")
_ORDERS = ("time", "method", "url", "size", "status", "duration", "host", "type")
_COLUMNS = (
    "number", "time", "date", "scheme", "version", "tls", "method", "host", "path", "url", "status", "type", "size",
    "request_size", "duration", "client", "process", "server", "comment", "marks",
)  # fmt: skip
_PALETTES = ("dark", "light", "lowdark", "lowlight", "solarized_dark", "solarized_light")


class _Declared:
    """The list of all options."""

    server = switch(True, "proxy", "Listen for clients at all; off is for reading files.")
    mode = texts(
        ["regular"],
        "proxy",
        "Ways in: regular, socks5, wireguard, upstream:http://proxy:3128, reverse:https://a.test …; @[host:]port.",
        check=are_modes,
        beginnings={
            "regular": "clients know an HTTP proxy",
            "socks5": "clients know a SOCKS proxy",
            "transparent": "the system leads connections here",
            "upstream:http://": "regular, over another proxy",
            "reverse:https://": "clients take us for that server",
            "reverse:tcp://": "the same, for any protocol",
            "reverse:udp://": "the same, for datagrams",
            "wireguard": "devices whose WireGuard leads here",
            "local:": "programs of this machine, by name",
            "tun": "what is routed to an interface",
        },
    )
    route = texts(
        [],
        "proxy",
        "Ways out: [pattern ]direct, pac:file or proxies: socks5h://user:password@host,http://host:80.",
        check=are_routes,
        beginnings={
            "direct": "over no proxy",
            "http://": "over an HTTP proxy",
            "https://": "over one that speaks TLS",
            "socks5h://": "over a SOCKS5 proxy, which resolves names",
            "socks5://": "the same, names are resolved here",
            "socks4a://": "over a SOCKS4 proxy, which resolves names",
            "pac:": "as a PAC file says: a path or a URL",
        },
    )
    proxy_protocol_from = texts(
        [],
        "proxy",
        "Networks of balancers whose PROXY protocol headers (v1, v2) are believed about their clients.",
        check=are_networks,
    )
    proxy_protocol_to = texts(
        [], "proxy", "Tell servers whose host:port matches a pattern who our client is, by a PROXY header.", check=are_patterns
    )
    proxy_protocol_version = whole(2, 1, 2, "proxy", "Version of the PROXY headers for servers: 1 (text) or 2 (binary).")
    http_connect_send_host_header = switch(True, "proxy", "Send a Host field with the CONNECT to an http or https proxy.")
    listen_host = text("127.0.0.1", "proxy", "Address to listen on; 0.0.0.0 lets other machines in.")
    listen_port = optional_whole(0, 65535, "proxy", "Port to listen on; unset is the mode's own (8080), 0 any free one.")
    connection_strategy = text(
        "eager",
        "proxy",
        "Connect to the server as soon as a client wants it, or only when there is something to send.",
        choices=("eager", "lazy"),
    )
    client_process = switch(True, "proxy", "Look up which program a client on this machine is: for the list and ~process.")
    connect_addr = optional_text("proxy", "Local IP address from which servers are connected to.", check=is_address)
    keep_host_header = switch(False, "proxy", "Reverse mode: leave the client's Host header as it is.")
    websocket = switch(True, "proxy", "Read WebSocket messages; off relays them as raw TCP.")
    rawtcp = switch(True, "proxy", "Relay what is not HTTP as raw TCP; off refuses it.")
    http2 = switch(True, "proxy", "Speak HTTP/2 with clients and servers that offer it.")
    http2_upstream = text(
        "client",
        "proxy",
        "HTTP/2 towards servers: as the client speaks it, offered always (to http servers without asking), or never.",
        choices=("client", "always", "never"),
    )
    http2_ping_keepalive = whole(
        58, 0, 86_400, "proxy", "Seconds of silence after which an HTTP/2 server is sent a PING; 0 is never."
    )
    normalize_outbound_headers = switch(
        True, "proxy", "Write the names of HTTP/2 fields in lower case, as the protocol wants them."
    )

    validate_inbound_headers = switch(
        True,
        "proxy",
        "Refuse HTTP that is not strictly right; off mends folds, odd bytes, capitals, not contradictory framing.",
    )

    ignore_hosts = texts(
        [], "hosts", "Pass hosts through untouched whose host:port matches one of these patterns.", check=are_patterns
    )
    show_ignored_hosts = switch(False, "hosts", "Show what passes untouched: a row of raw bytes each, never held or changed.")
    allow_hosts = texts(
        [], "hosts", "Look into only those hosts whose host:port matches one of these patterns.", check=are_patterns
    )
    tcp_hosts = texts(
        [], "hosts", "Treat hosts that match one of these patterns as raw TCP, with or without TLS.", check=are_patterns
    )
    udp_hosts = texts(
        [], "hosts", "Treat hosts that match one of these patterns as raw UDP, with or without DTLS.", check=are_patterns
    )
    raw_hosts = texts(
        [], "hosts", "Let malformed HTTP/1 of hosts that match one of these patterns through as it is, raw.", check=are_patterns
    )

    block_global = switch(True, "access", "Refuse clients that come from public addresses.")
    block_private = switch(False, "access", "Refuse clients that come from private networks; this machine is always let in.")
    proxyauth = optional_text("access", "What clients must log in with: user:password, any, or @file in htpasswd format.")
    onboarding = switch(True, "access", "Serve the page from which devices get the CA certificate.")
    onboarding_host = text("interceptor.test", "access", "Host name of that page; http://mitm.it/ works too.")

    modify_headers = texts(
        [], "rules", "Set, replace or remove header fields: /[filter]/name/value; @file for the value.", check=are_rules("header")
    )
    modify_body = texts(
        [], "rules", "Change bodies: /[filter]/regex/replacement; @file for the replacement.", check=are_rules("body")
    )
    map_remote = texts([], "rules", "Send requests elsewhere: /[filter]/regex/replacement of the URL.", check=are_rules("remote"))
    map_local = texts(
        [], "rules", "Answer requests from files: /[filter]/regex/path of a file or folder.", check=are_rules("local")
    )
    block_list = texts(
        [], "rules", "Answer requests with a status: /filter/status; 444 hangs up instead.", check=are_rules("block")
    )
    anticache = switch(False, "rules", "Remove what makes servers answer 304 instead of the whole response.")
    anticomp = switch(False, "rules", "Ask servers for bodies that are not compressed.")
    stickycookie = optional_text(
        "rules", "Filter of requests to which the cookies are added that their server has set.", check=is_filter
    )
    stickyauth = optional_text(
        "rules", "Filter of requests to which the last Authorization for their server is added.", check=is_filter
    )
    upstream_auth = optional_text(
        "rules", "User:password for the proxy of upstream mode, or for the server in reverse mode.", check=is_user_and_password
    )
    upstream_auth_scheme = text(
        "basic",
        "proxy",
        "How http and https proxies on the way out are told who we are.",
        choices=("basic", "ntlm", "negotiate"),
    )
    server_replay = texts([], "rules", "Files of flows whose responses answer the same requests.")
    server_replay_extra = text(
        "forward",
        "rules",
        "Requests without a recorded response: send them on, end them, or answer with a status.",
        choices=("forward", "kill", "204", "400", "404", "500"),
    )
    server_replay_reuse = switch(False, "rules", "Use recorded responses any number of times, not once.")
    server_replay_refresh = switch(True, "rules", "Shift the dates and cookies of recorded responses to now.")
    server_replay_ignore_content = switch(False, "rules", "The same request may have another body.")
    server_replay_ignore_params = texts([], "rules", "The same request may have other values for these keys in its query.")
    server_replay_ignore_payload_params = texts([], "rules", "The same request may have other values for these form fields.")
    server_replay_ignore_host = switch(False, "rules", "The same request may go to another host.")
    server_replay_ignore_port = switch(False, "rules", "The same request may go to another port.")
    server_replay_use_headers = texts([], "rules", "The same request must have the same values in these header fields.")
    server_replay_kill_extra = switch(False, "rules", "Old name for server_replay_extra=kill.")
    server_replay_nopop = switch(False, "rules", "Old name for server_replay_reuse.")

    ssl_insecure = switch(False, "tls", "Accept any server certificate; what the server says is then not to be trusted.")
    ssl_verify_upstream_trusted_ca = optional_text("tls", "PEM file of the CAs that server certificates are checked against.")
    ssl_verify_upstream_trusted_confdir = optional_text("tls", "Folder of CAs, hashed by openssl rehash, for the same check.")
    upstream_cert = switch(True, "tls", "Copy the names of the server's certificate into ours.")
    request_client_cert = switch(False, "tls", "Ask clients for a certificate; it is recorded, not checked.")
    client_certs = optional_text(
        "tls", "PEM file, or folder of host.pem files, shown to servers that ask for a client certificate."
    )
    add_upstream_certs_to_client_chain = switch(False, "tls", "Show clients the server's certificates behind ours.")
    tls_keylog_file = optional_text("tls", "Append TLS secrets to this file, which Wireshark reads; unset is $SSLKEYLOGFILE.")
    tls_version_client_min = text("TLS1_2", "tls", "Lowest TLS version that clients may use.", choices=_TLS_VERSIONS)
    tls_version_client_max = text("UNBOUNDED", "tls", "Highest TLS version that clients may use.", choices=_TLS_VERSIONS)
    tls_version_server_min = text("TLS1_2", "tls", "Lowest TLS version that servers may use.", choices=_TLS_VERSIONS)
    tls_version_server_max = text("UNBOUNDED", "tls", "Highest TLS version that servers may use.", choices=_TLS_VERSIONS)
    ciphers_client = optional_text("tls", "Ciphers for clients up to TLS 1.2, as an OpenSSL cipher string.")
    ciphers_server = optional_text("tls", "Ciphers for servers up to TLS 1.2, as an OpenSSL cipher string.")
    tls_ecdh_curve_client = optional_text("tls", "Curve for key exchange with clients, like prime256v1.")
    tls_ecdh_curve_server = optional_text("tls", "Curve for key exchange with servers, like prime256v1.")

    confdir = text("~/.interceptor", "certificates", "Folder of the CA, the configuration and the command history.")
    certs = texts([], "certificates", "Own certificates: [domain=]file.pem with chain and key; *.example.com is a domain, too.")
    cert_passphrase = optional_text("certificates", "Passphrase of the keys in those files.")
    ca_key_type = text(
        "rsa", "certificates", "Key type of a CA that is made anew; ec is not known to old devices.", choices=("rsa", "ec")
    )
    key_size = whole(2048, 2048, 8192, "certificates", "Bits of the RSA key of a CA that is made anew.")

    dns_name_servers = texts(
        [],
        "dns",
        "Name servers in place of the system's: 9.9.9.9, [::1]:5353, tls://1.1.1.1, https://1.1.1.1/dns-query.",
        check=are_servers,
    )
    dns_use_hosts_file = switch(
        True, "dns", "Look names up in the hosts file first: queries in mode dns, and what is connected to. Off: name servers."
    )
    strip_ech = switch(True, "dns", "Take the keys for Encrypted ClientHello out of DNS answers, so that TLS shows names.")

    tcp_timeout = seconds(600, "limits", "Seconds after which a silent connection is closed.")
    udp_timeout = seconds(20, "limits", "Seconds after which a conversation of datagrams in which nothing is said is over.")
    connect_timeout = seconds(30, "limits", "Seconds that a connection to a server may take.")
    tls_handshake_timeout = seconds(30, "limits", "Seconds that a TLS handshake may take.")
    header_timeout = seconds(60, "limits", "Seconds in which a client must have sent a request's head.")
    header_size_limit = text("256k", "limits", "Largest head of a message, all fields together.", check=is_size)
    header_count_limit = whole(1000, 1, 1_000_000, "limits", "Most fields in the head of a message.")
    stream_large_bodies = optional_text(
        "limits", "Pass bodies above this size on as they come, even if a rule wants them whole.", check=is_size
    )
    store_streamed_bodies = switch(
        True, "limits", "Keep bodies above stream_large_bodies and those that scripts stream; off keeps their size alone."
    )
    body_size_limit = optional_text("limits", "Refuse bodies above this size.", check=is_size)
    store_memory_limit = text("256m", "limits", "Memory for flows; when full, those in no session go.", check=is_size)
    search_index = switch(True, "limits", "Index the session for searches, in a file beside it; off makes them slow.")
    search_body_limit = text("1m", "limits", "How much of each body and message is searched.", check=is_size)
    spool_directory = optional_text(
        "limits", "Folder for large bodies while the program runs; unset is the system's temporary folder."
    )

    intercept = optional_text("flows", "Filter that says which flows are held.", check=is_filter)
    intercept_active = switch(
        False, "flows", "Hold the flows that the intercept filter chooses; follows intercept when that is set."
    )
    view_filter = optional_text("flows", "Filter that says which flows are shown.", check=is_filter)
    view_order = text("time", "flows", "What flows are sorted by.", choices=_ORDERS)
    view_order_reversed = switch(False, "flows", "Sort the other way round.")
    showhost = switch(False, "flows", "Show URLs with the host that the client named in its Host header.")
    client_replay = texts([], "flows", "Files of flows whose requests are sent again at the start.")
    client_replay_concurrency = whole_or_all(
        1, "flows", "How many requests that are sent again may be on their way at a time; -1 for all at once."
    )
    client_replay_repeat = whole(1, 1, 1_000_000_000, "flows", "How many times requests are sent again, each as a new flow.")
    client_replay_rate = rate("flows", "How many requests a second are sent again at most; 0 is as fast as they go.")

    session = optional_text(
        "files", "Session to work in: a name, or a file; none: in memory only; unset: the console makes one without a name."
    )
    rfile = optional_text("files", "File of flows to load at the start.")
    readfile_filter = optional_text("files", "Load only the flows of rfile that match this filter.", check=is_filter)
    save_stream_file = optional_text(
        "files", "Write finished flows to this file; +file appends, %Y-%m-%d and the like are filled in."
    )
    save_stream_filter = optional_text("files", "Write only flows that match this filter.", check=is_filter)
    hardump = optional_text("files", "Write finished HTTP flows to this HAR file, packed as .zhar; - prints it at the end.")
    export_preserve_original_ip = switch(
        False, "files", "Let an exported command connect to the address that answered, not to what the name means later."
    )

    scripts = texts([], "scripts", "Python files with mitmproxy's hooks, asked in this order; loaded anew when they change.")

    console_focus_follow = switch(False, "console", "Let the cursor follow new flows.")
    console_layout = text(
        "single", "console", "One pane, two above each other or two side by side.", choices=("single", "vertical", "horizontal")
    )
    console_flowlist_layout = text(
        "default", "console", "Flows as table, as two-line list, or by the width.", choices=("default", "table", "list")
    )
    console_flowlist_columns = texts(
        [], "console", "Columns of the table of flows, in this order; empty is what fits the width.", choices=_COLUMNS
    )
    console_layout_headers = switch(True, "console", "Show titles: of panes and screens, and of the columns of the list.")
    console_palette = text("solarized_dark", "console", "Colours.", choices=_PALETTES)
    console_palette_transparent = switch(
        False, "console", "Leave the terminal's own background; whether all is readable then depends on it."
    )
    console_mouse = switch(True, "console", "React to the mouse; off leaves it to the terminal.")
    console_quickhelp_visible = switch(True, "console", "Show the keys at the bottom.")
    console_default_contentview = text("auto", "console", "How bodies are shown first.")
    console_eventlog_verbosity = text("info", "console", "Least important messages in the event log.", choices=_VERBOSITIES)
    command_history = switch(True, "console", "Remember commands from one run to the next.")
    console_strip_trailing_newlines = switch(False, "console", "Take line ends off the end of what an external editor wrote.")
    editor = optional_text("console", "External editor with its arguments; unset is $VISUAL or $EDITOR.")

    flow_detail = whole(1, 0, 4, "dump", "What is printed of a flow: 0 nothing, 1 a line, 2 headers, 3 a body's start, 4 all.")
    dumper_filter = optional_text("dump", "Print only flows that match this filter.", check=is_filter)
    dumper_default_contentview = text("auto", "dump", "How bodies are printed.")
    content_view_lines_cutoff = whole(
        512, 0, 1_000_000_000, "dump", "Lines of a body that are printed at flow_detail 3. The console shows all of them."
    )
    termlog_verbosity = text("info", "dump", "Least important messages on standard error.", choices=_VERBOSITIES)
    keepserving = switch(False, "dump", "Go on after a file was read or replayed.")


class Options(_Declared):
    """The values. Assigning to an attribute is an `update` of it."""

    _definitions: ClassVar[dict[str, OptionDefinition[Any]]] = {
        name: value for name, value in vars(_Declared).items() if isinstance(value, OptionDefinition)
    }

    def __init__(self, **values: object) -> None:
        for name, definition in self._definitions.items():
            self.__dict__[name] = definition.validated(definition.default) if definition.kind == "list" else definition.default
        self.__dict__["_subscribers"] = []
        self.__dict__.update(_added={}, _waiting={}, _is_expecting=False, _typed=set())
        self.update(**values)

    def __setattr__(self, name: str, value: object) -> None:
        self.update(**{name: value})

    @classmethod
    def declared(cls) -> Sequence[OptionDefinition[Any]]:
        """Those of the program itself, by group."""
        return list(cls._definitions.values())

    def definitions(self) -> Sequence[OptionDefinition[Any]]:
        """All options, by group."""
        return list(self._known().values())

    def definition(self, name: str) -> OptionDefinition[Any]:
        """The one of that name, or UserError with the nearest names."""
        known = self._known()
        if (found := known.get(name)) is None:
            raise unknown_option(name, list(known))
        return found

    def _known(self) -> dict[str, OptionDefinition[Any]]:
        added: dict[str, OptionDefinition[Any]] = self.__dict__["_added"]
        return {**self._definitions, **added} if added else self._definitions

    # Options that scripts bring. Their values may have been set before they are there.

    @property
    def is_expecting(self) -> bool:
        """Whether names that are not known yet may be set: their texts wait until somebody brings the option."""
        return bool(self.__dict__["_is_expecting"])

    def expect_more(self) -> None:
        self.__dict__["_is_expecting"] = True

    def expect_no_more(self) -> Sequence[str]:
        """From here on a name that is not known is an error again. Those that were set and that nobody has brought."""
        unclaimed = list(self.__dict__["_waiting"])
        self.__dict__.update(_is_expecting=False, _waiting={})
        return unclaimed

    def keep_for_later(self, name: str, texts: Sequence[str]) -> None:
        """What is to be the value of an option that is expected."""
        self.__dict__["_waiting"].setdefault(name, []).extend(texts)

    def add(self, definition: OptionDefinition[Any]) -> None:
        """One more option, until `remove`. If its value waits, it is set. UserError if the name is taken or the value wrong."""
        from interceptor.specs.errors import UserError

        name = definition.name
        if name in self._known() or hasattr(self, name):
            raise UserError(f"the name {name} is taken: there is an option of that name already")
        texts = self.__dict__["_waiting"].pop(name, None)
        value = definition.default if texts is None else definition.parse(texts, definition.default)
        self.__dict__[name] = definition.validated(value)
        self.__dict__["_added"][name] = definition

    def remove(self, name: str) -> None:
        """Of an option that was added. Its value waits for it to come back, if it is not the default."""
        definition = self.__dict__["_added"].pop(name)
        value = self.__dict__.pop(name)
        if value != definition.validated(definition.default):
            self.keep_for_later(name, list(value) if definition.kind == "list" else [definition.to_text(value)])

    @property
    def confdir_path(self) -> Path:
        """`confdir` as a path, with `~` filled in. It need not exist."""
        from pathlib import Path

        return Path(self.confdir).expanduser()

    def update(self, **values: object) -> None:
        """Sets all of them or none; subscribers are told once, of what really changed. UserError if a value is wrong or if a
        subscriber refuses it: then everything is as before, and those who were told of the new values are told of the old."""
        if values.get("intercept", self) is not self:  # a filter that is set is meant to work at once
            values.setdefault("intercept_active", values["intercept"] is not None)
        checked = {name: self.definition(name).validated(value) for name, value in values.items()}
        old = {name: self.__dict__[name] for name, value in checked.items() if self.__dict__[name] != value}
        if not old:
            return
        self.__dict__.update({name: checked[name] for name in old})
        told: list[Subscriber] = []
        try:
            for subscriber in list(self._all_subscribers()):
                told.append(subscriber)
                subscriber(self, set(old))
        except BaseException:
            self.__dict__.update(old)
            for subscriber in told:
                with suppress(Exception):  # the first failure is the one to report; these values were good before
                    subscriber(self, set(old))
            raise

    def set_text(self, name: str, *values: str) -> None:
        """Sets one option from text: `("mode", "regular", "reverse:…")` for a list, no text for "on", "unset" or "empty"."""
        self.update(**{name: self._parsed(name, values)})

    def set_from_arguments(self, *arguments: str) -> None:
        """Sets options from `name=value` texts (or `name` alone), in one update; the values of a list add up."""
        collected: dict[str, list[str]] = {}
        self.__dict__["_typed"].update(argument.partition("=")[0].strip() for argument in arguments)
        for argument in arguments:
            name, equals, value = argument.partition("=")
            name = name.strip()
            if self.is_expecting and name not in self._known():
                self.keep_for_later(name, [value] if equals else [])
                continue
            entries = collected.setdefault(name, [])
            if self.definition(name).kind != "list":
                entries.clear()  # the last one counts
            if equals:
                entries.append(value)
        self.update(**{name: self._parsed(name, values) for name, values in collected.items()})

    def was_typed(self, name: str) -> bool:
        """Whether it was set where the program was started, by `set_from_arguments`."""
        return name in self.__dict__["_typed"]

    def _parsed(self, name: str, values: Sequence[str]) -> object:
        return self.definition(name).parse(values, self.__dict__.get(name))

    def text_of(self, name: str) -> str:
        """The value as a person would type it."""
        return self.definition(name).to_text(self.__dict__[name])

    def is_default(self, name: str) -> bool:
        definition = self.definition(name)
        return bool(self.__dict__[name] == definition.validated(definition.default))

    def reset(self, *names: str) -> None:
        """Back to the defaults; all options if no name is given."""
        self.update(**{name: self.definition(name).default for name in names or self._known()})

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """`callback(options, names)` after each change. What is returned ends the subscription."""
        subscribers = self._all_subscribers()
        subscribers.append(callback)
        return lambda: subscribers.remove(callback) if callback in subscribers else None

    def _all_subscribers(self) -> list[Subscriber]:
        subscribers: list[Subscriber] = self.__dict__["_subscribers"]
        return subscribers


Subscriber = Callable[[Options, set[str]], None]
"""Told of the names that changed; may raise UserError to refuse the new values."""
