"""Score records encoded run by run, so that the client sends one while the next is encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, overload

from producer.encoding import ScoreColumns, ScoreEncoder

RUN_RECORDS: Final = 2_500  # of fewer the encoder's fixed cost tells, of more the client waits for the first


class EncodedInRuns(Sequence[bytes]):
    """The record values of a batch, encoded run by run while they are gone through.

    So the client sends one run while the next is encoded. The first is encoded at once: what can fail, as a
    schema that cannot be had, fails before anything is sent.
    """

    def __init__(self, encoder: ScoreEncoder, columns: ScoreColumns) -> None:
        """Take the columns, and encode the first run."""
        self._encoder = encoder
        self._columns = columns
        self._runs = [self._encoded(0)]

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._columns.event_ids)

    def __iter__(self) -> Iterator[bytes]:
        """Return the values in order."""
        return chain.from_iterable(map(self._run, range(-(-len(self) // RUN_RECORDS))))

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        """Return a value, or those of a slice; all runs up to it are encoded."""
        if isinstance(index, int):
            at = range(len(self))[index]
            return self._run(at // RUN_RECORDS)[at % RUN_RECORDS]
        places = range(len(self))[index]
        return [self[at] for at in places] if places.step != 1 else self._stretch(places.start, places.stop)

    def _stretch(self, begin: int, end: int) -> list[bytes]:
        found: list[bytes] = []
        while begin < end:
            run, at = divmod(begin, RUN_RECORDS)
            values = self._run(run)[at : at + end - begin]
            found += values
            begin += len(values)
        return found

    def _run(self, number: int) -> list[bytes]:
        while len(self._runs) <= number:
            self._runs.append(self._encoded(len(self._runs)))
        return self._runs[number]

    def _encoded(self, number: int) -> list[bytes]:
        begin = number * RUN_RECORDS
        return self._encoder.encode(self._columns.part(slice(begin, begin + RUN_RECORDS)))
