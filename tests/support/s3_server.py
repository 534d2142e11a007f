"""A server that speaks as much of S3 as reading takes: HEAD, GET with ranges, and a listing."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


@contextmanager
def s3_server(objects: Mapping[str, bytes]) -> Iterator[str]:
    """Serve objects by ``bucket/key`` to anybody; yield the query that makes a URI of pyarrow's reach it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(self._found())

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
            if "list-type" in asked:
                self._answer(_listing(objects, self._path().strip("/"), asked.get("prefix", [""])[0]), with_body=True)
            else:
                self._answer(self._found(), with_body=True)

        def _path(self) -> str:
            return unquote(urlsplit(self.path).path).lstrip("/")

        def _found(self) -> bytes | None:
            return objects.get(self._path())

        def _answer(self, content: bytes | None, *, with_body: bool = False) -> None:
            wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            body = content or b""
            if wanted and with_body:
                body = body[int(wanted[1]) : int(wanted[2] or len(body)) + 1]
            self.send_response(404 if content is None else 206 if wanted and with_body else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Last-Modified", formatdate(1_700_000_000, usegmt=True))
            self.send_header("ETag", f'"{len(content or b"")}"')
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=us-east-1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _listing(objects: Mapping[str, bytes], bucket: str, prefix: str) -> bytes:
    keys = [name.partition("/")[2] for name in objects if name.startswith(f"{bucket}/{prefix}")]
    entries = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified>"
        f"<Size>{len(objects[f'{bucket}/{key}'])}</Size></Contents>"
        for key in keys
    )
    about = f"<Name>{bucket}</Name><Prefix>{prefix}</Prefix><KeyCount>{len(keys)}</KeyCount>"
    whole = f"<ListBucketResult>{about}<IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
    return whole.encode()
