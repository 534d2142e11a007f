"""The admin port: /livez, /readyz and /metrics for probes and Prometheus."""

from __future__ import annotations

import errno
import io
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from service.errors import ServiceError
from service.health import Probes, Verdict

MAX_REQUEST_BYTES = 8192  # these requests have no body; a head this long is a mistake or an attack
REQUEST_LIMIT_S = 5.0  # for reading the whole head, then for writing the answer
MAX_CONNECTIONS = 32  # more at once are closed unanswered
STOP_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"


class AdminServer:
    """Answers GET and HEAD in threads of its own; every answer but /metrics is JSON.

    A probe that fails answers 503 with the reason. Stopping waits for requests under way, which end
    within seconds by themselves.
    """

    def __init__(self, host: str, port: int, *, probes: Probes, registry: CollectorRegistry) -> None:
        """Listen at once on ``host`` and ``port`` (0: any free one); answers begin with ``start``.

        Raises:
            ServiceError: The address cannot be had; one line says what to do.
        """
        self._pages: Mapping[str, Callable[[str], _Answer]] = {
            "/": lambda _accept: _json(HTTPStatus.OK, {"paths": ["/livez", "/readyz", "/metrics"]}),
            "/livez": lambda _accept: _judge(probes.live()),
            "/readyz": lambda _accept: _judge(probes.ready()),
            "/metrics": lambda accept: _expose(registry, accept),
        }
        self._server = _listen(host, port, self._pages)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Return the port listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._server.serve_forever, args=(STOP_LOOK_S,), name="admin", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Stop answering and release the port and all threads; a second call does nothing."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._server.shutdown()
            thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    """Threads without end are not given away: a bounded number at once, each joined at the end."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], pages: Mapping[str, Callable[[str], _Answer]]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.pages = pages
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's full name, which can hang on a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, or close the connection when too many are open."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, then make room for the next connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that went away in the middle; nothing else gets here."""


class _Handler(BaseHTTPRequestHandler):
    """One request per connection (HTTP/1.0), its head read within fixed bounds of size and time."""

    server: _Server
    server_version = "tidemill"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(io.BytesIO(self._read_head()))
        self.connection.settimeout(REQUEST_LIMIT_S)

    def _read_head(self) -> bytes:
        deadline = time.monotonic() + REQUEST_LIMIT_S
        head = b""
        while b"\r\n\r\n" not in head and b"\n\n" not in head:
            left = deadline - time.monotonic()
            if left <= 0 or len(head) > MAX_REQUEST_BYTES:
                return b""  # reads as a closed connection, so no answer is tried
            self.connection.settimeout(left)
            try:
                piece = self.connection.recv(4096)
            except OSError:
                return b""
            if not piece:
                return head
            head += piece
        return head

    def do_GET(self) -> None:
        answer = self._answer()
        self._head(answer)
        self.wfile.write(answer.body)

    def do_HEAD(self) -> None:
        self._head(self._answer())

    def _answer(self) -> _Answer:
        page = self.server.pages.get(self.path.partition("?")[0])
        if page is None:
            return _json(HTTPStatus.NOT_FOUND, {"error": "no such path", "paths": list(self.server.pages)})
        try:
            return page(self.headers.get("Accept", ""))
        except Exception as error:  # a probe must get an answer, or the cause stays hidden behind a timeout
            return _json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"{type(error).__name__}: {error}"})

    def _head(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer in JSON what the base class would answer in HTML, other methods included."""
        answer = _json(HTTPStatus(code), {"error": message or explain or HTTPStatus(code).phrase})
        self._head(answer)
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: a probe every second is not news."""


def _listen(host: str, port: int, pages: Mapping[str, Callable[[str], _Answer]]) -> _Server:
    try:
        return _Server((host, port), pages)
    except OSError as error:
        what = {
            errno.EADDRINUSE: f"port {port} is in use by another process",
            errno.EACCES: f"port {port} needs rights this process does not have",
        }.get(error.errno or 0, str(error))
        raise ServiceError(
            f"admin: cannot listen on {host}:{port}: {what}; set admin.port to a free one, or give --admin-port 0"
        ) from error


def _judge(verdict: Verdict) -> _Answer:
    status = HTTPStatus.OK if verdict.ok else HTTPStatus.SERVICE_UNAVAILABLE
    facts = {"status": "ok" if verdict.ok else "failing", "reason": verdict.reason.value, "detail": verdict.detail}
    return _json(status, facts)


def _expose(registry: CollectorRegistry, accept: str) -> _Answer:
    encode, content_type = choose_encoder(accept)
    return _Answer(HTTPStatus.OK, encode(registry), content_type)


def _json(status: HTTPStatus, value: Mapping[str, Any]) -> _Answer:
    return _Answer(status, json.dumps(value).encode() + b"\n")
