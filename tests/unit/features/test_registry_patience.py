from __future__ import annotations

import threading

import pytest

from features.registry_patience import MAX_HANGING, Patience


def test_patience_gives_what_the_call_gives() -> None:
    """Waiting changes nothing: the value is returned, the error raised."""
    patience = Patience(60)
    assert [patience.wait_for(lambda: 7) for _ in range(2 * MAX_HANGING)] == [7] * 2 * MAX_HANGING
    with pytest.raises(KeyError):
        patience.wait_for({}.popitem)


def test_patience_ends_and_leaves_few_calls_behind() -> None:
    """A call that never ends costs its time and a thread, and there are never many such threads."""
    released, begun = threading.Event(), list[int]()
    patience = Patience(0.01)

    def hang() -> None:
        begun.append(1)
        released.wait(60)

    for _ in range(MAX_HANGING + 3):
        with pytest.raises(TimeoutError):
            patience.wait_for(hang)
    released.set()
    assert len(begun) == MAX_HANGING
