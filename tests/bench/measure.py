"""How a thing is measured: often enough to matter, several times, and the best of them counts, because noise only adds."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

Prepare = Callable[[], Callable[[], object]]


@dataclass(frozen=True)
class Benchmark:
    """`prepare` makes what is called over and over. `amount` is how many bytes one call works on, if that is of interest."""

    name: str
    prepare: Prepare
    amount: int = 0


def microseconds(benchmark: Benchmark, seconds: float = 0.3, rounds: int = 5) -> float:
    """Of one call."""
    call = benchmark.prepare()
    call()
    count, spent = 1, 0.0
    while spent < seconds / 20:
        count *= 2
        spent = _time(call, count)
    count = max(int(count * seconds / rounds / max(spent, 1e-9)), 1)
    gc.collect()
    gc.disable()
    try:
        return min(_time(call, count) for _ in range(rounds)) / count * 1e6
    finally:
        gc.enable()


def _time(call: Callable[[], object], count: int) -> float:
    start = perf_counter()
    for _ in range(count):
        call()
    return perf_counter() - start


def report(benchmark: Benchmark, cost: float) -> str:
    rate = f"{benchmark.amount / cost:10,.0f} MB/s" if benchmark.amount else f"{1e6 / cost:10,.0f} /s"
    return f"{benchmark.name:<52} {cost:10.2f} µs {rate}"
