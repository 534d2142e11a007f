from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from features.avro_codec import AvroCodec
from features.avro_columns import ColumnReader
from features.avro_types import load_writer_schema
from features.batch import Decoded
from features.rejection import Reason
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from tests.unit.features.avro_strategies import record, written

RECORDS = 100  # enough to be read by column


def decoded_in_columns(writer: dict[str, Any], values: list[bytes], schema: FeatureSchema) -> Decoded:
    """Return the outcome, having made sure that no record was left to the careful reader."""
    reader = ColumnReader(*load_writer_schema(writer), schema)
    _, odd = reader.read(values, np.array([len(value) for value in values]))
    assert odd.size == 0
    return AvroCodec(writer).decode(values, schema)


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2, "connect.version": 1}
ROW = record(("id", "long"), ("amount", ["null", DECIMAL]), ("city", "string"), name="shop.orders.Value")
SOURCE = record(
    ("version", "string"),
    ("connector", "string"),
    ("ts_ms", "long"),
    ("snapshot", ["null", {"type": "string", "connect.parameters": {"allowed": "true,last,false"}}]),
    ("db", "string"),
    ("sequence", ["null", "string"]),
    ("file", "string"),
    ("pos", "long"),
    name="io.debezium.connector.mysql.Source",
)
ENVELOPE = record(
    ("before", ["null", ROW]),
    ("after", ["null", "shop.orders.Value"]),
    ("source", SOURCE),
    ("op", "string"),
    ("ts_ms", ["null", "long"]),
    ("transaction", ["null", record(("id", "string"), ("total_order", "long"), name="event.block")]),
    name="shop.orders.Envelope",
)
ORDERS = FeatureSchema(
    (
        Field("amount", FieldType.DOUBLE, "after.amount"),
        Field("was", FieldType.DOUBLE, "before.amount", null=NullPolicy.KEEP),
        Field("city", FieldType.STRING, "after.city"),
    ),
    Roles(id="after.id", time="ts_ms", passthrough=("op", "source.db")),
)


def change(number: int) -> dict[str, Any]:
    """Return an event of a change: of every three an insertion, an update and a deletion."""
    row = {"id": number, "amount": Decimal(number).scaleb(-2), "city": "Köln" if number % 2 else "Bonn"}
    source = {"version": "2.7", "connector": "mysql", "ts_ms": 1_700_000_000_000, "snapshot": None, "db": "shop"}
    return {
        "before": None if number % 3 == 0 else {**row, "amount": None},
        "after": None if number % 3 == 2 else row,
        "source": {**source, "sequence": None, "file": "binlog.1", "pos": number},
        "op": "cud"[number % 3],
        "ts_ms": 1_700_000_000_000 + number,
        "transaction": None if number % 2 else {"id": "t", "total_order": number},
    }


def test_a_change_of_a_database_row_is_read_by_path() -> None:
    """The envelope of a change stream needs no unwrapping; a deletion has no new row and says so."""
    decoded = decoded_in_columns(ENVELOPE, [written(ENVELOPE, change(n)) for n in range(RECORDS)], ORDERS)
    kept = [n for n in range(RECORDS) if n % 3 != 2]
    assert decoded.batch.rows.tolist() == kept
    assert decoded.batch.columns["amount"].tolist() == [n / 100 for n in kept]
    assert np.isnan(decoded.batch.columns["was"]).all()
    assert decoded.batch.columns["city"].tolist() == ["Köln" if n % 2 else "Bonn" for n in kept]
    assert decoded.batch.ids == [str(n) for n in kept]
    assert decoded.batch.times is not None
    assert decoded.batch.times.tolist() == [1_700_000_000_000 + n for n in kept]
    assert decoded.batch.passthrough == {"op": ["cu"[n % 3] for n in kept], "db": ["shop"] * len(kept)}
    assert {r.reason for r in decoded.rejections} == {Reason.MISSING}


MONEY = record(
    ("value", {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 5}),
    ("currency", {"type": "enum", "name": "CurrencyCode", "symbols": ["CHF", "EUR", "USD"]}),
    name="iso20022.ActiveCurrencyAndAmount",
)
ADDRESS = record(("country", "string"), ("town", ["null", "string"]), ("lines", {"type": "array", "items": "string"}))
TRANSFER = record(
    ("uetr", {"type": "fixed", "size": 16, "name": "Uuid", "logicalType": "uuid"}),
    ("accepted", {"type": "long", "logicalType": "timestamp-micros"}),
    ("settled", ["null", {"type": "int", "logicalType": "date"}]),
    ("amount", MONEY),
    ("charges", [MONEY["name"], "null"]),
    (
        "rate",
        ["null", {"type": "fixed", "size": 12, "name": "Rate", "logicalType": "decimal", "precision": 20, "scale": 9}],
    ),
    ("debtor", record(("bic", "string"), ("address", ["null", {**ADDRESS, "name": "Address"}]), name="Party")),
    ("last_amounts", {"type": "array", "items": "double"}),
    ("tags", {"type": "map", "values": ["null", "string"]}),
    name="Transfer",
)
TRANSFERS = FeatureSchema(
    (
        Field("amount", FieldType.DOUBLE, "amount.value", minimum=0),
        Field("currency", FieldType.STRING, "amount.currency"),
        Field("charge", FieldType.DOUBLE, "charges.value", null=NullPolicy.DEFAULT, default=0.0),
        Field("rate", FieldType.DOUBLE, "rate", null=NullPolicy.KEEP),
        Field("country", FieldType.STRING, "debtor.address.country", null=NullPolicy.DEFAULT, default="??"),
        Field("settled", FieldType.LONG, "settled", null=NullPolicy.DEFAULT, default=0),
        Field("last", FieldType.DOUBLE, "last_amounts", length=3),
    ),
    Roles(id="uetr", time="accepted", passthrough=("tags.channel",)),
)
AT = datetime(2024, 1, 1, 0, 0, 0, 1999, tzinfo=UTC)


def transfer(number: int) -> dict[str, Any]:
    """Return a transfer; some of what may be null is, in one of two."""
    odd = number % 2
    value = Decimal(10**17 + number).scaleb(-5) if odd else Decimal(number).scaleb(-5)
    address = {"country": "CH", "town": None, "lines": ["a", "b"][: number % 3]}
    return {
        "uetr": UUID(int=number).bytes,
        "accepted": AT,
        "settled": None if odd else AT.date(),
        "amount": {"value": value, "currency": ["CHF", "EUR", "USD"][number % 3]},
        "charges": None if odd else {"value": Decimal("0.5"), "currency": "EUR"},
        "rate": Decimal(-number).scaleb(-9) if odd else None,
        "debtor": {"bic": "AAAABBCC", "address": address if odd else None},
        "last_amounts": [float(number), 0.5, -1.0],
        "tags": {"channel": "web"} if odd else {},
    }


def test_a_transfer_as_banks_write_it_is_read_by_path() -> None:
    """Decimals of both kinds, enums, dates, UUIDs, nullable records and arrays reach the model as plain values."""
    batch = decoded_in_columns(TRANSFER, [written(TRANSFER, transfer(n)) for n in range(RECORDS)], TRANSFERS).batch
    odd = [n % 2 == 1 for n in range(RECORDS)]
    columns = {name: column.tolist() for name, column in batch.columns.items()}
    assert columns["amount"] == [(10**17 + n) / 10**5 if n % 2 else n / 10**5 for n in range(RECORDS)]
    assert columns["currency"][:3] == ["CHF", "EUR", "USD"]
    assert columns["charge"] == [0.0 if o else 0.5 for o in odd]
    assert columns["rate"][1::2] == [-n / 10**9 for n in range(1, RECORDS, 2)]
    assert columns["country"] == ["CH" if o else "??" for o in odd]
    assert columns["settled"] == [0 if o else 1_704_067_200_000 for o in odd]
    assert columns["last"] == [[float(n), 0.5, -1.0] for n in range(RECORDS)]
    assert batch.ids == [str(UUID(int=n)) for n in range(RECORDS)]
    assert batch.times is not None
    assert set(batch.times.tolist()) == {1_704_067_200_001}
    assert batch.passthrough == {"channel": ["web" if o else None for o in odd]}
