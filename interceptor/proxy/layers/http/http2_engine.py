"""HTTP/2's frames, compression and states, by h2 (or jh2, the same with its inner loops in Rust, where that is installed).

    bytes ─▸ gate: one frame at a time, counted, some dropped ─▸ h2 ─▸ Listener: heads, data, resets, windows
    head, data, reset, credit … ─▸ h2 ─▸ take(): bytes

The library treats much as the end of the whole connection that RFC 9113 has end one stream, and a GOAWAY as the end of
everything. So it is given one frame at a time, and this is ours:

- GOAWAY never reaches it, in either direction; PRIORITY, ALTSVC, ORIGIN and what nobody knows are dropped.
- A message that is malformed (trailers that do not end it, a body that is not as long as announced) is reported and its stream
  reset; h2's connection state is put back. Its own checks of fields are off: `http2_heads` has stricter ones.
- Our limit on concurrent streams is ours to keep (h2 would end the connection, with the compression out of step).
- Floods: frames that carry nothing spend from a budget that time and useful frames fill again; resets have one of their own
  (RFC 9113 §10.5). Header blocks are bounded while they come, decoded and not.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from interceptor.model.http import Field
from interceptor.proxy.layers.http.error_codes import ErrorCode
from interceptor.proxy.layers.http.header_blocks import fragment_of, is_whole

if TYPE_CHECKING:
    from h2 import config, connection, events, exceptions, settings
else:
    try:
        from jh2 import config, connection, events, exceptions, settings
    except ImportError:
        from h2 import config, connection, events, exceptions, settings

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ENGINE: Final = connection.__name__.partition(".")[0]
_LOOKS_AT_BLOCKS: Final = ENGINE == "jh2"
MAX_FRAME: Final = 16_384
MAX_WINDOW: Final = 2**31 - 1
_MAX_TABLE: Final = 64 * 1024  # of our encoder, whatever the peer allows
_MAX_BLOCK_FRAMES: Final = 64
_GOAWAY_SIZE: Final = 17
_REMEMBERED: Final = 1000
_ANY_NUMBER: Final = 2**31 - 1
_CODES: Final = settings.SettingCodes

_DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS, _PUSH_PROMISE, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = range(10)
_END_STREAM, _END_HEADERS, _PADDED, _HAS_PRIORITY = 0x1, 0x4, 0x8, 0x20


class Listener(Protocol):
    """Who is told what came. `is_last`: the peer sends no more on that stream."""

    def head_received(self, stream_id: int, fields: list[Field], is_last: bool) -> None: ...
    def data_received(self, stream_id: int, data: bytes, size: int, is_last: bool) -> None:
        """`size` is what counts against the windows: with padding. `data` may be empty."""
        ...

    def reset_received(self, stream_id: int, code: int) -> None: ...
    def malformed(self, stream_id: int, reason: str) -> None:
        """That stream has been reset by us."""
        ...

    def window_opened(self, stream_id: int) -> None:
        """More may be sent; 0: on any stream."""
        ...

    def settings_received(self) -> None: ...
    def goaway_received(self, last_stream_id: int, code: int, explanation: bytes) -> None: ...
    def broken(self, reason: str) -> None:
        """The peer broke the protocol beyond repair. GOAWAY is in what `take` gives; nothing is read any more."""
        ...


class Budget:
    """How much of something a peer may do: `most` at once, `per_second` in the long run."""

    __slots__ = ("_at", "_left", "_most", "_per_second")

    def __init__(self, most: float, per_second: float) -> None:
        self._most = self._left = most
        self._per_second, self._at = per_second, 0.0

    def spend(self, cost: float, now: float) -> bool:
        """False if there is not so much left."""
        self._left = min(self._most, self._left + (now - self._at) * self._per_second) - cost
        self._at = now
        return self._left >= 0

    def earn(self, amount: float) -> None:
        self._left = min(self._most, self._left + amount)


class Engine:
    """One end of one connection. After anything was called, `take` gives what is to be sent."""

    def __init__(
        self,
        listener: Listener,
        *,
        is_client: bool,
        max_streams: int,
        stream_window: int,
        list_limit: int,
        takes_protocols: bool = False,
    ) -> None:
        """`takes_protocols`: the peer may send extended CONNECTs (RFC 8441 §3)."""
        self._listener = listener
        self._h2 = h2 = connection.H2Connection(
            config.H2Configuration(
                client_side=is_client,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
            )
        )
        announced = {_CODES.INITIAL_WINDOW_SIZE: stream_window, _CODES.MAX_HEADER_LIST_SIZE: list_limit}
        if is_client:
            announced[_CODES.ENABLE_PUSH] = 0
        else:
            announced[_CODES.MAX_CONCURRENT_STREAMS] = max_streams
        if takes_protocols:
            announced[_CODES.ENABLE_CONNECT_PROTOCOL] = 1
        kept = {**announced, _CODES.MAX_CONCURRENT_STREAMS: _ANY_NUMBER, _CODES.ENABLE_PUSH: 0}
        h2.local_settings = settings.Settings(client=is_client, initial_values=kept)
        h2.initiate_connection()
        h2.clear_outbound_data_buffer()
        h2.decoder.max_header_list_size = self._decoded_limit = 2 * list_limit + 64 * 1024
        self._out = bytearray((PREFACE if is_client else b"") + _settings_frame(announced))
        self._rest = b""
        self._preface_due = not is_client
        self._reset_by_us: dict[int, None] = {}  # in the order in which that happened
        self._block: list[bytes] = []
        self._block_stream = self._block_frames = self._block_size = 0
        self._noise, self._resets = Budget(4000, 400), Budget(500, 100)
        states = connection.ConnectionState
        self._open_state = states.CLIENT_OPEN if is_client else states.SERVER_OPEN
        self._now = 0.0
        self.is_broken = False
        self.has_settings = False
        self._happens = {
            events.RequestReceived: self._head,
            events.ResponseReceived: self._head,
            events.TrailersReceived: self._head,
            events.InformationalResponseReceived: self._informational,
            events.DataReceived: self._body,
            events.StreamReset: self._reset,
            events.WindowUpdated: self._window,
            events.RemoteSettingsChanged: self._settings,
        }

    # --- from the wire ----------------------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> None:
        """`now` is any clock that goes on."""
        self._now = now
        if self._rest:
            data = self._rest + data
        position, size = 0, len(data)
        if self._preface_due:
            if size < len(PREFACE) and PREFACE.startswith(data):
                self._rest = data
                return
            if not data.startswith(PREFACE):
                return self._break(ErrorCode.PROTOCOL_ERROR, "it does not begin with HTTP/2's preface")
            self._preface_due, position = False, len(PREFACE)
            self._h2.receive_data(PREFACE)
        while size - position >= 9 and not self.is_broken:
            end = position + 9 + int.from_bytes(data[position : position + 3], "big")
            if end - position - 9 > MAX_FRAME:
                return self._break(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {end - position - 9} bytes")
            if end > size:
                break
            self._frame(data[position:end])
            position = end
        self._rest = data[position:]

    @property
    def is_in_head(self) -> bool:
        """A header block has begun and not ended."""
        return self._block_stream != 0 or (bool(self._rest) and not self._rest.startswith(b"\0", 3))

    def _frame(self, frame: bytes) -> None:
        kind, flags, stream_id = frame[3], frame[4], int.from_bytes(frame[5:9], "big") & _ANY_NUMBER
        if self._block_stream:
            if not self._continues_block(kind, flags, stream_id, frame):
                return
        elif kind == _DATA:
            if len(frame) > 9:
                self._noise.earn(4)
            elif not flags & _END_STREAM and not self._is_quiet(8, "empty DATA frames"):
                return
        elif kind == _HEADERS:
            self._noise.earn(4)
            if flags & _HAS_PRIORITY:
                frame = _without_priority(frame)
            if not flags & _END_HEADERS:
                self._block_stream, self._block_frames, self._block_size = stream_id, 1, len(frame)
                self._block = [fragment_of(frame)]
            elif _LOOKS_AT_BLOCKS and not self._block_is_whole(fragment_of(frame)):
                return
        elif kind == _GOAWAY:
            if len(frame) < 17:
                return self._break(ErrorCode.FRAME_SIZE_ERROR, "a GOAWAY frame that is too short")
            last = int.from_bytes(frame[9:13], "big") & _ANY_NUMBER
            return self._listener.goaway_received(last, int.from_bytes(frame[13:17], "big"), frame[17:])
        elif kind == _RST_STREAM:
            if not self.spend_reset():
                return
        elif kind in (_SETTINGS, _PING):
            if not self._is_quiet(40 if kind == _SETTINGS else 8, "SETTINGS frames" if kind == _SETTINGS else "PING frames"):
                return
        elif kind == _PUSH_PROMISE:
            return self._break(ErrorCode.PROTOCOL_ERROR, "a pushed response, which we do not allow")
        elif not self._is_quiet(1, "frames that carry nothing"):
            return
        elif kind not in (_WINDOW_UPDATE, _CONTINUATION):
            return  # PRIORITY, ALTSVC, ORIGIN, PRIORITY_UPDATE, and what is not yet thought of
        if stream_id in self._reset_by_us:
            return self._late(frame, kind, stream_id)
        self._to_h2(frame, kind, stream_id)

    def _late(self, frame: bytes, kind: int, stream_id: int) -> None:
        """For a stream that we have reset: heads are read for the compression's sake, data is credited, nothing is answered."""
        self._drain()
        if kind == _DATA:
            if len(frame) > 9:
                size = (len(frame) - 9).to_bytes(4, "big")
                self._out += b"\0\0\4" + bytes((_WINDOW_UPDATE, 0, 0, 0, 0, 0)) + size
        elif kind in (_HEADERS, _CONTINUATION):
            self._to_h2(frame, kind, stream_id)
            if not self.is_broken:
                self._h2.clear_outbound_data_buffer()

    def _continues_block(self, kind: int, flags: int, stream_id: int, frame: bytes) -> bool:
        self._block_frames, self._block_size = self._block_frames + 1, self._block_size + len(frame)
        if kind != _CONTINUATION or stream_id != self._block_stream:
            self._break(ErrorCode.PROTOCOL_ERROR, "another frame within a header block")
        elif self._block_frames > _MAX_BLOCK_FRAMES or self._block_size > self._decoded_limit:
            self._break(ErrorCode.ENHANCE_YOUR_CALM, "a header block without end (CONTINUATION frames)")
        else:
            self._block.append(frame[9:])
            if flags & _END_HEADERS:
                block, self._block, self._block_stream = b"".join(self._block), [], 0
                return not _LOOKS_AT_BLOCKS or self._block_is_whole(block)
        return not self.is_broken

    def _block_is_whole(self, block: bytes) -> bool:
        if not is_whole(block):
            self._break(ErrorCode.COMPRESSION_ERROR, "a header block that breaks off in the middle of a field")
        return not self.is_broken

    def _is_quiet(self, cost: int, what: str) -> bool:
        if not self._noise.spend(cost, self._now):
            self._break(ErrorCode.ENHANCE_YOUR_CALM, f"a flood of {what}")
        return not self.is_broken

    def spend_reset(self) -> bool:
        """The peer has had a stream ended before its time: by resetting it, or by something that makes us reset it."""
        if not self._resets.spend(1, self._now):
            self._break(ErrorCode.ENHANCE_YOUR_CALM, "a flood of streams that are reset")
        return not self.is_broken

    def _to_h2(self, frame: bytes, kind: int, stream_id: int) -> None:
        h2 = self._h2
        try:
            happened = h2.receive_data(frame)
        except exceptions.ProtocolError as error:
            self._out += h2.data_to_send()[:-_GOAWAY_SIZE]  # it has ended with one
            is_head = kind in (_HEADERS, _CONTINUATION) and type(error) is exceptions.ProtocolError
            is_undecoded = is_head and "header block" in str(error)
            if stream_id in h2.streams and (
                (is_head and not is_undecoded) or isinstance(error, exceptions.InvalidBodyLengthError)
            ):
                h2.state_machine.state = self._open_state
                return self._malformed(stream_id, str(error))
            code = ErrorCode.COMPRESSION_ERROR if is_undecoded else int(error.error_code)
            return self._break(code, str(error) or type(error).__name__)
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):  # what Rust calls a panic is no Exception
                raise
            return self._break(ErrorCode.PROTOCOL_ERROR, f"it cannot be read ({type(error).__name__}: {error})")
        for event in happened:
            if happens := self._happens.get(type(event)):
                happens(event)

    def _malformed(self, stream_id: int, reason: str) -> None:
        self.reset(stream_id, ErrorCode.PROTOCOL_ERROR)
        if self.spend_reset():
            self._listener.malformed(stream_id, reason)

    def _head(self, event: Any) -> None:
        self._listener.head_received(event.stream_id, event.headers, event.stream_ended is not None)

    def _informational(self, event: Any) -> None:
        self._listener.head_received(event.stream_id, event.headers, False)

    def _body(self, event: Any) -> None:
        is_last = event.stream_ended is not None
        self._listener.data_received(event.stream_id, event.data, event.flow_controlled_length, is_last)

    def _reset(self, event: Any) -> None:
        self._listener.reset_received(event.stream_id, int(event.error_code))

    def _window(self, event: Any) -> None:
        self._listener.window_opened(event.stream_id)

    def _settings(self, event: Any) -> None:
        self.has_settings = True
        if self._h2.encoder.header_table_size > _MAX_TABLE:
            self._h2.encoder.header_table_size = _MAX_TABLE
        self._listener.settings_received()

    def _break(self, code: int, reason: str) -> None:
        if not self.is_broken:
            self.goaway(code, reason)
            self.is_broken = True
            self._listener.broken(reason)

    # --- to the wire ------------------------------------------------------------------------------------------

    def head(self, stream_id: int, fields: list[Field], is_last: bool) -> None:
        """A head, or trailers."""
        self._h2.send_headers(stream_id, fields, is_last)

    def data(self, stream_id: int, data: bytes, is_last: bool) -> None:
        """Not more than `room`."""
        self._h2.send_data(stream_id, data, is_last)
        self._noise.earn(4)

    def end(self, stream_id: int) -> None:
        self._h2.end_stream(stream_id)

    def room(self, stream_id: int) -> int:
        """How many bytes may be sent on that stream now, in one frame; may be negative."""
        window = min(self._h2.outbound_flow_control_window, self._h2.streams[stream_id].outbound_flow_control_window)
        return min(window, MAX_FRAME)

    def reset(self, stream_id: int, code: int) -> None:
        """Nothing if the stream is over."""
        with suppress(exceptions.ProtocolError):
            self._h2.reset_stream(stream_id, code)
            self._reset_by_us[stream_id] = None
            if len(self._reset_by_us) > _REMEMBERED:
                del self._reset_by_us[next(iter(self._reset_by_us))]

    def credit(self, size: int, stream_id: int | None = None) -> None:
        """So much more may be sent to us: on that stream, if it is still open, or (None) on all together."""
        with suppress(exceptions.ProtocolError, KeyError):
            self._h2.increment_flow_control_window(size, stream_id)

    def ping(self) -> None:
        self._h2.ping(b"\0" * 8)

    def goaway(self, code: int, reason: str = "") -> None:
        """No streams of the peer after those that it has opened; these are still served."""
        self._drain()
        last = self._h2.highest_inbound_stream_id
        payload = last.to_bytes(4, "big") + int(code).to_bytes(4, "big") + reason.encode("utf-8", "replace")[:200]
        self._out += len(payload).to_bytes(3, "big") + bytes((_GOAWAY, 0, 0, 0, 0, 0)) + payload

    def new_stream_id(self) -> int | None:
        """For the next request; None if all numbers are used."""
        try:
            return self._h2.get_next_available_stream_id()
        except exceptions.NoAvailableStreamIDError:
            return None

    @property
    def peer_takes_protocols(self) -> bool:
        """It has said that we may send extended CONNECTs (RFC 8441 §3)."""
        return self.has_settings and bool(self._h2.remote_settings.enable_connect_protocol)

    @property
    def peer_allows(self) -> int:
        """Concurrent streams that the peer takes from us, as far as it has said."""
        return self._h2.remote_settings.max_concurrent_streams if self.has_settings else 100

    def _drain(self) -> None:
        self._out += self._h2.data_to_send()

    def take(self) -> bytes:
        if not self._out:
            return self._h2.data_to_send()
        self._drain()
        out, self._out = bytes(self._out), bytearray()
        return out


def _settings_frame(values: dict[Any, int]) -> bytes:
    payload = b"".join(int(code).to_bytes(2, "big") + value.to_bytes(4, "big") for code, value in values.items())
    return len(payload).to_bytes(3, "big") + bytes((_SETTINGS, 0, 0, 0, 0, 0)) + payload


def _without_priority(frame: bytes) -> bytes:
    """RFC 9113 has deprecated it; h2 would end the connection over a stream that depends on itself."""
    start = 10 if frame[4] & _PADDED else 9
    if len(frame) < start + 5:
        return frame
    head = (len(frame) - 14).to_bytes(3, "big") + bytes((frame[3], frame[4] & ~_HAS_PRIORITY)) + frame[5:start]
    return head + frame[start + 5 :]
