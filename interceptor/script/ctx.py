"""The program, for scripts: `ctx.options`, `ctx.log`, `ctx.master`.

The one place in the program that is global, because that is what scripts expect. It is filled in as long as there are scripts.
"""

from __future__ import annotations

from interceptor.options import Options
from interceptor.script.log import Log
from interceptor.script.master import Master

options: Options
log: Log
master: Master


def bind(new_master: Master, new_log: Log) -> None:
    """From here on scripts may use it."""
    global options, log, master
    options, log, master = new_master.options, new_log, new_master
