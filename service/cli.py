"""The command line: one application, every error one line on stderr, every outcome an exit code.

Slow imports (scikit-learn, NumPy, the Kafka client) happen inside commands, so that help answers at once.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer

from service import cli_buffer, cli_dead_letters, cli_demo, cli_models, cli_project, cli_run, cli_score, cli_stream
from service.cli_context import DEFAULT_FILE, Invocation, load
from service.exits import DONE, INTERRUPTED, exit_code, one_line

__all__ = ["app", "load", "main", "run"]

_WITH_VALUE: Final = ("-c", "--config")
_FLAGS: Final = ("--debug",)

app = typer.Typer(
    name="tidemill",
    help="Score streams of events from Apache Kafka, exactly once, and swap the model with nothing lost.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:  # noqa: FBT001 - the shape of an option's callback
    if value:
        typer.echo(f"tidemill {version('tidemill')}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    config: Annotated[Path, typer.Option("--config", "-c", envvar="TIDEMILL_CONFIG", help="The service file.")] = Path(
        DEFAULT_FILE
    ),
    _debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: FBT002 - a flag
    _version: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = Invocation(config)


for module in (cli_demo, cli_project, cli_models, cli_run, cli_score, cli_stream, cli_dead_letters, cli_buffer):
    module.register(app)


def main() -> None:
    """Run the command of this process and end it with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are told on stderr and never raised."""
    given = shared_options_first(arguments)
    try:
        result = app(args=given, prog_name="tidemill", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except typer.TyperException as error:
        return _wrong_usage(error)
    except Exception as error:
        if "--debug" in given:
            traceback.print_exc()
        typer.echo(f"error: {one_line(error)}", err=True)
        return exit_code(error)
    return result if isinstance(result, int) else DONE


def shared_options_first(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with ``-c FILE`` and ``--debug`` moved before the command, so that both places work.

    Nothing after ``--`` is touched.

    >>> shared_options_first(["train", "--data", "x.csv", "-c", "a.yaml"])
    ['-c', 'a.yaml', 'train', '--data', 'x.csv']
    """
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    first: list[str] = []
    rest: list[str] = []
    before = iter(arguments[:end])
    for argument in before:
        if argument in _WITH_VALUE:
            first += [argument, *(value for value in [next(before, None)] if value is not None)]
        elif argument in _FLAGS or argument.startswith("--config="):
            first.append(argument)
        else:
            rest.append(argument)
    return [*first, *rest, *arguments[end:]]


def _wrong_usage(error: typer.TyperException) -> int:
    """Tell a wrong use in one line; help that stands in for an error is shown as help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message())
        return DONE
    command = getattr(getattr(error, "ctx", None), "command_path", "tidemill")
    message = " ".join(error.format_message().split()).replace("Value error, ", "").rstrip(".")
    typer.echo(f"error: {message}; see '{command} --help'", err=True)
    return error.exit_code
