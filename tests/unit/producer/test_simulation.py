from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.json_codec import JsonCodec
from producer.malformed import FAULTS
from producer.simulation import BLOCK, HISTORY, PaymentChunk, PaymentStream, payments_schema

START_MS = 1_700_000_000_000


def take(count: int, seed: int = 7, malformed_ratio: float = 0.0, drift_at: int | None = None) -> PaymentChunk:
    """Return the first payments of a stream."""
    stream = PaymentStream(seed, START_MS, cards=300, malformed_ratio=malformed_ratio, drift_at=drift_at)
    return stream.take(count)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2 * BLOCK), min_size=1, max_size=4))
def test_simulation_is_the_same_however_it_is_taken(counts: list[int]) -> None:
    """The seed decides; how many payments a caller takes at once changes nothing."""
    stream = PaymentStream(7, START_MS, cards=300, malformed_ratio=0.05)
    pieces = [stream.take(count) for count in counts]
    whole = take(sum(counts), malformed_ratio=0.05)
    assert [value for piece in pieces for value in piece.values()] == whole.values()


def test_simulation_differs_by_seed() -> None:
    """Another seed is another world, with other ids."""
    assert not set(take(100, seed=1).ids) & set(take(100, seed=2).ids)


def test_simulation_remembers_what_each_card_spent() -> None:
    """``last_amounts`` are the amounts of that card just before, across blocks, oldest first."""
    chunk = take(3 * BLOCK)
    spent: dict[str, list[float]] = defaultdict(list)
    checked = 0
    for event in chunk.events():
        before = spent[event["card_id"]][-HISTORY:]
        if before:
            assert event["last_amounts"][HISTORY - len(before) :] == before
            checked += 1
        spent[event["card_id"]].append(event["payment"]["amount"])
    assert checked > 5000


def test_simulation_decodes_to_the_columns_it_was_drawn_as() -> None:
    """Training on the columns and scoring the events see the same numbers."""
    chunk = take(500)
    schema = payments_schema()
    decoded = JsonCodec().decode(chunk.values(), schema)
    expected = chunk.to_batch()
    assert not decoded.rejections
    assert (decoded.batch.ids, list(decoded.batch.columns)) == (expected.ids, list(expected.columns))
    for name in schema.names:
        np.testing.assert_array_equal(decoded.batch.columns[name], expected.columns[name])
        assert decoded.batch.columns[name].dtype == expected.columns[name].dtype


def test_simulation_breaks_events_for_the_reasons_it_says() -> None:
    """Each planted fault is turned away for its own reason, and nothing else is."""
    chunk = take(5000, malformed_ratio=0.05)
    decoded = JsonCodec().decode(chunk.values(), payments_schema())
    planted = [(row, fault) for row, fault in enumerate(chunk.faults) if fault is not None]
    assert [(rejection.row, rejection.reason) for rejection in decoded.rejections] == planted
    assert {fault for _, fault in planted} == set(FAULTS)


def test_simulation_plants_faults_beside_the_same_good_events() -> None:
    """Asking for malformed events changes those events only."""
    good, mixed = take(3000), take(3000, malformed_ratio=0.05)
    kept = [(a, b) for a, b, fault in zip(good.values(), mixed.values(), mixed.faults, strict=True) if fault is None]
    assert all(a == b for a, b in kept)
    assert 0 < len(kept) < 3000


def test_simulation_keeps_to_its_share_of_frauds() -> None:
    """About two payments in a hundred are frauds, in any order of time."""
    chunk = take(50_000)
    assert chunk.is_fraud.mean() == pytest.approx(0.02, abs=0.003)
    assert bool((np.diff(chunk.timestamps_ms) >= 0).all())


def test_simulation_drifts_where_it_says() -> None:
    """Up to that payment the stream is as without drift; afterwards frauds are small and many."""
    calm, drifting = take(60_000), take(60_000, drift_at=30_000)

    def fraud_amount(chunk: PaymentChunk, rows: slice) -> float:
        return float(np.median(chunk.columns["amount"][rows][chunk.is_fraud[rows]]))

    before, after = slice(0, 30_000), slice(30_000, None)
    assert fraud_amount(drifting, before) == fraud_amount(calm, before)
    assert fraud_amount(drifting, after) < 0.2 * fraud_amount(calm, after)
