"""Finding a key that stands twice in one JSON object, at a cost that a stream can bear.

RFC 8259 leaves open which of the two counts, and readers differ: a record that two systems read
differently must not be scored on one reading. Compiled decoders keep the last in silence. But where
no space stands before a colon, every key's text ends in ``":``, so when the decoded event has as many
keys as its text has ``":``, none was lost. Only a record that cannot be cleared so is parsed again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

UNKNOWN = -1
_COLON, _QUOTE, _SPACE = b':" '
_SLICE_BYTES = 1 << 16  # of texts looked at together: it stays in the processor's cache


class DuplicateKey(ValueError):
    """A key stands twice in one object."""


def keys_in_text(values: Sequence[bytes]) -> list[int]:
    """Return for each JSON text how many keys it holds at most, ``UNKNOWN`` where that cannot be told.

    A text of which a string holds ``":`` has fewer keys than that; none has more.

    >>> keys_in_text([b'{"a":1,"b":{"a":2}}', b'{"a" : 1}', b""])
    [3, -1, 0]
    """
    counts: list[int] = []
    size = 0
    for end, length in enumerate(map(len, values), start=1):
        size += length
        if size >= _SLICE_BYTES or end == len(values):
            counts += _counts(values[len(counts) : end])
            size = 0
    return counts


def _counts(values: Sequence[bytes]) -> list[int]:
    text = np.frombuffer(b"\n".join([b"", *values, b""]), dtype=np.uint8)  # each value between two newlines
    before, colons = text[:-1], text[1:] == _COLON
    ends = np.cumsum([len(value) + 1 for value in values])
    starts = np.concatenate([[0], ends[:-1]])
    counts = np.add.reduceat(colons & (before == _QUOTE), starts, dtype=np.int64)
    spaced = colons & (before <= _SPACE)
    if spaced.any():
        counts[np.logical_or.reduceat(spaced, starts)] = UNKNOWN
    found: list[int] = counts.tolist()
    return found


def count_keys(event: Mapping[str, Any]) -> int:
    """Return the number of keys of an object and of all objects within it.

    >>> count_keys({"a": [{"b": 1}], "c": {}})
    3
    """
    count = 0
    nodes: list[Any] = [event]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            count += len(node)
            nodes.extend(child for child in node.values() if type(child) in (dict, list))
        else:
            nodes.extend(child for child in node if type(child) in (dict, list))
    return count


def parse_unique(text: str) -> Any:
    """Return what a JSON text holds, every key unique; numbers beyond a double become infinite.

    Raises:
        DuplicateKey: A key stands twice in one object.
        ValueError: It is not JSON, or holds an integer of more than 4300 digits.
        RecursionError: It is nested too deeply.
    """
    parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    if "\\ud" in text.lower():  # json lets a lone surrogate through, which no UTF-8 can carry on
        json.dumps(parsed, ensure_ascii=False).encode()
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateKey(f"the key {key[:60]!r} stands twice in one object")
            seen.add(key)
    return result


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
