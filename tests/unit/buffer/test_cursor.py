from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffer.cursor import Cursor
from buffer.errors import BufferingError

positions = st.dictionaries(st.tuples(st.text(), st.integers(0, 2**31 - 1)), st.integers(0, 2**62), max_size=5)
cursors = st.builds(Cursor, st.integers(0, 2**45), positions, positions, st.none() | st.integers(0, 2**45))


@given(cursors)
def test_a_cursor_comes_back_from_its_json(cursor: Cursor) -> None:
    """Files and manifests keep it; a topic id may be any text."""
    assert Cursor.parse(json.dumps(cursor.to_json())) == cursor


@given(cursors, cursors)
def test_a_merged_cursor_never_moves_back(one: Cursor, other: Cursor) -> None:
    """What retention has dropped was given, and must not be taken for new."""
    merged = one.merged(other)
    for earlier in (one, other):
        assert merged.as_of_ms >= earlier.as_of_ms
        assert all(merged.features[source] >= position for source, position in earlier.features.items())
        assert all(merged.labels[source] >= position for source, position in earlier.labels.items())
    assert {*merged.features} == {*one.features, *other.features}
    assert merged.missing_before_ms == one.missing_before_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "7",
        '{"format": 2}',
        '{"format": 1}',
        '{"format": 1, "as_of": "x", "missing_before": null}',
        '{"format": 1, "as_of": 1, "missing_before": null, "features": [], "labels": {}}',
        '{"format": 1, "as_of": 1e999, "missing_before": null, "features": {}, "labels": {}}',
        '{"format": 1, "as_of": 1, "missing_before": -1e300, "features": {}, "labels": {}}',
        '{"format": 1, "as_of": 1, "missing_before": null, "features": {"t": {"4294967296": 1}}, "labels": {}}',
        '{"format": 1, "as_of": 1, "missing_before": null, "features": {}, "labels": {"t": {"0": 1e30}}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_cursor_is_refused_in_one_line(text: str) -> None:
    """Somebody names another file, or edits it by hand."""
    with pytest.raises(BufferingError, match="cursor of labelled examples"):
        Cursor.parse(text)
