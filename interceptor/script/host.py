"""What facades want from the program around them. `addons.scripts` has it; records that stand alone have none."""

from __future__ import annotations

from typing import Protocol

from interceptor.model.flow import Flow


class Host(Protocol):
    def changed(self, flow: Flow) -> None:
        """The script has changed something of this flow: the session is to know. Any thread."""
        ...

    def hold(self, flow: Flow) -> None:
        """At the next point at which a person may look at it, whatever the filter says."""
        ...

    def resume(self, flow: Flow) -> None: ...

    def kill(self, flow: Flow) -> None:
        """On the wire, now."""
        ...


class Alone:
    """For a flow that a script has made: nobody else knows it, and it is not on the wire."""

    def changed(self, flow: Flow) -> None:
        pass

    def hold(self, flow: Flow) -> None:
        pass

    def resume(self, flow: Flow) -> None:
        pass

    def kill(self, flow: Flow) -> None:
        pass
