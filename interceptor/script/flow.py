"""What all kinds of flows have in common for scripts."""

from __future__ import annotations

import copy
import time
from typing import Any, ClassVar

from interceptor.model.flow import Flow as Record
from interceptor.model.flow import FlowError, HttpFlow
from interceptor.script.connection import Client, Server
from interceptor.script.host import Alone, Host
from interceptor.script.messages import Message


class Error:
    """Why a flow ended before its end."""

    KILLED_MESSAGE: ClassVar[str] = "Connection killed."

    def __init__(self, msg: str, timestamp: float | None = None) -> None:
        self.msg = msg
        self.timestamp = time.time() if timestamp is None else timestamp

    def __str__(self) -> str:
        return self.msg

    def __repr__(self) -> str:
        return f"Error({self.msg!r})"


class Flow:
    """`record` is what is read and written. Two facades of one record are equal. A script may put attributes of its own on a
    flow: they last as long as the flow is on the wire; `metadata` stays with it."""

    def __init__(self, record: Record, host: Host | None = None) -> None:
        self.record: Any = record
        self._host: Host = host if host is not None else Alone()
        self.is_being_decided = 0
        """In how many hooks it is now; set by whoever asks."""
        self.is_killed = False
        self.was_edited = False
        """Since whoever calls the script last looked."""
        self.asked: list[Message] = []
        """The messages of a conversation that hooks ask about now; set by whoever asks."""
        self.replayed: list[Message] | None = None
        """Those that there were so far, while a script is run over a conversation that has ended."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Flow) and self.record is other.record

    def __hash__(self) -> int:
        return id(self.record)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    def before_edit(self) -> None:
        """Keeps what was received, once, and lets the session know."""
        self.was_edited = True
        self.record.backup()
        self._host.changed(self.record)

    def _note(self, name: str, value: object) -> None:
        """Sets what is no part of what was received."""
        setattr(self.record, name, value)
        self._host.changed(self.record)

    # What it is

    @property
    def id(self) -> str:
        return str(self.record.id)

    @property
    def type(self) -> str:
        kind: str = self.record.kind
        return kind

    @property
    def client_conn(self) -> Client:
        return Client(self.record.client)

    @property
    def server_conn(self) -> Server:
        return Server(self.record.server)

    @property
    def error(self) -> Error | None:
        error = self.record.error
        return None if error is None else Error(error.message, error.timestamp)

    @error.setter
    def error(self, error: Error | None) -> None:
        self._note("error", None if error is None else FlowError(error.msg, error.timestamp))

    @property
    def live(self) -> bool:
        is_live: bool = self.record.is_live
        return is_live

    @property
    def is_replay(self) -> str | None:
        """ "request" if we sent the request again, "response" if a kept response was given."""
        if self.record.replay_of is not None:
            return "request"
        replayed: str | None = self.record.metadata.get("is_replay")
        return replayed

    @property
    def timestamp_created(self) -> float:
        seconds: float = self.record.created_at
        return seconds

    @property
    def metadata(self) -> dict[str, Any]:
        """Kept with the flow, shown in its details, found by `~meta`."""
        kept: dict[str, Any] = self.record.metadata
        return kept

    # What a person has noted

    @property
    def marked(self) -> str:
        """ "" or the name of a marker, like ":red_circle:"."""
        marker: str = self.record.marker
        return f":{marker}:" if marker else ""

    @marked.setter
    def marked(self, marker: str | bool) -> None:
        self._note("marker", "default" if marker is True else (marker or "").strip(":"))

    @property
    def comment(self) -> str:
        comment: str = self.record.comment
        return comment

    @comment.setter
    def comment(self, comment: str) -> None:
        self._note("comment", comment)

    # Edits

    def modified(self) -> bool:
        is_modified: bool = self.record.is_modified
        return is_modified

    def backup(self, force: bool = False) -> None:
        """Needed nowhere: the first edit does it."""
        self.before_edit()

    def revert(self) -> None:
        """Back to what was received."""
        self.record.revert()
        self._host.changed(self.record)

    def copy(self) -> Flow:
        """An independent one that is not on the list: `ctx.master.view.add([flow])` puts it there."""
        return type(self)(copied_record(self.record), self._host)

    # On the wire

    @property
    def intercepted(self) -> bool:
        return self.record.held is not None

    @property
    def killable(self) -> bool:
        return (self.live or self.is_being_decided > 0) and not self.is_killed

    def kill(self) -> None:
        """Ends it on the wire. Nothing if it has ended already."""
        if self.killable:
            self.is_killed = True
            if not self.is_being_decided:  # else the hook's answer says so
                self._host.kill(self.record)

    def intercept(self) -> None:
        """Holds it for a person, after this hook, whatever the filter says."""
        self._host.hold(self.record)

    def resume(self) -> None:
        """Lets it go on if it is held."""
        self._host.resume(self.record)


def copied_record(record: Any) -> Any:
    """A record of its own with the same messages. Its id is given when it joins the list."""
    twin = copy.copy(record)
    twin.id, twin.held, twin.is_live, twin.body_is_editable = 0, None, False, True
    twin.metadata = dict(record.metadata)
    if isinstance(record, HttpFlow):
        twin.request, twin.original, twin.is_modified = record.request.copy(), None, False
        twin.response = record.response.copy() if record.response is not None else None
    else:
        twin.messages = list(record.messages)
    return twin
