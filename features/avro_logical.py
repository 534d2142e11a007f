"""The logical types of Avro that are read as something plainer than they are written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

_DIVISORS = {"millis": 1, "micros": 1_000, "nanos": 1_000_000}
DAY_MS = 86_400_000


class LogicalKind(Enum):
    """What a logical type becomes."""

    DECIMAL = auto()  # a double
    UUID = auto()  # text
    DATE = auto()  # epoch milliseconds
    INSTANT = auto()  # epoch milliseconds
    LOCAL = auto()  # milliseconds on a clock whose zone is unknown


@dataclass(frozen=True, slots=True)
class Logical:
    """A logical type, and what its number is divided by."""

    kind: LogicalKind
    divisor: int = 1


def logical_type(node: dict[str, Any]) -> Logical | None:
    """Return the logical type of a type; None where its plain value says it all, or the name is unknown.

    >>> logical_type({"type": "long", "logicalType": "timestamp-micros"})
    Logical(kind=<LogicalKind.INSTANT: 4>, divisor=1000)
    """
    logical, kind = node.get("logicalType"), node["type"]
    if not isinstance(logical, str):
        return None
    if logical == "decimal" and kind in ("bytes", "fixed"):
        return Logical(LogicalKind.DECIMAL, 10 ** int(node.get("scale", 0)))
    if logical == "uuid" and kind == "fixed":
        return Logical(LogicalKind.UUID)
    if logical == "date" and kind == "int":
        return Logical(LogicalKind.DATE)
    stem, _, unit = logical.rpartition("-")
    if kind == "long" and unit in _DIVISORS and stem in ("timestamp", "local-timestamp"):
        return Logical(LogicalKind.INSTANT if stem == "timestamp" else LogicalKind.LOCAL, _DIVISORS[unit])
    return None


def decimal_as_double(raw: bytes, divisor: int) -> float:
    r"""Return the double nearest to a decimal; the quotient of two integers is rounded once.

    >>> decimal_as_double(b"\xff", 100)
    -0.01
    """
    try:
        return int.from_bytes(raw, "big", signed=True) / divisor
    except OverflowError:
        return float("-inf") if raw[0] & 0x80 else float("inf")
