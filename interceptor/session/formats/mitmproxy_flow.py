"""mitmproxy's flow file: one dict per flow, as tagged netstrings, one after the other.

    Flow ─▸ mitmproxy_write ─▸ dict ─▸ tnetstring ─▸ file        file ─▸ tnetstring ─▸ dict ─▸ mitmproxy_read ─▸ Flow

Written is version 21 (mitmproxy 11 and later). Read is that and all that came before, down to mitmproxy 0.11 (mitmproxy_old). Not
in the file, because it has no place for it: informational responses, what a TCP message was before an edit, where a flow is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from interceptor.model.flow import Flow
from interceptor.session.formats.mitmproxy_old import Handshakes, is_old, modernised
from interceptor.session.formats.mitmproxy_read import ConnectionCache, NotOurs, flow_from_state
from interceptor.session.formats.mitmproxy_write import VERSION, state_of_flow
from interceptor.session.formats.replay_links import ReplayLinks, nobody
from interceptor.session.formats.tnetstring import LARGEST, Malformed, read_values, write_value
from interceptor.specs.errors import UserError

_OLDEST_NUMBERED: Final = 4


def write_flow(stream: BinaryIO, flow: Flow) -> None:
    """Appends one flow. UserError if the format has no such kind of flow; OSError from the stream or a body."""
    state = state_of_flow(flow)
    try:
        write_value(stream, state)
    except ValueError as error:
        raise UserError(f"Flow {flow.id} cannot be written to a flow file: {error}.") from None


def read_flows(
    stream: BinaryIO, skipped: Callable[[str], None], linked: Callable[[Flow], None] = nobody, largest: int = LARGEST
) -> Iterator[Flow]:
    """Flows in the file's order, one in memory at a time, with id 0; `skipped` is told, in a sentence, what was left out, and
    `linked` of a replay that was yielded and of which it has become clear since what it is a replay of.

    UserError, with the byte offset, where the file is damaged or cut off: what stands before that has been yielded.
    """
    cache, handshakes, links = ConnectionCache(), Handshakes(), ReplayLinks(linked)
    values = read_values(stream, largest)
    while True:
        try:
            found = next(values, None)
        except Malformed as error:
            message = f"This is not a flow file, or a damaged one, from byte {error.offset} on: {error}."
            raise UserError(message, error.offset) from None
        if found is None:
            return
        offset, state = found
        if not isinstance(state, dict):
            raise UserError(f"This is not a flow file: at byte {offset} there is a value that is no flow.", offset)
        state = {key.decode("utf-8", "replace") if isinstance(key, bytes) else key: value for key, value in state.items()}
        _check_version(state.get("version"), offset)
        try:
            if is_old(state.get("version")):
                state = modernised(state)
            flow = flow_from_state(handshakes.see(state), cache)
        except NotOurs as error:
            skipped(f"Left out, at byte {offset}: {error}.")
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            skipped(f"A flow at byte {offset} is not as it should be and was left out: {error}.")
        else:
            number = links.met(flow)
            yield flow
            links.taken(flow, number)


def _check_version(version: object, offset: int) -> None:
    readable = f"those of mitmproxy 0.11 and later, up to version {VERSION}, are read"
    if is_old(version):
        return
    if not isinstance(version, int) or isinstance(version, bool) or version < _OLDEST_NUMBERED:
        named = ".".join(str(part) for part in version[:3]) if isinstance(version, list) else str(version)
        raise UserError(f"This flow file is of version {named}; {readable}.", offset)
    if version > VERSION:
        raise UserError(f"This flow file is of version {version}, newer than this program knows; {readable}.", offset)
