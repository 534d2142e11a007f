"""One record as one line: for a person, or as JSON for a program."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import fastavro
import msgspec

from consumer.records import RecordBatch

MAX_TEXT = 200  # of a value that is not a score

Decoder: TypeAlias = Callable[[bytes], Any]
LineOf: TypeAlias = Callable[[RecordBatch, int, Decoder], str]


def json_decoder(value: bytes) -> Any:
    """Return what the JSON says."""
    return msgspec.json.decode(value)


def avro_decoder(schema: Mapping[str, Any]) -> Decoder:
    """Return a decoder of bare Avro in this schema."""
    parsed = fastavro.parse_schema(dict(schema))
    return lambda value: fastavro.schemaless_reader(io.BytesIO(value), parsed, None)


def json_line(batch: RecordBatch, row: int, decode: Decoder) -> str:
    """Return coordinates, key, headers and value as one JSON object; a value that does not decode is text."""
    value = batch.values[row]
    shown: Any
    try:
        shown = None if value is None else decode(value)
    except Exception:
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


def text_line(batch: RecordBatch, row: int, decode: Decoder) -> str:
    """Return time, coordinates and what matters of the record."""
    at = datetime.fromtimestamp(max(int(batch.timestamps_ms[row]), 0) / 1000, tz=UTC)
    where = f"{at:%H:%M:%S.%f}"[:-3] + f" {batch.at(row)}@{batch.offsets[row]}"
    return f"{where} {_story(batch, row, decode)}"


def _story(batch: RecordBatch, row: int, decode: Decoder) -> str:
    headers = dict(batch.headers(row))
    reason = headers.get("tidemill.reason")
    value = batch.values[row] or b""
    if reason is not None:
        message = _text(headers.get("__connect.errors.exception.message"))
        return f"{_text(reason)}: {message} | {_clipped(value)}"
    try:
        found = decode(value)
    except Exception:
        return _clipped(value)
    if isinstance(found, dict) and "score" in found and "event_id" in found:
        said = "" if found.get("prediction") is None else f" -> {found['prediction']}"
        return f"{found['event_id']} score {found['score']:.6f}{said} by {found['model_version']}"
    return _clipped(value if decode is json_decoder else msgspec.json.encode(found))


def _clipped(value: bytes) -> str:
    text = value.decode("utf-8", "backslashreplace").replace("\n", " ")
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")
