"""The collector walks over everything after so many connections, and seldom."""

from __future__ import annotations

from collections.abc import Callable

from interceptor.garbage import FLOWS_PER_CONNECTION, LEAST, REST, Garbage


class World:
    def __init__(self, flows: int) -> None:
        self.now, self.walks, self.flows = 1000.0, 0, flows
        self.due: list[Callable[[], None]] = []
        self.garbage = Garbage(self.due.append, lambda: self.flows, self._collect, lambda: self.now)

    def _collect(self) -> None:
        self.walks += 1
        self.now += 0.1

    def end(self, connections: int) -> None:
        for _ in range(connections):
            self.garbage.connection_ended()
        while self.due:
            self.due.pop()()


def test_after_a_thousand_connections() -> None:
    world = World(flows=10)
    world.end(LEAST - 1)
    assert world.walks == 0
    world.end(1)
    assert world.walks == 1


def test_after_more_where_there_is_more_to_walk_over() -> None:
    world = World(flows=LEAST * FLOWS_PER_CONNECTION * 2)
    world.end(LEAST * 2 - 1)
    assert world.walks == 0
    world.end(1)
    assert world.walks == 1


def test_no_more_than_a_hundredth_of_the_time() -> None:
    world = World(flows=0)
    world.end(LEAST * 5)
    assert world.walks == 1
    world.now += REST * 0.1 - 0.01
    world.end(LEAST)
    assert world.walks == 1
    world.now += 0.02
    world.end(1)
    assert world.walks == 2
