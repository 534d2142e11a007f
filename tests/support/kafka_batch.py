"""A record batch made by hand, for what no client of ours writes: a header whose name is no UTF-8, no timestamp."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from producer.avro_layout import varint  # records are made of the same numbers

PRODUCE, PRODUCE_VERSION = 0, 3
MAGIC = 2
CASTAGNOLI = 0x82F63B78


def append(
    address: str, topic: str, value: bytes, *, headers: Sequence[tuple[bytes, bytes]] = (), timestamp_ms: int = 1_000
) -> None:
    """Append one record to the first partition of a topic.

    ``address`` is the broker that leads it, without security; the timestamp -1 is none.

    Raises:
        RuntimeError: The broker refused it.
    """
    batch = record_batch(value, headers, timestamp_ms)
    body = struct.pack(">hhi", -1, -1, 10_000) + struct.pack(">i", 1) + _text(topic)
    body += struct.pack(">ii", 1, 0) + struct.pack(">i", len(batch)) + batch
    request = struct.pack(">hhi", PRODUCE, PRODUCE_VERSION, 1) + _text("tests") + body
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection, connection.makefile("rb") as answers:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", answers.read(4))
        answer = answers.read(length)
    (code,) = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(topic.encode()) + 4 + 4)
    if code:
        raise RuntimeError(f"{topic} does not take the record: error {code}")


def record_batch(value: bytes, headers: Sequence[tuple[bytes, bytes]], timestamp_ms: int) -> bytes:
    """Return a batch of one record without key, in the format of Kafka 0.11 and later."""
    record = b"\x00" + varint(0) + varint(0) + varint(-1) + varint(len(value)) + value + varint(len(headers))
    for name, content in headers:
        record += varint(len(name)) + name + varint(len(content)) + content
    record = varint(len(record)) + record
    # attributes, last offset delta, two timestamps, producer id, epoch and sequence (none), records
    checked = struct.pack(">hiqqqhii", 0, 0, timestamp_ms, timestamp_ms, -1, -1, -1, 1) + record
    summed = struct.pack(">ibI", -1, MAGIC, crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(summed)) + summed


def crc32c(content: bytes) -> int:
    """Return the checksum of a record batch.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (CASTAGNOLI if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw
