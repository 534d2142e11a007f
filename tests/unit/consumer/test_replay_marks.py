from __future__ import annotations

import base64
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.replay_marks import MAX_NOTE_CHARS, MarkKeeper, Marks, _varints

offset_sets = st.frozensets(st.integers(0, 400), max_size=120)


def ranges_of(offsets: frozenset[int]) -> tuple[tuple[int, int], ...]:
    """Return the half-open ranges that cover exactly these offsets."""
    found: list[tuple[int, int]] = []
    for offset in sorted(offsets):
        if found and found[-1][1] == offset:
            found[-1] = (found[-1][0], offset + 1)
        else:
            found.append((offset, offset + 1))
    return tuple(found)


@given(low=st.integers(0, 2**62), offsets=offset_sets)
def test_note_gives_back_the_same_marks(low: int, offsets: frozenset[int]) -> None:
    """What a run commits is what the next one knows."""
    marks = Marks(low, tuple((low + first, low + end) for first, end in ranges_of(offsets)))
    assert Marks.read(low, marks.note()) == marks


@given(existing=offset_sets, runs=st.lists(offset_sets, max_size=4))
def test_keeper_knows_exactly_what_was_done(existing: frozenset[int], runs: list[frozenset[int]]) -> None:
    """Of the letters that exist, those of any earlier run are done and no other is."""
    marks = Marks()
    for wanted in runs:
        keeper = MarkKeeper(marks)
        for offset in sorted(o for o in existing if o >= marks.low):
            (keeper.done if offset in wanted or offset in marks else keeper.held)(offset)
        marks = Marks.read(keeper.now().low, keeper.now().note())
    done = existing & frozenset[int]().union(*runs)
    assert {offset for offset in existing if offset in marks} == done


@given(existing=offset_sets, wanted=offset_sets, stop=st.integers(0, 400))
def test_run_that_ends_early_forgets_nothing_behind_it(
    existing: frozenset[int], wanted: frozenset[int], stop: int
) -> None:
    """A run with a limit commits what it did, and keeps what earlier ones did further on."""
    earlier = MarkKeeper(Marks())
    for offset in sorted(existing):
        (earlier.done if offset in wanted else earlier.held)(offset)
    marks = earlier.now()
    later = MarkKeeper(marks)
    for offset in sorted(o for o in existing if marks.low <= o < stop):
        later.done(offset)
    assert {o for o in existing if o in later.now()} == {o for o in existing if o in wanted or o < stop}


def test_ranges_join_across_what_holds_no_letter() -> None:
    """Each transaction leaves a marker in the log: it must not cost room for every letter."""
    keeper = MarkKeeper(Marks())
    keeper.held(0)
    for offset in range(1, 400, 2):
        keeper.done(offset)
    assert keeper.now() == Marks(0, ((1, 400),))


def test_record_that_never_goes_back_holds_nothing_up() -> None:
    """A foreign record at the beginning would otherwise keep the mark there for ever."""
    keeper = MarkKeeper(Marks())
    for tell, offset in ((keeper.never, 0), (keeper.done, 1), (keeper.never, 2), (keeper.done, 3)):
        tell(offset)
    assert keeper.now() == Marks(4)


def test_passing_over_leaves_nothing_waiting() -> None:
    """With it the low-water mark is just behind the last letter sent, and no ranges are needed."""
    keeper = MarkKeeper(Marks(0, ((2, 3), (9, 10))))
    keeper.held(0)
    keeper.pass_over(5)
    assert keeper.now() == Marks(6, ((9, 10),))


def test_marks_say_when_they_no_longer_fit() -> None:
    """A commit that the broker refuses for its note would undo the letters sent with it."""
    chance = random.Random(1)
    offsets = frozenset(chance.sample(range(10**6), 10_000))
    small, large = Marks(0, ranges_of(frozenset(sorted(offsets)[:1000]))), Marks(0, ranges_of(offsets))
    assert (small.fits(), large.fits()) == (True, False)
    assert len(small.note()) <= MAX_NOTE_CHARS < len(large.note())


def test_every_other_letter_takes_hardly_any_room() -> None:
    """The usual filter leaves a regular pattern, and that is what the note is good at."""
    assert len(Marks(0, ranges_of(frozenset(range(1, 200_000, 2)))).note()) < 500


def noted(*steps: int) -> str:
    """Return a note of these numbers, whatever they mean."""
    packed = zlib.compressobj(wbits=-15)
    return "1" + base64.b85encode(packed.compress(_varints(steps)) + packed.flush()).decode()


@pytest.mark.parametrize(
    "note", ["", "hello", "2abc", "1!", "1\u00fc", "1" + "0" * 7, noted(3), noted(3, 0), noted(1 << 63, 1)]
)
def test_note_of_somebody_else_is_refused(note: str) -> None:
    """A group of the same name may belong to another program; guessing would send letters twice, or never."""
    with pytest.raises(ValueError, match="it "):
        Marks.read(5, note)
