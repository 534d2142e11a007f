"""Several parts of a service under one process: started together, named in the logs, ended together.

Each part is a process of its own, so that none slows another. Nothing is started again here: that is for whoever runs
this process, who sees it end with the code of the part that ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, BinaryIO, Final

import structlog

from service.signals import ending_signals

GLANCE_S: Final = 0.1  # how soon the end of a part is noticed
STOP_TIMEOUT_S: Final = 60.0  # then a part is killed, which loses nothing: correctness never needs a clean exit
PUMP_TIMEOUT_S: Final = 5.0  # how long the last lines of a part that has ended may take
_PR_SET_PDEATHSIG: Final = 1  # <sys/prctl.h>
_prctl: Final[Callable[..., int] | None] = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only


@dataclass(frozen=True, slots=True)
class Part:
    """One process: its name in the logs, and the command."""

    name: str
    command: Sequence[str]


def tidemill(*arguments: str) -> list[str]:
    """Return the command line of a ``tidemill`` command; the working folder never comes before our packages."""
    return [sys.executable, "-P", "-m", "service", *arguments]


class Supervisor:
    """Runs parts until one ends or a signal comes, then ends the others."""

    def __init__(self, parts: Sequence[Part], *, environment: Mapping[str, str] | None = None) -> None:
        """Start nothing yet; ``environment`` is added to this process's own."""
        self._parts = parts
        self._environment = {**os.environ, **(environment or {})}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._is_stopping = False
        self._log = structlog.stdlib.get_logger("tidemill")

    def run(self) -> int:
        """Return the exit code: of the part that ended first, or, when asked to stop, of the first that failed.

        SIGTERM and SIGINT are passed on as SIGTERM, each time they come: a second one ends the parts at once.
        """
        with ending_signals(self._forward_signal):
            pumps: list[threading.Thread] = []
            try:
                self._start()
                pumps = list(self._pumps())
                first = self._wait_for_an_end()
            finally:
                self._stop()
                for pump in pumps:
                    pump.join(PUMP_TIMEOUT_S)
        codes = {name: _exit_code(process.returncode) for name, process in self._running.items()}
        return codes[first] if first is not None else next((code for code in codes.values() if code), 0)

    def _start(self) -> None:
        # All before the first thread is made: from then on no code of ours may run between fork and exec.
        for part in self._parts:
            if not self._is_stopping:
                self._running[part.name] = subprocess.Popen(
                    part.command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=self._environment,
                    process_group=0,  # or Ctrl-C would reach it twice, which means 'at once'
                    preexec_fn=_end_with_parent,  # noqa: PLW1509 - there is one thread
                )
                self._log.info("Part started", part=part.name, pid=self._running[part.name].pid)
                self._catch_up(part.name)

    def _catch_up(self, name: str) -> None:
        """Pass on a signal that came while a part was being started, when nobody knew its process yet."""
        if self._is_stopping:
            self._running[name].terminate()

    def _pumps(self) -> Iterator[threading.Thread]:
        out, err = threading.Lock(), threading.Lock()
        for name, process in self._running.items():
            for pipe, target, lock in ((process.stdout, sys.stdout, out), (process.stderr, sys.stderr, err)):
                if pipe is not None:
                    thread = threading.Thread(target=pump, args=(pipe, target.buffer, name, lock), daemon=True)
                    thread.start()
                    yield thread

    def _wait_for_an_end(self) -> str | None:
        """Return the name of the part that ended by itself, None when asked to stop."""
        while not self._is_stopping:
            for name, process in self._running.items():
                if process.poll() is not None and not self._is_stopping:
                    code = _exit_code(process.returncode)
                    self._log.error("A part ended, so the others are stopped", part=name, exit_code=code)
                    return name
            time.sleep(GLANCE_S)
        return None

    def _stop(self) -> None:
        """Ask what still runs to end, and see that it does."""
        if not self._is_stopping:
            self._is_stopping = True
            self._terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while (still := self._still_running()) and time.monotonic() < deadline:
            time.sleep(GLANCE_S)
        for name in still:
            self._log.error("A part did not stop in time and is killed", part=name)
            self._running[name].kill()
            self._running[name].wait()

    def _still_running(self) -> list[str]:
        return [name for name, process in self._running.items() if process.poll() is None]

    def _terminate(self) -> None:
        for process in self._running.values():
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.terminate()

    def _forward_signal(self) -> None:
        self._is_stopping = True
        self._terminate()


def pump(pipe: IO[bytes], target: BinaryIO, name: str, lock: threading.Lock) -> None:
    """Write each line of a part where it belongs, with the part's name, until the pipe ends."""
    with pipe:
        for line in pipe:
            with lock, suppress(OSError, ValueError):  # nobody reads ours any more: the part must not stop for that
                target.write(named(line, name))
                target.flush()


def named(line: bytes, name: str) -> bytes:
    r"""Return a line with the name of its part, as a field of a JSON object, else before it; it ends in any case.

    >>> named(b'{"event": "x"}', "score"), named(b"text", "score")
    (b'{"part": "score", "event": "x"}\n', b'score  | text\n')
    """
    line = line if line.endswith(b"\n") else line + b"\n"  # a last one may not, and another part's would go on in it
    if line.startswith(b'{"') and line.rstrip().endswith(b"}"):
        return b'{"part": "%s", %s' % (name.encode(), line[1:])
    return b"%-6s | %s" % (name.encode(), line)


def _exit_code(returncode: int) -> int:
    """Return what the end of a part counts as; ended by a SIGTERM before it could listen is a good end."""
    if returncode == -signal.SIGTERM:
        return 0
    return returncode if returncode >= 0 else 128 - returncode


def _end_with_parent() -> None:
    """Have the kernel end this process when its parent is killed."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
