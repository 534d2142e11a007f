from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

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


def test_patience_lets_many_ask_at_once() -> None:
    """Calls that are under way and not late keep nobody else from asking."""
    together = threading.Barrier(2 * MAX_HANGING)
    patience = Patience(60)
    with ThreadPoolExecutor(2 * MAX_HANGING) as threads:
        said = list(threads.map(lambda _: patience.wait_for(together.wait), range(2 * MAX_HANGING)))
    assert sorted(said) == list(range(2 * MAX_HANGING))


def test_patience_asks_again_when_late_calls_have_ended() -> None:
    """A registry that hung and came back is asked again."""
    released = threading.Event()
    patience = Patience(0.01)
    for _ in range(MAX_HANGING):
        with pytest.raises(TimeoutError):
            patience.wait_for(lambda: released.wait(60))
    released.set()
    for thread in threading.enumerate():
        if thread.name == "schema-registry":
            thread.join()
    patience.seconds = 60
    assert patience.wait_for(lambda: 7) == 7
