"""A user's folder, worked on through the installed command only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

TIDEMILL = Path(sys.executable).parent / "tidemill"
COMMAND_TIMEOUT_S = 120
READY_TIMEOUT_S = 60


class Project:
    """A folder with a service file; commands run in it as a user would run them."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, with packages in it that carry the names of ours and must not be taken for them."""
        self.folder = folder
        for name in ("models", "features"):
            package = folder / name
            package.mkdir(parents=True)
            (package / "__init__.py").write_text("raise RuntimeError('the wrong package was imported')\n")
        self.told = ""  # what the last command said on standard error
        self._publisher: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        """Return the service file."""
        return self.folder / "tidemill.yaml"

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Run a command to its end and return its standard output; its exit code must be ``expect``."""
        done = subprocess.run(
            [TIDEMILL, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == expect, (
            f"tidemill {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        self.told = done.stderr
        return done.stdout

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Change the service file: nested mappings are merged, other values replaced."""
        document = yaml.safe_load(self.config.read_text())
        _merge(document, changes)
        self.config.write_text(yaml.safe_dump(document, sort_keys=False))

    @contextmanager
    def publishing(self, events: Path, *options: str) -> Iterator[None]:
        """Publish a file while the block runs; ``wait_until_published`` waits for its end."""
        self._publisher = subprocess.Popen([TIDEMILL, "publish", str(events), *options], cwd=self.folder)
        try:
            yield
        finally:
            self._publisher.kill()
            self._publisher.wait()

    def wait_until_published(self) -> None:
        """Wait for the end of ``publishing``, which must be a good one."""
        assert self._publisher is not None
        assert self._publisher.wait(COMMAND_TIMEOUT_S) == 0

    def start_scoring(self, slot: str) -> ServiceProcess:
        """Start a scoring process with its log in a file."""
        return ServiceProcess(self.folder, f"score-{slot}", ["score", "--slot", slot, "--admin-port", "0"])

    def start_buffering(self, name: str, **environment: str) -> ServiceProcess:
        """Start a buffering process with its log in a file; ``environment`` is for it alone."""
        return ServiceProcess(self.folder, f"buffer-{name}", ["buffer", "run", "--admin-port", "0"], **environment)

    def tracked_files(self) -> dict[str, bytes]:
        """Return the files of the foreign packages, to see that nothing was written among them."""
        found = [p for name in ("models", "features") for p in (self.folder / name).rglob("*") if p.is_file()]
        return {str(p.relative_to(self.folder)): p.read_bytes() for p in found}


class ServiceProcess:
    """One process of a service; killed and started again by its handle."""

    def __init__(self, folder: Path, name: str, arguments: Sequence[str], **environment: str) -> None:
        """Start it."""
        self._folder = folder
        self._arguments = arguments
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.environment = dict(environment)
        self.start()

    def start(self) -> None:
        """Start the process (again)."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [TIDEMILL, *self._arguments],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                env={**os.environ, "TIDEMILL_LOGS__FORMAT": "json", **self.environment},
            )

    @property
    def is_running(self) -> bool:
        """Return whether it has been started and has not ended (a paused one runs)."""
        return self._process is not None and self._process.poll() is None

    def pause(self) -> None:
        """Freeze it: its connections stay open and it does nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on."""
        self._signal(signal.SIGCONT)

    def wait(self) -> int:
        """Wait until it ends by itself; return its exit code."""
        assert self._process is not None
        return self._process.wait(COMMAND_TIMEOUT_S)

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        return self._end(signal.SIGTERM)

    @property
    def log(self) -> str:
        """Return everything it has logged over all its lives."""
        return self._log.read_text()

    def wait_for_log(self, text: str, *, count: int = 1) -> None:
        """Wait until the log holds a text this often."""
        wait_until(lambda: self.log.count(text) >= count, what=f"{text!r} in {self._log}:\n{self.log[-2000:]}")

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(COMMAND_TIMEOUT_S)


@contextmanager
def ended(*processes: ServiceProcess) -> Iterator[None]:
    """End the processes after the block, whatever happens in it."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def wait_until(holds: Any, *, what: str, timeout: float = READY_TIMEOUT_S) -> None:
    """Wait for a condition; say what did not come true."""
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.1)


def _merge(document: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(document.get(key), dict):
            _merge(document[key], value)
        else:
            document[key] = value
