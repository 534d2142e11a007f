"""What it costs to decode Avro events to checked columns, in CPU microseconds an event.

    python -m benchmarks.codec

The columnar reader against our careful one and against fastavro, which reads to dictionaries and checks
nothing; and against pyruhvro, which reads to Arrow and checks nothing, where that happens to be installed.
"""

from __future__ import annotations

import importlib
import io
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import fastavro
import numpy as np
from rich.console import Console
from rich.table import Table

from features import avro_codec
from features.avro_codec import AvroCodec
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from service.process import settle_process

EVENTS = 10_000
ROUNDS = 7
TIME = {"type": "long", "logicalType": "timestamp-millis"}


@dataclass(frozen=True, slots=True)
class Case:
    """A writer schema, records of it, and what is wanted of them."""

    name: str
    writer: dict[str, Any]
    events: Sequence[Mapping[str, Any]]
    schema: FeatureSchema


def record(name: str, /, **fields: Any) -> dict[str, Any]:
    """Return a record type."""
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}


def doubles(rng: np.random.Generator) -> Case:
    """Return 29 doubles, an id and a time."""
    names = [f"v{number}" for number in range(29)]
    events = [
        {"id": f"txn-{number}", "at": 1_700_000_000_000 + number, **dict(zip(names, row, strict=True))}
        for number, row in enumerate(rng.normal(size=(EVENTS, 29)).tolist())
    ]
    writer = record("Event", id="string", at=TIME, **dict.fromkeys(names, "double"))
    fields = tuple(Field(name, FieldType.DOUBLE, name) for name in names)
    return Case("29 doubles, id, time", writer, events, FeatureSchema(fields, Roles(id="id", time="at")))


def nullable(rng: np.random.Generator, share: float) -> Case:
    """Return ten nullable doubles and an id, this share of the numbers null."""
    names = [f"v{number}" for number in range(10)]
    numbers = rng.normal(size=(EVENTS, 10)).astype(object)
    numbers[rng.random((EVENTS, 10)) < share] = None
    events = [{"id": f"txn-{n}", **dict(zip(names, row, strict=True))} for n, row in enumerate(numbers.tolist())]
    writer = record("Event", id="string", **{name: ["null", "double"] for name in names})
    fields = tuple(Field(name, FieldType.DOUBLE, name, null=NullPolicy.KEEP) for name in names)
    return Case(f"10 nullable doubles, id, {share:.0%} null", writer, events, FeatureSchema(fields, Roles(id="id")))


def payment(rng: np.random.Generator) -> Case:
    """Return a payment as a bank might describe it, of which six fields are wanted."""
    money = record(
        "Amount",
        units={"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2},
        currency={"type": "enum", "name": "Currency", "symbols": ["EUR", "USD", "GBP"]},
    )
    address = record("Address", country=["null", "string"], town="string", post_code="string")
    writer = record(
        "Payment",
        id={"type": "string", "logicalType": "uuid"},
        accepted={"type": "long", "logicalType": "timestamp-micros"},
        amount=money,
        debtor=record("Party", name="string", iban="string", address=["null", address]),
        last_amounts={"type": "array", "items": "double"},
        remittance=["null", "string"],
        instant="boolean",
    )
    events = [
        {
            "id": f"{number:08x}-0000-4000-8000-000000000000",
            "accepted": 1_700_000_000_000_000 + number,
            "amount": {"units": int(rng.integers(10**7)).to_bytes(4, "big"), "currency": "EUR"},
            "debtor": {
                "name": f"Name {number}",
                "iban": f"DE{number:020}",
                "address": None if number % 10 == 0 else {"country": "DE", "town": "Köln", "post_code": "50667"},
            },
            "last_amounts": rng.normal(size=10).tolist(),
            "remittance": "invoice" if number % 2 else None,
            "instant": bool(number % 2),
        }
        for number in range(EVENTS)
    ]
    fields = (
        Field("amount", FieldType.DOUBLE, "amount.units"),
        Field("currency", FieldType.STRING, "amount.currency"),
        Field("country", FieldType.STRING, "debtor.address.country", null=NullPolicy.KEEP),
        Field("last", FieldType.DOUBLE, "last_amounts", length=10),
        Field("instant", FieldType.BOOLEAN, "instant"),
    )
    return Case("payment, nested", writer, events, FeatureSchema(fields, Roles(id="id", time="accepted")))


def cost(action: Callable[[], Any]) -> float:
    """Return the least CPU microseconds an event of some rounds; NaN for one who cannot read them."""
    try:
        action()
    except AssertionError:
        raise
    except BaseException:  # a compiled decoder may panic, which Python's own base class alone catches
        return math.nan
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        action()
        taken.append(time.process_time() - began)
    return 1e6 * min(taken) / EVENTS


def contenders(case: Case) -> dict[str, Callable[[], Any]]:
    """Return by name what reads the records of a case."""
    parsed = fastavro.parse_schema(case.writer)
    values = []
    for event in case.events:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, event)
        values.append(out.getvalue())
    codec = AvroCodec(case.writer)

    def columnar() -> None:
        assert not codec.decode(values, case.schema).rejections  # noqa: S101 - else it would measure something else

    def careful() -> None:
        with patch.object(avro_codec, "MIN_COLUMNAR_RECORDS", EVENTS + 1):
            columnar()

    def by_fastavro() -> None:
        for value in values:
            fastavro.schemaless_reader(io.BytesIO(value), parsed, None)

    found: dict[str, Callable[[], Any]] = {"columnar": columnar, "careful": careful, "fastavro": by_fastavro}
    try:
        pyruhvro = importlib.import_module("pyruhvro")
    except ImportError:
        return found
    text = json.dumps(case.writer)
    return found | {"pyruhvro": lambda: pyruhvro.deserialize_array(values, text)}


def main() -> None:
    """Measure and print, in a process that is set up as one that scores."""
    settle_process()
    rng = np.random.default_rng(0)
    table = Table(title=f"CPU microseconds an event, batches of {EVENTS:,}", title_justify="left")
    cases = [doubles(rng), nullable(rng, 0.0), nullable(rng, 0.1), payment(rng)]
    rows = [{name: cost(action) for name, action in contenders(case).items()} for case in cases]
    for heading in ("event", *rows[0]):
        table.add_column(heading, justify="left" if heading == "event" else "right")
    for case, row in zip(cases, rows, strict=True):
        table.add_row(case.name, *("cannot" if math.isnan(figure) else f"{figure:.2f}" for figure in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
