"""`make bench`: what our own steps cost, in this run on this machine. ARGS=word measures only those whose name has the word.

Figures to compare with each other and from change to change. The whole program against others is measured with sockets.
"""

from __future__ import annotations

import sys

from tests.bench import bench_heads, bench_rules, bench_session, bench_tls, bench_turns
from tests.bench.measure import microseconds, report


def main(words: list[str]) -> int:
    modules = (bench_heads, bench_turns, bench_tls, bench_rules, bench_session)
    benchmarks = [each for module in modules for each in module.BENCHMARKS]
    chosen = [each for each in benchmarks if all(word in each.name for word in words)]
    for benchmark in chosen:
        print(report(benchmark, microseconds(benchmark)), flush=True)
    return 0 if chosen else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
