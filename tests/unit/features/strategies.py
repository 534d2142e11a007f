"""Random schemas with events that fit them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from features.values import INT_BOUNDS, LONG_BOUNDS

SCHEMA = FeatureSchema(
    (
        Field("amount", FieldType.DOUBLE, "payment.amount"),
        Field("ratio", FieldType.FLOAT, "payment.ratio", null=NullPolicy.KEEP),
        Field("count", FieldType.INT, "count", null=NullPolicy.DEFAULT, default=7),
        Field("total", FieldType.LONG, "total"),
        Field("is_online", FieldType.BOOLEAN, "flags.is_online"),
        Field("country", FieldType.STRING, "country", null=NullPolicy.KEEP),
        Field("last", FieldType.DOUBLE, "last", length=3, null=NullPolicy.KEEP),
    ),
    Roles(id="payment.id", key="card", time="at", label="is_fraud", passthrough=("shop.name",)),
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
doubles = st.floats(allow_nan=False, allow_infinity=False)
FLOAT32_MAX = float(np.finfo(np.float32).max)
narrow_floats = st.floats(min_value=-FLOAT32_MAX, max_value=FLOAT32_MAX, width=32)


def events() -> st.SearchStrategy[dict[str, Any]]:
    """Return events that fit ``SCHEMA``, nulls included where a policy lets them in."""
    return st.fixed_dictionaries(
        {
            "payment": st.fixed_dictionaries(
                {"amount": doubles, "ratio": st.none() | narrow_floats, "id": text.filter(bool)}
            ),
            "count": st.none() | st.integers(*INT_BOUNDS),
            "total": st.integers(*LONG_BOUNDS),
            "flags": st.fixed_dictionaries({"is_online": st.booleans()}),
            "country": st.none() | text,
            "last": st.none() | st.lists(st.none() | doubles, min_size=3, max_size=3),
            "card": st.none() | text,
            "at": st.integers(*LONG_BOUNDS),
            "is_fraud": st.none() | st.booleans() | st.integers(*LONG_BOUNDS) | text,
            "shop": st.fixed_dictionaries({"name": st.none() | text}),
        }
    )


def json_values() -> st.SearchStrategy[Any]:
    """Return anything that JSON can say, with a taste for the edges of the number types."""
    edges = st.sampled_from([2**31, -(2**31) - 1, 2**53, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 1e300, -0.0, 12.0])
    scalars = st.none() | st.booleans() | st.integers() | doubles | text | edges
    return st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=3))


def strange_events() -> st.SearchStrategy[dict[str, Any]]:
    """Return events that have the paths of ``SCHEMA`` but anything at all in them."""
    anything = json_values()
    payment = st.fixed_dictionaries({}, optional={"amount": anything, "ratio": anything, "id": anything})
    return st.fixed_dictionaries(
        {},
        optional={
            "payment": payment | anything,
            "count": anything,
            "total": anything,
            "flags": st.fixed_dictionaries({}, optional={"is_online": anything}) | anything,
            "country": anything,
            "last": st.lists(anything, min_size=3, max_size=3) | anything,
            "at": anything,
            "is_fraud": anything,
            "unused": anything,
        },
    )
