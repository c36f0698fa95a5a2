"""The commands together, and what becomes of errors: 0 done, 2 the user's fault, 1 a bug."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from intarsia import __version__
from intarsia.core.errors import IntarsiaError

from . import check, compare, doctor, export, plugins, prepare, run, show, simulate, transfer
from .interrupt import never_lost, sigterm_interrupts
from .terminal import complain, say

INTERRUPTED, CLOSED = 130, 141  # by Ctrl-C; output that nobody reads on: as shells report them

# Every usage error of click, which typer carries inside itself since 0.26.
_UsageError: Any = typer.BadParameter.__mro__[2]


def _version(asked: bool) -> None:
    if asked:
        say(f"intarsia {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the whole traceback of an error.")
    ] = False,
) -> None:
    """One encoder for many particle detectors, pre-trained once and used everywhere."""


def _app() -> typer.Typer:
    app = typer.Typer(
        name="intarsia",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_options)
    commands: tuple[tuple[Callable[..., Any], str], ...] = (
        (run.run, "intarsia run fasercal_mae_rel --scale demo --out runs/first"),
        (check.check, "intarsia check my_recipe.yaml model.dim=192"),
        (simulate.simulate, "intarsia simulate fasercal -n 1000 -o events.h5 --seed 1"),
        (prepare.prepare, "intarsia prepare fasercal data/ -o events.h5 --skip-broken"),
        (export.export, "intarsia export events.h5 -o events.parquet"),
        (show.show, "intarsia show events.h5 -n 3 -o event.png"),
        (compare.compare, "intarsia compare fasercal superfgd"),
        (transfer.transfer, "intarsia transfer best.safetensors superfgd -o start.safetensors"),
        (plugins.plugins, "intarsia plugins --plugin mydet.py"),
        (doctor.doctor, "intarsia doctor"),
    )
    for function, example in commands:
        app.command(epilog=f"Example: {example}")(function)
    return app


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code."""
    words = list(sys.argv[1:] if args is None else args) or ["--help"]
    debug = "--debug" in words
    words = [w for w in words if w != "--debug"]
    try:
        command = typer.main.get_command(_app())
        with sigterm_interrupts(), never_lost():
            code = int(command.main(words, prog_name="intarsia", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except (BrokenPipeError, SystemExit):  # rich leaves by SystemExit when a pipe is closed
        code = CLOSED
    # The top of the program: whatever happened, the user reads a sentence, not a traceback.
    except Exception as error:  # noqa: BLE001
        if debug:
            complain("".join(traceback.format_exception(error)).rstrip())
        code, message = _explained(error)
        complain(message)
    if code == INTERRUPTED:
        complain("interrupted")
    return code


def _explained(error: Exception) -> tuple[int, str]:
    """Exit code and message for the user."""
    if isinstance(error, IntarsiaError):
        return 2, str(error)
    if isinstance(error, _UsageError):
        path = error.ctx.command_path if error.ctx else "intarsia"
        said = error.format_message().rstrip(".")
        return 2, f"{path}: {said} (see '{path} --help')"
    if isinstance(error, OSError) and error.errno:  # a folder that is not there, a full disk, ...
        return 2, f"{error.filename}: {error.strerror}" if error.filename else str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}, at {Path(last.filename).name}:{last.lineno}"
    return 1, f"this is a bug in intarsia ({what}); run again with --debug and report what it says"
