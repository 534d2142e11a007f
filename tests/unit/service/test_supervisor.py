from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service import supervisor
from service.supervisor import Part, Supervisor, named

PATIENCE_S = 30.0
HOST = """
import sys
from service.logs import LogFormat, configure_logs
from service.supervisor import Part, Supervisor
configure_logs(LogFormat.CONSOLE)
parts = [Part(name, [sys.executable, "-c", code]) for name, code in zip(sys.argv[1::2], sys.argv[2::2])]
sys.exit(Supervisor(parts).run())
"""
OBEDIENT = (
    "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('up', flush=True); signal.pause()"
)
STUBBORN = """
import os, signal
told = []
signal.signal(signal.SIGTERM, lambda *_: os._exit(7) if told else told.append(print('once', flush=True)))
print('up', flush=True)
while True: signal.pause()
"""


class Host:
    """A supervisor in a process of its own, with its output in a file."""

    def __init__(self, log: Path, **parts: str) -> None:
        """Start it with parts that run these lines of Python."""
        self.log = log
        arguments = [word for part in parts.items() for word in part]
        with log.open("wb") as out:
            self.process = subprocess.Popen([sys.executable, "-c", HOST, *arguments], stdout=out, stderr=out)

    def wait_for(self, text: str, *, count: int = 1) -> None:
        """Wait until its output holds a text this often."""
        wait_until(lambda: self.log.read_text().count(text) >= count)

    def end(self, number: signal.Signals) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def pids(self) -> list[int]:
        """Return the processes of the parts."""
        started = (line for line in self.log.read_text().splitlines() if "Part started" in line)
        return [int(line.partition("pid=")[2].split()[0]) for line in started]


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Return whether there is such a process, and it is no zombie."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_all_parts_and_that_is_a_good_end(tmp_path: Path, number: signal.Signals) -> None:
    """A stop that was asked for is no failure."""
    host = Host(tmp_path / "log", score=OBEDIENT, buffer=OBEDIENT)
    host.wait_for("| up", count=2)
    assert host.end(number) == 0
    assert not any(map(is_alive, host.pids()))


@pytest.mark.parametrize(("end", "code"), [("import sys; sys.exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_part_that_ends_takes_the_others_with_it_and_gives_the_exit_code(tmp_path: Path, end: str, code: int) -> None:
    """Whoever runs it learns what went wrong; nobody is left behind."""
    host = Host(tmp_path / "log", score=OBEDIENT, buffer=end)
    assert host.process.wait(PATIENCE_S) == code
    assert "A part ended" in host.log.read_text()
    assert not any(map(is_alive, host.pids()))


def test_second_signal_is_passed_on_too(tmp_path: Path) -> None:
    """Who asks twice means at once; the code is of the part that did not end well."""
    host = Host(tmp_path / "log", score=STUBBORN, buffer=OBEDIENT)
    host.wait_for("| up", count=2)
    host.process.send_signal(signal.SIGINT)
    host.wait_for("once")
    assert host.end(signal.SIGINT) == 7


def test_signal_while_a_part_is_being_started_reaches_that_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows the process yet when the signal comes; it must not have to be killed after a minute."""

    class Popen(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 5.0)
    assert Supervisor([Part("score", [sys.executable, "-c", OBEDIENT])]).run() == 0


def test_only_a_part_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the line names it alone: whoever reads it looks for what hung."""
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 0.5)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    ends_after = "import sys, time; time.sleep(2); sys.exit(3)"
    parts = [Part(name, [sys.executable, "-c", code]) for name, code in (("deaf", deaf), ("ends", ends_after))]
    with capture_logs() as logs:
        assert Supervisor(parts).run() == 3
    assert [line["part"] for line in logs if "killed" in line["event"]] == ["deaf"]


@pytest.mark.skipif(sys.platform != "linux", reason="only this kernel tells a process of its parent's death")
def test_parts_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """Or they would hold ports and partitions with nobody to stop them."""
    host = Host(tmp_path / "log", score=OBEDIENT, buffer=OBEDIENT)
    host.wait_for("| up", count=2)
    assert host.end(signal.SIGKILL) == -9
    wait_until(lambda: not any(map(is_alive, host.pids())))


def test_lines_name_their_part() -> None:
    """As a field where a line is an object, so that it stays one; a last line without an end swallows no other."""
    line = b'{"event": "x", "n": 1}\n'
    assert json.loads(named(line, "buffer")) == {"part": "buffer", "event": "x", "n": 1}
    assert named(b"Traceback\n", "score") == b"score  | Traceback\n"
    assert named(b"{not json", "score") == b"score  | {not json\n"


def test_line_of_a_part_reaches_the_stream_it_was_meant_for(tmp_path: Path) -> None:
    """What a program reads from standard output is not mixed with logs."""
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", HOST, "score", code], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"score  | out" + os.linesep.encode())
    assert b"score  | err" in done.stderr
