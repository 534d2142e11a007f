"""One Apache Kafka broker as a process: started, paused, killed and restarted by its handle, never by its name."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
from pathlib import Path

from tests.support.java import java_command
from tests.support.kafka_jars import kafka_jars

# Below the ports that kernels lend to clients: a stopped broker finds its own free when it comes back.
PORTS = range(20_000, 32_000)
STOP_TIMEOUT_S = 20.0
LOG_TAIL_LINES = 40
JVM = [
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # a broker lives for a minute: the slow compiler never earns back what it costs
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
]


class BrokerFailed(RuntimeError):
    """A broker did not start, or ended by itself; the message carries the end of its log."""


def free_port() -> int:
    """Return a port nobody listens on at this moment, chosen by chance so that two test runs rarely choose alike."""
    for _ in range(1000):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"no free port between {PORTS.start} and {PORTS.stop}")


class KafkaBroker:
    """One node of the cluster, with its own folder of settings, data and log.

    The JVM runs in a session of its own, so that Ctrl-C reaches the tests and not the broker. A guard beside it ends
    the JVM when this process disappears without closing anything (SIGKILL): no broker outlives its tests.
    """

    def __init__(self, node_id: int, directory: Path, *, settings: dict[str, str], port: int) -> None:
        self.node_id = node_id
        self.port = port
        self._directory = directory
        self._settings_file = directory / "server.properties"
        self._log_file = directory / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True)
        self._settings_file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    def format(self, cluster_id: str, extra: list[str]) -> subprocess.Popen[bytes]:
        """Start writing the first metadata into the data folder; the caller waits for the returned process."""
        arguments = ["format", f"--cluster-id={cluster_id}", "-c", str(self._settings_file), *extra]
        with self._log_file.open("ab") as log:
            return subprocess.Popen(self._java("kafka.tools.StorageTool", *arguments), stdout=log, stderr=log)

    def start(self) -> None:
        """Start the JVM and return at once; whether it is ready is for the cluster to find out."""
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._settings_file)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._guard = subprocess.Popen(
            ["sh", "-c", 'read -r _ || kill -9 "$1"', "guard", str(self._process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def was_ended(self) -> bool:
        """Whether the broker is down because we stopped or killed it, or never started it."""
        return self._process is None

    @property
    def is_running(self) -> bool:
        """Whether the JVM was started and has not ended (a paused one runs)."""
        return self._process is not None and self._process.poll() is None

    def takes_connections(self) -> bool:
        """Whether somebody listens on the clients' port; a broker does so only once it is in the cluster."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """End the broker cleanly (SIGTERM); after STOP_TIMEOUT_S, by force."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the broker at once (SIGKILL); what it had not written is gone."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the JVM (SIGSTOP): connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen JVM go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def log_tail(self) -> str:
        """Return the last lines of the broker's log."""
        lines = self._log_file.read_text(errors="replace").splitlines() if self._log_file.exists() else []
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        return [str(java_command()), *JVM, "-cp", f"{kafka_jars()}/*", main_class, *arguments]

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            raise BrokerFailed(f"broker {self.node_id} is not running. Its log ends with:\n{self.log_tail()}")
        os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.kill(self._process.pid, number)
            os.kill(self._process.pid, signal.SIGCONT)  # a paused process hears SIGTERM only when it goes on
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._guard is not None:
            self._guard.communicate(b"done\n")
        self._process = self._guard = None
