"""One request that no Python client offers: a member's removal from its group, as ``kafka-consumer-groups`` does it."""

from __future__ import annotations

import socket
import struct

LEAVE_GROUP = 13
VERSION = 3  # the last whose fields are all of fixed form
UNKNOWN_MEMBER_ID = 25


def remove_member(address: str, group: str, member_id: str) -> None:
    """Make a group give up on a member, who is not told; a member unknown already is fine.

    ``address`` is the broker that coordinates the group, without security.

    Raises:
        ConnectionError: It ended the connection.
        RuntimeError: It refused.
    """
    body = _text(group) + struct.pack(">i", 1) + _text(member_id) + struct.pack(">h", -1)
    request = struct.pack(">hhi", LEAVE_GROUP, VERSION, 1) + _text("tests") + body
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", _read(connection, 4))
        answer = _read(connection, length)
    (code,) = struct.unpack_from(">h", answer, 8)  # behind the correlation id and the throttle time
    (of_member,) = struct.unpack_from(">h", answer, len(answer) - 2) if not code else (code,)
    if of_member not in {0, UNKNOWN_MEMBER_ID}:
        raise RuntimeError(f"group {group} does not remove {member_id}: error {of_member}")


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw


def _read(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = connection.recv(count - len(found))
        if not piece:
            raise ConnectionError("the broker ended the connection")
        found += piece
    return found
