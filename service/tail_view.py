"""One record as one line: for a person, or as JSON for a program."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from consumer.records import RecordBatch
from producer.records import Headers
from service.decoders import Decode, decode_json

MAX_TEXT = 200  # of a value that is not a score

LineOf: TypeAlias = Callable[[RecordBatch, int, Decode], str]


def json_line(batch: RecordBatch, row: int, decode: Decode) -> str:
    """Return coordinates, key, headers and value as one JSON object; a value that does not decode is text."""
    value = batch.values[row]
    shown: Any
    try:
        shown = None if value is None else decode(value, batch.headers(row))
    except ValueError:
        shown = (value or b"").decode("utf-8", "backslashreplace")
    record = {
        "topic": batch.topics[row],
        "partition": int(batch.partitions[row]),
        "offset": int(batch.offsets[row]),
        "timestamp": int(batch.timestamps_ms[row]),
        "key": _text(batch.keys[row]),
        "headers": {name: _text(content) for name, content in batch.headers(row)},
        "value": shown,
    }
    return msgspec.json.encode(record).decode()


def text_line(batch: RecordBatch, row: int, decode: Decode) -> str:
    """Return time, coordinates and what matters of the record."""
    at = datetime.fromtimestamp(max(int(batch.timestamps_ms[row]), 0) / 1000, tz=UTC)
    where = f"{at:%H:%M:%S.%f}"[:-3] + f" {batch.at(row)}@{batch.offsets[row]}"
    return f"{where} {_story(batch, row, decode)}"


def _story(batch: RecordBatch, row: int, decode: Decode) -> str:
    headers = dict(batch.headers(row))
    died_of = headers.get("tidemill.reason")
    value = batch.values[row] or b""
    if died_of is not None:
        message = _text(headers.get("__connect.errors.exception.message"))
        return f"{_text(died_of)}: {message} | {_readable(value, batch.headers(row), decode)}"
    try:
        found = decode(value, batch.headers(row))
    except ValueError as reason:
        return f"{_clipped(value)} ({reason})"
    if isinstance(found, dict) and isinstance(found.get("score"), float) and "event_id" in found:
        said = "" if found.get("prediction") is None else f" -> {found['prediction']}"
        return f"{found['event_id']} score {found['score']:.6f}{said} by {found.get('model_version')}"
    return _clipped(value if decode is decode_json else msgspec.json.encode(found))


def _readable(value: bytes, headers: Headers, decode: Decode) -> str:
    """Return what a dead letter held: decoded where that helps and can be done, for it may have died of its bytes."""
    if decode is decode_json:
        return _clipped(value)
    try:
        return _clipped(msgspec.json.encode(decode(value, headers)))
    except ValueError:
        return _clipped(value)


def _clipped(value: bytes) -> str:
    text = value.decode("utf-8", "backslashreplace").replace("\n", " ")
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")
