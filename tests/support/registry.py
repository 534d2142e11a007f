"""A small schema registry over HTTP that can be slow, down or wrong; `make registry` runs it for a person."""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.registry_store import KINDS, Json, Refusal, RegistryStore

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


@dataclass(frozen=True)
class Answer:
    """What is said to every question while it is set."""

    status: int
    body: bytes
    media_type: str = MEDIA_TYPE


UNAVAILABLE = Answer(503, b'{"error_code":50301,"message":"not ready"}')
FAILING = Answer(500, b'{"error_code":50001,"message":"Error in the backend datastore"}')
TOO_MANY = Answer(429, b'{"error_code":42901,"message":"Too many requests"}')
UNAUTHORIZED = Answer(401, b'{"error_code":401,"message":"Unauthorized"}')
FORBIDDEN = Answer(403, b'{"error_code":40301,"message":"User is denied"}')
LOGIN_PAGE = Answer(200, b"<html><body>Please log in</body></html>", "text/html")
WRONG_PATH = Answer(404, b"<html><body>404 page not found</body></html>", "text/html")
GARBAGE = Answer(200, b'{"schema": "\xff\xfe')
NOTHING = Answer(200, b"")
MISSING_FIELDS = Answer(200, b"{}")
WRONG_TYPES = Answer(200, b'{"schema":17,"id":"seven","version":[],"is_compatible":"yes"}')
NO_OBJECT = Answer(200, b"[1,2]")
NOT_HERE = Answer(404, b'{"error_code":404,"message":"HTTP 404 Not Found"}')
NO_ANSWERS = (
    UNAVAILABLE,
    FAILING,
    TOO_MANY,
    UNAUTHORIZED,
    FORBIDDEN,
    LOGIN_PAGE,
    WRONG_PATH,
    GARBAGE,
    NOTHING,
    MISSING_FIELDS,
    WRONG_TYPES,
    NO_OBJECT,
    NOT_HERE,
)
"""Every way of saying nothing for certain."""


class HttpRegistry:
    """A registry on a port of 127.0.0.1; a context manager.

    Set `fault` to have one answer given to everything, `drops` to have connections closed without an answer, `drips`
    to have answers begin and never end; use
    `held` to have questions wait until the block ends, and `stop`/`start` to take the port away and bring it back.
    `asked` lists the questions as ``GET /schemas/ids/1``. With `user` only who says that name and password is let in.
    """

    def __init__(self, *, port: int = 0, user: str | None = None) -> None:
        """Nothing listens yet."""
        self.store = RegistryStore()
        self.fault: Answer | None = None
        self.drops = False
        self.drips = False
        self.asked: list[str] = []
        self.user = user
        self._gate = threading.Event()
        self._gate.set()
        self.is_stopped = threading.Event()
        self._port = port
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens, or would."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, on the same port as before."""
        registry = self
        self.is_stopped.clear()

        class Handler(_Handler):
            owner = registry

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="registry", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port; what is registered stays."""
        self._gate.set()
        self.is_stopped.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let questions wait while the block runs."""
        self._gate.clear()
        try:
            yield
        finally:
            self._gate.set()

    def wait_at_gate(self) -> None:
        """Return when questions may be answered."""
        self._gate.wait(60)

    def add(
        self, subject: str, schema: Json, *, kind: str = "AVRO", references: list[dict[str, Json]] | None = None
    ) -> int:
        """Register a schema, a text or what becomes one, past HTTP and every rule of compatibility; return its id."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        before = self.store.levels.get(subject)
        self.store.levels[subject] = "NONE"
        added = self.store.register(subject, {"schema": text, "schemaType": kind, "references": references or []})
        self.store.levels.pop(subject) if before is None else self.store.levels.update({subject: before})
        return added.id

    def guid(self, schema_id: int) -> str:
        """Return the globally unique id of a schema."""
        return self.store.by_id(schema_id).guid


class _Handler(BaseHTTPRequestHandler):
    owner: HttpRegistry

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing: a test's output is the test's."""

    def _answer(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.owner.asked.append(f"{self.command} {url.path}")
        self.owner.wait_at_gate()
        if self.owner.drops:
            self.close_connection = True
            return
        fault = self.owner.fault
        if fault is None and not self._is_let_in():
            fault = UNAUTHORIZED
        answer = fault or self._honest(url.path, parse_qs(url.query), body)
        with contextlib.suppress(ConnectionError):  # who asked may have lost patience
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.media_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            while self.owner.drips and not self.owner.is_stopped.wait(0.01):
                self.wfile.write(b" ")
            self.wfile.write(answer.body)

    def _is_let_in(self) -> bool:
        wanted = self.owner.user
        said = self.headers.get("Authorization", "")
        return wanted is None or said == f"Basic {base64.b64encode(wanted.encode()).decode()}"

    def _honest(self, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        steps = [unquote(step) for step in path.strip("/").split("/")]
        deleted = query.get("deleted", ["false"])[-1].lower() == "true"
        try:
            with self.owner.store.lock:
                said = _routed(self.owner.store, self.command, steps, json.loads(body or b"{}"), deleted=deleted)
        except Refusal as refusal:
            said = {"error_code": refusal.code, "message": str(refusal)}
            return Answer(refusal.status, json.dumps(said).encode())
        return Answer(200, json.dumps(said).encode())


def _routed(store: RegistryStore, method: str, steps: list[str], body: Json, *, deleted: bool) -> Json:
    match method, steps:
        case "GET", ["schemas", *rest]:
            return _of_schemas(store, rest, deleted=deleted)
        case "GET", ["subjects"]:
            return [subject for subject in store.subjects if store.subjects[subject]]
        case _, ["subjects", subject, *rest]:
            return _of_subject(store, method, subject, rest, body, deleted=deleted)
        case "POST", ["compatibility", "subjects", subject, "versions"]:
            return {"is_compatible": store.is_compatible(subject, body)}
        case "POST", ["compatibility", "subjects", subject, "versions", number]:
            store.version(subject, number, deleted=False)
            return {"is_compatible": store.is_compatible(subject, body)}
        case _, ["config", *subject]:
            return _config(store, method, subject, body)
    raise Refusal(404, "HTTP 404 Not Found")


def _of_schemas(store: RegistryStore, rest: list[str], *, deleted: bool) -> Json:
    match rest:
        case ["types"]:
            return list(KINDS)
        case ["ids", number]:
            return store.by_id(int(number)).as_json()
        case ["ids", number, "subjects"]:
            return sorted({subject for subject, _ in store.places(int(number), deleted=deleted)})
        case ["ids", number, "versions"]:
            return [{"subject": s, "version": v} for s, v in store.places(int(number), deleted=deleted)]
        case ["guids", guid]:
            return store.by_guid(guid).as_json()
    raise Refusal(404, "HTTP 404 Not Found")


def _of_subject(store: RegistryStore, method: str, subject: str, rest: list[str], body: Json, *, deleted: bool) -> Json:
    match method, rest:
        case "POST", ["versions"]:
            stored = store.register(subject, body)
            return {"id": stored.id, "guid": stored.guid}  # the guid since version 8 of the real one
        case "POST", []:
            return _shown(subject, store.look_up(subject, body, deleted=deleted))
        case "GET", ["versions"]:
            return [version.number for version in store.versions(subject, deleted=deleted)]
        case "GET", ["versions", number]:
            return _shown(subject, store.version(subject, number, deleted=deleted))
        case "DELETE", []:
            return store.delete(subject)
    raise Refusal(404, "HTTP 404 Not Found")


def _config(store: RegistryStore, method: str, subject: list[str], body: Json) -> Json:
    if method == "PUT":
        store.levels[subject[0]] = body["compatibility"]
        return body
    if not subject:
        return {"compatibilityLevel": store.level}
    if subject[0] not in store.levels:
        raise Refusal(40408, f"Subject '{subject[0]}' does not have subject-level compatibility configured")
    return {"compatibilityLevel": store.levels[subject[0]]}


def _shown(subject: str, version: Any) -> Json:
    schema = version.schema
    return {"subject": subject, "id": schema.id, "version": version.number, **schema.as_json()}


def main() -> int:
    """Run a registry until SIGINT or SIGTERM; end with 3 and one clear line where it cannot be started."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=8085)
    registry = HttpRegistry(port=options.parse_args().port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        registry.start()
    except OSError as error:
        print(f"error: {error}. Choose another port: make registry REGISTRY_PORT=8082", file=sys.stderr)
        return 3
    print(f"The schema registry is ready. schema_registry.url: {registry.url}")
    print("It keeps what it is told in memory. Ctrl-C ends it.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    registry.stop()
    print("\nThe schema registry has ended; nothing is left behind.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
