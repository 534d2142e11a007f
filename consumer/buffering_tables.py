"""What the buffering worker asks of tables and cluster: slow things, done aside one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import pyarrow as pa

from buffer.table import BufferTable, TableName
from consumer.buffering_places import Place
from consumer.buffering_rows import Load
from consumer.places import TopicDirectory
from producer.records import TopicPartition

Reached: TypeAlias = Callable[[str], None]
"""Told the name of each step that a process may die at; see ``service/failpoints.py``."""


class TopicsRemade(Exception):
    """Topics were deleted and made again since the rows were read: drop them, and look the partitions up anew."""

    def __init__(self, topics: Iterable[str]) -> None:
        """Name the topics."""
        self.topics = tuple(topics)
        super().__init__(f"deleted and made again: {', '.join(self.topics)}")


class TableWork:
    """Implements the errands; used from one thread at a time. Every method may take as long as the tables do."""

    def __init__(
        self,
        tables: Mapping[TableName, BufferTable],
        directory: TopicDirectory,
        *,
        prepare: Callable[[], None],
        reached: Reached,
    ) -> None:
        """Take the tables, who knows the topics, and what makes the tables ready."""
        self._tables = tables
        self._directory = directory
        self._prepare = prepare
        self._reached = reached

    def prepare(self) -> None:
        """Make the tables ready, once, before anything else; raises what the tables raise."""
        self._prepare()

    def look_up(self, partitions: Mapping[TopicPartition, TableName]) -> Mapping[TopicPartition, Place]:
        """Return the places of these; one whose topic does not exist is absent.

        Raises:
            TableUnavailable: Not now.
            SourceUnreachable: Not now.
            TableRefused: Never.
            SourceRefused: Never.
        """
        identities = self._directory.identities({at.topic for at in partitions})
        known = {at: identities[at.topic] for at in partitions if at.topic in identities}
        places: dict[TopicPartition, Place] = {}
        for name in sorted({partitions[at] for at in known}):
            app_ids = {at: known[at].app_id(at.partition) for at in known if partitions[at] == name}
            stored = self._tables[name].positions(list(app_ids.values()))
            places |= {at: Place(known[at], stored.get(app), stored.get(app)) for at, app in app_ids.items()}
        return places

    def append(self, load: Load) -> None:
        """Append to the table.

        Raises:
            TopicsRemade: The rows may be of a topic that is gone.
            Overtaken: See ``BufferTable.append``.
            TableUnavailable: See there.
            SourceUnreachable: It cannot be seen whether the topics are still the same.
        """
        now = self._directory.identities(load.identities)
        # A topic that is gone altogether is not another one: what was read of it is kept.
        remade = [topic for topic, read in load.identities.items() if now.get(topic, read) != read]
        if remade:
            raise TopicsRemade(remade)
        table = self._tables[load.table]
        rows = pa.concat_tables(load.rows) if load.rows else pa.table({})
        self._reached(f"before_append_{load.table}")
        table.append(rows, list(load.stretches.values()))
        self._reached(f"after_append_{load.table}")


@dataclass(frozen=True, slots=True)
class Done:
    """How an errand ended: with a result, or with what it raised."""

    result: object
    error: BaseException | None
    seconds: float


class Errands(Protocol):
    """Does one thing at a time, aside, so that the caller can go on polling."""

    @property
    def is_busy(self) -> bool:
        """Return whether an errand runs, or its end was not collected yet."""
        ...

    def start(self, errand: Callable[[], object]) -> None:
        """Begin; only when not busy."""
        ...

    def collect(self) -> Done | None:
        """Return how the errand ended, once; None while it runs."""
        ...

    def wait(self, timeout: float) -> None:
        """Wait until it has ended, or ``timeout`` seconds."""
        ...


class ThreadErrands:
    """A daemon thread for each errand: a table that hangs for ever keeps no process from ending."""

    def __init__(self) -> None:
        self._is_busy = False
        self._done: Done | None = None
        self._ended = threading.Event()

    @property
    def is_busy(self) -> bool:
        """Return whether an errand runs, or its end was not collected yet."""
        return self._is_busy

    def start(self, errand: Callable[[], object]) -> None:
        """Begin in a new thread."""
        self._is_busy = True
        self._ended.clear()
        threading.Thread(target=self._run, args=(errand,), name="buffer-tables", daemon=True).start()

    def collect(self) -> Done | None:
        """Return how it ended."""
        if not self._is_busy or not self._ended.is_set():
            return None
        done, self._done = self._done, None
        self._is_busy = False
        return done

    def wait(self, timeout: float) -> None:
        """Wait for the end."""
        if self._is_busy:
            self._ended.wait(timeout)

    def _run(self, errand: Callable[[], object]) -> None:
        began = time.monotonic()
        result: object = None
        error: BaseException | None = None
        try:
            result = errand()
        except BaseException as raised:  # the table library panics with one; who collects it must hear of it
            error = raised
        self._done = Done(result, error, time.monotonic() - began)
        self._ended.set()
