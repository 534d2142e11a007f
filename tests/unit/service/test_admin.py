from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge

from service import admin
from service.admin import AdminServer
from service.errors import ServiceError
from service.health import ALIVE, Reason, Verdict

WAITING = Verdict(ok=False, reason=Reason.NO_CHAMPION, detail="there is no champion model yet")


class FakeProbes:
    """Alive; ready when told."""

    def __init__(self) -> None:
        self.answer: Verdict | Exception = ALIVE

    def live(self) -> Verdict:
        """Return alive."""
        return ALIVE

    def ready(self) -> Verdict:
        """Return what was set, or raise it."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def probes() -> FakeProbes:
    """Return probes that are all well."""
    return FakeProbes()


@pytest.fixture
def server(probes: FakeProbes) -> Iterator[AdminServer]:
    """Return a started server on a free port with one metric."""
    registry = CollectorRegistry()
    Gauge("tidemill_up_to_date", "All read.", registry=registry).set(1)
    running = AdminServer("127.0.0.1", 0, probes=probes, registry=registry)
    running.start()
    yield running
    running.stop()


def ask(server: AdminServer, path: str, method: str = "GET") -> tuple[int, Any]:
    """Return status and body of one request; JSON is decoded."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path)
    response = connection.getresponse()
    body: Any = response.read()
    if body and response.headers["Content-Type"] == "application/json":
        body = json.loads(body)
    connection.close()
    return response.status, body


def test_admin_answers_probes_with_the_reason(server: AdminServer, probes: FakeProbes) -> None:
    """Alive and not ready at once, and why."""
    probes.answer = WAITING
    live, ready = ask(server, "/livez"), ask(server, "/readyz")
    assert (live[0], live[1]["status"], ready) == (
        200,
        "ok",
        (503, {"status": "failing", "reason": "no_champion", "detail": "there is no champion model yet"}),
    )


def test_admin_shows_metrics(server: AdminServer) -> None:
    """Prometheus gets its text format."""
    status, body = ask(server, "/metrics?name=all")
    assert (status, b"\ntidemill_up_to_date 1.0\n" in body) == (200, True)


def test_admin_lists_its_paths(server: AdminServer) -> None:
    """Somebody who finds the port finds the rest."""
    assert ask(server, "/") == (200, {"paths": ["/livez", "/readyz", "/metrics"]})


@pytest.mark.parametrize(("path", "method", "status"), [("/nothing", "GET", 404), ("/livez", "POST", 501)])
def test_admin_refuses_what_it_does_not_serve(server: AdminServer, path: str, method: str, status: int) -> None:
    """Other paths and methods get a short answer in JSON."""
    answer = ask(server, path, method)
    assert (answer[0], next(iter(answer[1]))) == (status, "error")


def test_admin_answers_head_without_a_body(server: AdminServer, probes: FakeProbes) -> None:
    """Load balancers ask with HEAD."""
    probes.answer = WAITING
    assert [ask(server, path, "HEAD") for path in ("/livez", "/readyz")] == [(200, b""), (503, b"")]


def test_admin_says_when_a_probe_itself_fails(server: AdminServer, probes: FakeProbes) -> None:
    """A fault in the judgement is an answer too, not a closed connection."""
    probes.answer = RuntimeError("no clock")
    assert ask(server, "/readyz") == (500, {"error": "RuntimeError: no clock"})


def send(server: AdminServer, data: bytes) -> bytes:
    """Send raw bytes and return everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        try:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(4096), b""))
        except (ConnectionResetError, BrokenPipeError):
            return b""


def test_admin_closes_on_a_head_without_end(server: AdminServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a huge nor a slow request holds a thread; the next one is answered."""
    monkeypatch.setattr(admin, "REQUEST_LIMIT_S", 0.2)
    huge = send(server, b"GET / HTTP/1.1\r\n" + b"a" * 100_000)
    slow = send(server, b"GET / HT")
    monkeypatch.undo()
    assert (huge, slow, ask(server, "/livez")[0]) == (b"", b"", 200)


def test_admin_closes_connections_above_its_limit(server: AdminServer) -> None:
    """A flood of idle connections costs a bounded number of threads."""
    address = ("127.0.0.1", server.port)
    idle = [socket.create_connection(address, timeout=30) for _ in range(admin.MAX_CONNECTIONS)]
    refused = send(server, b"GET /livez HTTP/1.0\r\n\r\n")
    for connection in idle:
        connection.close()
    assert refused == b""


def test_admin_leaves_no_thread_behind(probes: FakeProbes) -> None:
    """Stopping ends every thread and frees the port, and may be done twice."""
    server = AdminServer("127.0.0.1", 0, probes=probes, registry=CollectorRegistry())
    server.start()
    ask(server, "/livez")
    port = server.port
    server.stop()
    server.stop()
    AdminServer("127.0.0.1", port, probes=probes, registry=CollectorRegistry()).stop()
    assert [t.name for t in threading.enumerate() if t.name.startswith(("admin", "Thread-"))] == []


def test_admin_says_that_the_port_is_taken(server: AdminServer, probes: FakeProbes) -> None:
    """One line names the address, the cause and the setting."""
    with pytest.raises(ServiceError, match=rf"127.0.0.1:{server.port}: port {server.port} is in use.*admin\.port"):
        AdminServer("127.0.0.1", server.port, probes=probes, registry=CollectorRegistry())
