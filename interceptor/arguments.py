"""The command line: a list of words becomes an `Invocation`, which says what to do and which options were given.

Flags may stand before or after the verb. Every flag that is an option becomes a `name=value` text, in the order of the line, so
that flags and `--set` are one mechanism with one set of checks. The help is written by hand, because it is read by people.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NoReturn

from interceptor.options import Options
from interceptor.specs.errors import UserError

VERBS: Final = ("dump", "run", "browser", "sessions", "ca", "setup", "convert", "export", "show")

HELP: Final = """\
interceptor: see, hold and change what programs say to servers

  interceptor [flags]                  the console
  interceptor dump [flags] [filter]    a line per flow, without a console
  interceptor run -- COMMAND           a program, all of whose traffic comes
                                       through; --dump: without a console;
                                       --env: told by variables only
  interceptor browser [NAME] [URL]     a browser with a profile of its own;
                                       --dump: without a console, until it
                                       is closed (--keepserving: longer)
  interceptor sessions                 what was kept of earlier runs
  interceptor ca                       the certificate to trust, and how
  interceptor ca install | uninstall   into this computer's stores, or out
  interceptor ca take-over [folder]    use mitmproxy's CA (from ~/.mitmproxy)
  interceptor setup transparent WHO    what leads clients to mode transparent:
                                       WHO is gateway or user=NAME; --apply,
                                       --undo (Linux)
  interceptor show FILE [filter]       a line per flow of a file
  interceptor convert FILE … OUT       files of flows into another format:
                                       .har .zhar .mitm .pcapng
  interceptor export FORMAT FILE [OUT] flows as curl, httpie, python, fetch,
                                       go, powershell, raw or har; OUT may be
                                       a folder

Examples

  interceptor
      and elsewhere: curl -x http://127.0.0.1:8080 http://example.com
  interceptor -p 9000 -m reverse:https://example.com
  interceptor --intercept '~m POST & ~d api.example.com'
  interceptor dump --json '~c 5xx' | jq .request.url
  interceptor run -- python3 app.py
  interceptor show flows.har '~d example.com' --flow-detail 3
  interceptor convert flows.mitm flows.har --filter '~d example.com'

Where to listen
  -p, --listen-port PORT     8080 unless the mode has its own; 0: any free one
  --listen-host ADDRESS      127.0.0.1 unless set; 0.0.0.0 lets others in
  -m, --mode MODE            regular, socks5, transparent, upstream:URL or
                             reverse:URL, with @port or @host:port (*)
  -n, --no-server            do not listen, to look into files
  --proxyauth WHO            clients must log in: user:password, any, @file
  --upstream-auth WHO        user:password for the proxy of upstream mode,
                             or for the server of reverse mode

Where to go out
  --route [PATTERN ]PROXIES  over proxies, for hosts that match: direct, or
                             URLs with commas, http, https, socks5h … (*)

What to do with connections
  -k, --ssl-insecure         accept any server certificate
  --certs [DOMAIN=]FILE      a certificate of your own, with its key (*)
  --cert-passphrase WORDS    for the keys in those files
  --ignore-hosts PATTERN     pass these hosts through untouched (*)
  --allow-hosts PATTERN      look into these hosts only (*)
  --tcp-hosts PATTERN        treat these hosts as raw TCP (*)

Flows
  --session NAME|FILE        work in this session; none: in memory only
  -r, --rfile FILE           load flows from a file at the start
  -w, --save-stream-file F   write finished flows to a file; +FILE appends,
                             %Y-%m-%d and the like are filled in
  -C, --client-replay FILE   send the requests of a file again (*)
  -S, --server-replay FILE   answer with the responses of a file (*)
  --intercept FILTER         hold these flows
  --view-filter FILTER       show these flows only
  --showhost                 show the host of the client's Host header

Rules: any character separates, the filter may be left out (docs/rules.md)
  -H, --modify-headers RULE  /filter/name/value; no value removes it (*)
  -B, --modify-body RULE     /filter/regex/replacement (*)
  -M, --map-remote RULE      /filter/regex/replacement of the URL (*)
  --map-local RULE           /filter/regex/path of a file or folder (*)
  --block-list RULE          /filter/status; 444 hangs up (*)
  --anticache, --anticomp    whole responses; bodies as they are
  --stickycookie FILTER      add cookies that servers have set
  --stickyauth FILTER        add the last Authorization of a server
  --server-replay-reuse      use recorded responses more than once
  --server-replay-extra HOW  without one: forward, kill, 204, 400, 404, 500

Scripts
  -s, --scripts FILE         a Python script with hooks, as for mitmproxy (*)

Console
  --console-layout LAYOUT    single, vertical or horizontal
  --no-mouse                 leave the mouse to the terminal

dump
  --json                     one JSON object per line; see docs/json.md
  --flow-detail LEVEL        0 nothing, 1 a line, 2 headers, 3 bodies, 4 all
  --keepserving              go on after a file was read or replayed
  -q, --quiet                print errors only
  -v, --verbose              say more

convert, export, show
  --filter FILTER            only these flows
  --to FORMAT                of OUT: har, zhar, mitmproxy, pcapng
  --cut PATHS                show: request.url,response.status_code … as CSV, or
                             with --json as JSON

Settings
  --set NAME=VALUE           any option (*)
  --confdir FOLDER           of the CA and config.yaml: $INTERCEPTOR_CONFDIR, or
                             ~/.interceptor
  --options                  all options with type, default and help, as YAML
  --commands                 all commands of the console's prompt
  --version                  this program, Python, OpenSSL and every library
  -h, --help

(*) may be repeated; the values add up
"""


@dataclass(slots=True)
class Invocation:
    """What was asked for. `words` are what follows the verb; `settings` are `name=value` texts; `show` is "help", "version",
    "options", "commands" or "" (run the verb)."""

    verb: str = ""  # "" is the console
    words: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    show: str = ""
    is_json: bool = False
    is_quiet: bool = False
    filter: str = ""
    to: str = ""
    cut: str = ""
    is_forced: bool = False
    deed: str = "show"  # of setup: or "apply", "undo"
    is_headless: bool = False  # of run and browser: no console
    is_by_variables: bool = False

    def has_set(self, name: str) -> bool:
        return any(setting.partition("=")[0].strip() == name for setting in self.settings)


def parse(argv: Sequence[str]) -> Invocation:
    """UserError, in one sentence, if the line is not right."""
    invocation = Invocation()
    flags, literal = _split_at_dashes(argv)
    parsed, unknown = _parser(invocation).parse_known_intermixed_args(flags)
    if unknown:
        raise UserError(_about_unknown_flag(unknown[0]))
    words: list[str] = [*parsed.words, *literal]
    if invocation.show:
        return invocation
    if words and words[0] not in VERBS:
        raise UserError(_about_unknown_verb(words[0]))
    if words:
        invocation.verb, invocation.words = words[0], words[1:]
    _check_verb(invocation)
    return invocation


def _split_at_dashes(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What follows `--` is words, whatever it looks like."""
    line = list(argv)
    if "--" not in line:
        return line, []
    place = line.index("--")
    return line[:place], line[place + 1 :]


def _check_verb(invocation: Invocation) -> None:
    if invocation.is_json and not (invocation.verb in ("dump", "show") or invocation.is_headless):
        raise UserError("--json belongs to dump and show: interceptor dump --json")
    for flag, given, verbs in (
        ("--filter", invocation.filter, ("convert", "export", "show")),
        ("--to", invocation.to, ("convert",)),
        ("--cut", invocation.cut, ("show",)),
    ):
        if given and invocation.verb not in verbs:
            raise UserError(f"{flag} belongs to {' and '.join(verbs)}: interceptor {verbs[0]} … {flag}")
    if invocation.is_forced and invocation.verb != "ca":
        raise UserError("--force belongs to ca: interceptor ca take-over --force")
    if invocation.verb == "run" and not invocation.words:
        raise UserError("run wants a command: interceptor run -- curl https://example.com")
    for is_given, flag in ((invocation.is_headless, "--dump"), (invocation.is_by_variables, "--env")):
        if is_given and invocation.verb != "run" and (flag, invocation.verb) != ("--dump", "browser"):
            raise UserError(f"{flag} belongs to run: interceptor run {flag} -- COMMAND")
    if invocation.deed != "show" and invocation.verb != "setup":
        raise UserError(f"--{invocation.deed} belongs to setup: interceptor setup transparent --{invocation.deed}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message.removeprefix('argument ')} (interceptor --help shows what there is)")


def _parser(invocation: Invocation) -> _Parser:
    """A parser whose flags write into the invocation."""
    parser = _Parser(prog="interceptor", add_help=False, allow_abbrev=False)

    def flag(*names: str, act: Callable[[str], None], takes_value: bool) -> None:
        class Act(argparse.Action):
            def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
                act(values if takes_value else "")

        parser.add_argument(
            *names, action=Act, nargs=None if takes_value else 0, dest=argparse.SUPPRESS, default=argparse.SUPPRESS
        )

    def setting(*names: str, option: str, value: str | None = None) -> None:
        def act(given: str) -> None:
            invocation.settings.append(f"{option}={given if value is None else value}")

        flag(*names, act=act, takes_value=value is None)

    def mark(*names: str, attribute: str, value: object = True) -> None:
        flag(*names, act=lambda _: setattr(invocation, attribute, value), takes_value=False)

    for names, option in _VALUE_FLAGS:
        setting(*names, option=option)
    for names, option, value in _SWITCH_FLAGS:
        setting(*names, option=option, value=value)
    flag("--set", act=invocation.settings.append, takes_value=True)
    flag("-v", "--verbose", act=lambda _: invocation.settings.extend(_VERBOSE), takes_value=False)
    for name in ("filter", "to", "cut"):
        flag(f"--{name}", act=partial(setattr, invocation, name), takes_value=True)
    mark("-q", "--quiet", attribute="is_quiet")
    mark("--json", attribute="is_json")
    mark("--force", attribute="is_forced")
    mark("--dump", attribute="is_headless")
    mark("--env", attribute="is_by_variables")
    mark("--apply", attribute="deed", value="apply")
    mark("--undo", attribute="deed", value="undo")
    for what in ("version", "options", "commands"):
        mark(f"--{what}", attribute="show", value=what)
    mark("-h", "--help", attribute="show", value="help")
    parser.add_argument("words", nargs="*")
    return parser


_VALUE_FLAGS: Final = (
    (("-p", "--listen-port"), "listen_port"),
    (("--listen-host",), "listen_host"),
    (("-m", "--mode"), "mode"),
    (("--proxyauth",), "proxyauth"),
    (("--route",), "route"),
    (("--certs",), "certs"),
    (("--cert-passphrase",), "cert_passphrase"),
    (("--ignore-hosts",), "ignore_hosts"),
    (("--allow-hosts",), "allow_hosts"),
    (("--tcp-hosts",), "tcp_hosts"),
    (("--session",), "session"),
    (("-r", "--rfile"), "rfile"),
    (("-w", "--save-stream-file"), "save_stream_file"),
    (("-C", "--client-replay"), "client_replay"),
    (("-S", "--server-replay"), "server_replay"),
    (("--server-replay-extra",), "server_replay_extra"),
    (("-H", "--modify-headers"), "modify_headers"),
    (("-B", "--modify-body"), "modify_body"),
    (("-M", "--map-remote"), "map_remote"),
    (("--map-local",), "map_local"),
    (("--block-list",), "block_list"),
    (("--stickycookie",), "stickycookie"),
    (("--stickyauth",), "stickyauth"),
    (("--upstream-auth",), "upstream_auth"),
    (("-s", "--scripts"), "scripts"),
    (("--intercept",), "intercept"),
    (("--view-filter",), "view_filter"),
    (("--console-layout",), "console_layout"),
    (("--flow-detail",), "flow_detail"),
    (("--confdir",), "confdir"),
)
_SWITCH_FLAGS: Final = (
    (("-n", "--no-server"), "server", "false"),
    (("-k", "--ssl-insecure"), "ssl_insecure", "true"),
    (("--showhost",), "showhost", "true"),
    (("--no-mouse",), "console_mouse", "false"),
    (("--keepserving",), "keepserving", "true"),
    (("--anticache",), "anticache", "true"),
    (("--anticomp",), "anticomp", "true"),
    (("--server-replay-reuse",), "server_replay_reuse", "true"),
)
_VERBOSE: Final = ("termlog_verbosity=debug", "console_eventlog_verbosity=debug", "flow_detail=2")


def all_flags() -> list[str]:
    """Every spelling of every flag."""
    return [name for action in _parser(Invocation())._actions for name in action.option_strings]


def _about_unknown_flag(flag: str) -> str:
    from difflib import get_close_matches

    name, _, value = flag.partition("=")
    option = name.lstrip("-").replace("-", "_").removeprefix("no_")
    if any(definition.name == option for definition in Options.declared()):
        return f"there is no flag {name}; write --set {option}={value or '…'}"
    near = get_close_matches(name, all_flags(), 2)
    return f"there is no flag {name}" + (
        f" (did you mean {' or '.join(near)}?)" if near else "; interceptor --help shows what there is"
    )


def _about_unknown_verb(word: str) -> str:
    from difflib import get_close_matches

    if near := get_close_matches(word, VERBS, 1):
        return f"there is no verb {word!r}: did you mean interceptor {near[0]}?"
    if word.startswith(("~", "!", "(")):
        return f"a filter belongs to dump or to --view-filter: interceptor dump {word!r}"
    if "://" in word:
        return f"interceptor takes no URL by itself; to listen in front of that server: interceptor -m reverse:{word}"
    verbs = f"{', '.join(VERBS[:-1])} or {VERBS[-1]}"
    return f"there is no verb {word!r}: nothing for the console, or {verbs}; interceptor --help shows more"
