"""Progress on a terminal."""

from __future__ import annotations

import os
from contextlib import redirect_stderr, redirect_stdout

import pytest
import typer

from service.progress import progress


@pytest.mark.parametrize("err", [True, False])
def test_progress_puts_lines_above_the_bar(monkeypatch: pytest.MonkeyPatch, *, err: bool) -> None:
    """What is told while a bar is shown stands on a line of its own, never behind the bar's text."""
    monkeypatch.setenv("TERM", "xterm")
    person, program = os.openpty()
    os.set_blocking(person, False)
    with os.fdopen(program, "w", encoding="utf-8") as stream, redirect_stdout(stream), redirect_stderr(stream):
        with progress("Publishing", unit="labels") as bar:
            bar.advance(400)
            typer.echo("line 7: no label", err=err)
        shown = os.read(person, 1 << 16).decode()
    os.close(person)
    assert "\x1b[2Kline 7: no label\r\n" in shown
