"""`interceptor ca`: show the CA, have it trusted on this computer, or take over mitmproxy's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, TextIO

from interceptor.certs.authority import Authority, take_over_mitmproxy
from interceptor.certs.trust import Outcome, ca_report, install, instructions, uninstall
from interceptor.options import Options
from interceptor.specs.errors import UserError

_DEEDS: Final = "show, install, uninstall or take-over"


def run_ca(options: Options, words: Sequence[str], out: TextIO, *, is_forced: bool = False) -> int:
    """The exit status: 1 if a store refused. UserError if there is no such deed."""
    deed, *rest = words or ["show"]
    most = {"show": 1, "take-over": 1}.get(deed, 0)
    if len(rest) > most:
        raise UserError(f"ca {deed} does not take {rest[most]!r}")
    match deed:
        case "take-over":
            folder = Path(rest[0] if rest else "~/.mitmproxy").expanduser()
            folder = folder.parent if folder.is_file() else folder
            try:
                authority = take_over_mitmproxy(folder, options.confdir_path, force=is_forced)
            except UserError as error:
                message = error.message.replace("say force to", "add --force to")
                raise UserError(message) from error
            out.write(f"The CA from {folder} is now ours.\n\n{ca_report(authority)}")
            return 0
        case "show":
            authority = _authority(options)
            out.write(instructions(authority, rest[0]) if rest else ca_report(authority))
            return 0
        case "install":
            return _report(install(_authority(options)), out)
        case "uninstall":
            return _report(uninstall(_authority(options)), out)
        case _:
            raise UserError(f"there is no ca {deed!r}: it is {_DEEDS}")


def _authority(options: Options) -> Authority:
    return Authority.load_or_create(options.confdir_path, options.ca_key_type, options.key_size)


def _report(outcomes: Iterable[Outcome], out: TextIO) -> int:
    status = 0
    for outcome in outcomes:
        out.write(f"{'done  ' if outcome.is_done else 'failed'}  {outcome.store}: {outcome.message}\n")
        if not outcome.is_done:
            status = 1
            if outcome.by_hand:
                out.write(f"        by hand: {outcome.by_hand}\n")
    return status
