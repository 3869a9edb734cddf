"""The program's entry: argv, configuration file and environment become `Options`, then the console, dump or another verb runs.

    defaults ◂ config.yaml ◂ INTERCEPTOR_CONFDIR (the folder only) ◂ flags and --set          the later one counts

Whatever a person did wrong ends as one sentence on standard error and exit status 1; a traceback is a defect of ours. Ctrl-C and
a reader of our output that went away are ordinary ends. `--help` and `--version` answer without importing the program.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from interceptor.arguments import HELP, Invocation, parse
from interceptor.options import Options
from interceptor.specs.errors import UserError

_FILTER_OF_DUMP = ("dumper_filter", "save_stream_filter", "readfile_filter")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status."""
    try:
        status = _run(parse(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return status
    except UserError as error:
        return _fail(error)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        _forget_output()
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(UserError(f"{where}{error.strerror or error}"))


def _run(invocation: Invocation) -> int:
    match invocation.show:
        case "help":
            sys.stdout.write(HELP)
            return 0
        case "version":
            from interceptor.versions import version_text

            sys.stdout.write(version_text())
            return 0
    options = options_for(invocation)
    if invocation.show == "options":
        from interceptor.config import options_as_yaml

        sys.stdout.write(options_as_yaml(options))
        return 0
    if invocation.show == "commands":
        return _show_commands(options)
    match invocation.verb:
        case "ca":
            from interceptor.ca_verb import run_ca

            return run_ca(options, invocation.words, sys.stdout, is_forced=invocation.is_forced)
        case "run":
            from interceptor.runs import run_program

            return run_program(
                options,
                invocation.words,
                is_headless=invocation.is_headless,
                is_enclosed=not invocation.is_by_variables,
                as_json=invocation.is_json,
            )
        case "browser":
            from interceptor.runs import run_browser

            return run_browser(options, invocation.words, is_headless=invocation.is_headless, as_json=invocation.is_json)
        case "setup":
            from interceptor.setup_verb import run_setup

            return run_setup(options, invocation.words, sys.stdout, invocation.deed)
        case "convert" | "export" | "show":
            return _run_file_verb(invocation, options)
        case "sessions":
            from interceptor.sessions_verb import run_sessions

            return run_sessions(options, invocation.words, sys.stdout)
        case "dump":
            from interceptor.runs import run_dump

            return run_dump(options, as_json=invocation.is_json, quiet=invocation.is_quiet)
        case _:
            from interceptor.runs import run_console

            return run_console(options)


def _run_file_verb(invocation: Invocation, options: Options) -> int:
    from interceptor import file_verbs

    words, expression, is_quiet = invocation.words, invocation.filter, invocation.is_quiet
    match invocation.verb:
        case "convert":
            key_log = options.tls_keylog_file or os.environ.get("SSLKEYLOGFILE")
            return file_verbs.run_convert(words, expression, invocation.to, is_quiet=is_quiet, key_log=key_log)
        case "export":
            return file_verbs.run_export(options, words, expression, is_quiet=is_quiet)
        case _:
            cuts, as_json = invocation.cut, invocation.is_json
            return file_verbs.run_show(options, words, expression, cuts, as_json=as_json, is_quiet=is_quiet)


def options_for(invocation: Invocation) -> Options:
    """Every source of options, in order."""
    options = Options()
    chosen = [setting for setting in invocation.settings if setting.partition("=")[0].strip() == "confdir"]
    if folder := os.environ.get("INTERCEPTOR_CONFDIR"):
        options.confdir = folder
    options.set_from_arguments(*chosen)
    if invocation.has_set("scripts"):
        options.expect_more()  # of those that the scripts bring
    if not options.confdir:
        raise UserError("confdir is empty: it must name a folder")
    if _has_config(options.confdir):
        from interceptor.config import load_config

        options.update(**load_config(options.confdir_path, options))
    settings = list(invocation.settings)
    if invocation.is_quiet:
        settings[:0] = ["flow_detail=0", "termlog_verbosity=error"]
    if invocation.verb in ("run", "browser"):
        settings[:0] = ["listen_port=0"]  # nobody has to know it
    if invocation.verb == "dump" and invocation.words:
        text = " ".join(invocation.words)
        settings[:0] = [f"{name}={text}" for name in _FILTER_OF_DUMP]
    options.set_from_arguments(*settings)
    return options


def _has_config(confdir: str) -> bool:
    """Whether there is a file to read; asked first so that nothing else is imported where there is none."""
    folder = os.path.expanduser(confdir)
    return any(os.path.exists(os.path.join(folder, name)) for name in ("config.yaml", "config.yml"))


def _show_commands(options: Options) -> int:
    from interceptor.runs import all_commands

    commands = all_commands(options)
    for name in commands.names():
        sys.stdout.write(f"{commands.signature(name)}\n    {commands.help(name)}\n")
    return 0


def _fail(error: UserError) -> int:
    text = getattr(error, "text", "")
    sys.stderr.write(f"interceptor: {error.message}\n")
    if text and error.position is not None and "\n" not in text and text.isprintable():
        sys.stderr.write(f"  {text}\n  {' ' * error.position}^\n")
    return 1


def _forget_output() -> None:
    """Standard output has no reader any more: what is still buffered must not be written at exit, where it would be an error."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # not a file: nothing is written at exit
    empty = os.open(os.devnull, os.O_WRONLY)
    os.dup2(empty, descriptor)
    os.close(empty)
