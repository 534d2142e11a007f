"""A first schema for data nobody has described yet: what ``tidemill init`` proposes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from features.column_profile import (
    MAX_DISTINCT,
    ColumnProfile,
    field_name,
    looks_like,
    propose,
    read_cell,
    read_value,
)
from features.envelope import NOTE as ENVELOPE_NOTE
from features.envelope import inside
from features.errors import TableError
from features.identity import event_time_ms
from features.paths import split, value_at
from features.rejection import Problem
from features.rows import LineProblem, Rows
from features.sample import EventSample
from features.schema import FeatureSchema, Field, Roles
from features.tables import DEFAULT_CHUNK_ROWS, open_table, require_columns

MAX_CLASSES = 20  # more different numbers than this are taken for a quantity
MAX_ROWS = 1_000_000  # enough to see what a file is like
NO_LABEL = "no label is named: scoring needs none, but training does; name its path in labels.inline"
_NATURAL_CLASSES = ({"0", "1"}, {"false", "true"})
_AVRO_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True, slots=True)
class Inferred:
    """A proposal; a person reads the notes and corrects it.

    Attributes:
        schema: The fields and roles.
        task: What the label asks for; classification where none is named.
        classes: How often each class occurs, as text, most frequent first; empty for a regression.
        positive: The class whose probability should be the score: the rarer of two; None where the
            classes are 0/1 or false/true, which say so themselves, and where there are not two.
        n_rows: Events looked at; 0 where only their schema was.
        notes: Lines for the person.
    """

    schema: FeatureSchema
    task: Literal["classification", "regression"]
    classes: Mapping[str, int]
    positive: str | None
    n_rows: int
    notes: Sequence[str]


def infer(
    path: Path | str,
    *,
    label: str,
    id: str | None = None,  # noqa: A002 - the word of the service file
    key: str | None = None,
    time: str | None = None,
) -> Inferred:
    """Return the schema that a file of labelled events suggests.

    Raises:
        TableError: The file cannot be read, lacks a column named here, or has nothing to learn from.
    """
    roles = Roles(id=id, key=key, time=time, label=label)
    survey = _Survey(open_table(path), roles, origin=str(path), read=read_cell)
    return _proposal(survey, roles)


def infer_events(events: Sequence[Mapping[str, Any]], roles: Roles, *, origin: str) -> Inferred:
    """Return the schema that a sample of decoded events suggests; ``origin`` names it for a person.

    Nothing is read as anything else than it is: the stream would not do so either. Of a change-data envelope
    the fields of the new row are taken.

    Raises:
        TableError: A path named in ``roles`` is in none of them, or they have nothing to learn from.
    """
    sample = EventSample(events)
    within = inside(sample.columns)
    if within is not None:  # a delete has no new row, which says nothing about the fields
        sample = EventSample([event for event in events if value_at(event, split(within)[:-1])])
    return _proposal(_Survey(sample, roles, origin=origin, read=read_value), roles)


def _proposal(survey: _Survey, roles: Roles) -> Inferred:
    survey.read()
    survey.refuse_what_could_never_work()
    fields, notes = survey.fields()
    if not fields:
        raise TableError(f"{survey.origin}: no column can be a feature: {'; '.join(notes)}")
    classes, task, label_notes = _labels(survey.labels, roles.label)
    positive = _positive(classes)
    if positive is not None:
        label_notes.append(f"positive is {positive!r}, the rarer of the two classes; change it if you mean the other")
    return Inferred(
        schema=FeatureSchema(tuple(fields), roles),
        task=task,
        classes=classes,
        positive=positive,
        n_rows=survey.n_rows,
        notes=(*label_notes, *survey.role_notes(), *notes),
    )


class _Survey:
    """One pass over the rows: a profile of each column, and the labels."""

    def __init__(self, table: Rows, roles: Roles, *, origin: str, read: Callable[[Any], Any]) -> None:
        require_columns(table, origin, names=[roles.label, roles.id, roles.key, roles.time])
        self.origin = origin
        self._table = table
        self._roles = roles
        inner = {parent for name in table.columns for parent in _parents(name)}
        self._profiles = {name: ColumnProfile(name, read=read) for name in table.columns if name not in inner}
        self.labels: Counter[Any] = Counter()
        self.n_rows = 0
        self._bad_line: LineProblem | None = None
        self._bad_lines = 0
        self._bad_time: Problem | None = None
        self._readable_times = 0
        self._is_cut = False

    def read(self) -> None:
        """Look at the rows, up to ``MAX_ROWS`` of them."""
        names = list(self._profiles)
        for chunk in self._table.chunks(names, chunk_rows=DEFAULT_CHUNK_ROWS):
            self.n_rows += len(chunk.lines)
            self._bad_lines += len(chunk.problems)
            self._bad_line = self._bad_line or next(iter(chunk.problems), None)
            for name, profile in self._profiles.items():
                for cell in chunk.cells[name]:
                    profile.see(cell)
            if self._roles.label is not None:
                self.labels.update(map(_label_text, chunk.cells[self._roles.label]))
            if self._roles.time is not None and (self._bad_time is None or not self._readable_times):
                self._look_at_times(self._table.instants(chunk.cells[self._roles.time]), self._roles.time)
            if self.n_rows >= MAX_ROWS:
                self._is_cut = True
                return

    def _look_at_times(self, values: Sequence[Any], path: str) -> None:
        found = [event_time_ms(value, path=path) for value in values]
        self._bad_time = self._bad_time or next((value for value in found if isinstance(value, Problem)), None)
        self._readable_times += sum(not isinstance(value, Problem) for value in found)

    def refuse_what_could_never_work(self) -> None:
        """Raise ``TableError`` where nothing can be read, or no event has a time that can."""
        if self.n_rows == 0:
            bad = self._bad_line
            why = "to look at" if bad is None else f"that can be read; line {bad.line}: {bad.detail}"
            raise TableError(f"{self.origin}: it has no rows {why}")
        if self._bad_time is not None and not self._readable_times:
            detail = self._bad_time.detail
            raise TableError(f"{self.origin}: in no event can the time be read: {detail}; or leave the time out")

    def fields(self) -> tuple[list[Field], list[str]]:
        """Return the proposed fields, in the file's order, and the notes about columns."""
        fields: list[Field] = []
        notes: list[str] = []
        roles = {self._roles.label, self._roles.id, self._roles.key, self._roles.time}
        within = inside(self._table.columns)
        notes += [] if within is None else [ENVELOPE_NOTE.format(path=within)]
        for column, profile in self._profiles.items():
            if column in roles or not column.startswith(within or ""):
                continue
            proposed, remarks = propose(profile, name=field_name(column, {f.name for f in fields}))
            notes += remarks
            fields += [] if proposed is None else [proposed]
        odd = [f.source for f in fields if not _AVRO_PATH.fullmatch(f.source)]
        if odd:
            named = ", ".join(map(repr, odd[:5]))
            notes.append(f"{named}: Avro does not allow such names; with them events must be JSON")
        return fields, notes

    def role_notes(self) -> list[str]:
        """Return what is odd about id, time and the rows as a whole."""
        notes: list[str] = []
        if self._roles.id is not None:
            profile = self._profiles[self._roles.id]
            if profile.nulls:
                notes.append(f"{profile.nulls} events have no id; they will not be scored")
            if len(profile.distinct) < min(profile.filled, MAX_DISTINCT):
                notes.append(f"the id {self._roles.id!r} is not unique; a repeated id is a second event")
        if self._bad_time is not None:
            notes.append(f"{self._bad_time.detail}; such events will not be scored")
        if self._bad_lines:
            notes.append(f"{self._bad_lines} lines cannot be read and are left out")
        if self._is_cut:
            notes.append(f"only the first {self.n_rows} rows were looked at")
        return notes


def _parents(path: str) -> list[str]:
    steps = path.split(".")
    return [".".join(steps[:depth]) for depth in range(1, len(steps))]


def _label_text(cell: Any) -> Any:
    """Return the class a label cell names, as text; None for an empty one."""
    if cell is None or cell == "" or cell != cell:  # noqa: PLR0124 - NaN counts as null
        return None
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _labels(
    counts: Counter[Any], label: str | None
) -> tuple[dict[str, int], Literal["classification", "regression"], list[str]]:
    if label is None:
        return {}, "classification", [NO_LABEL]
    notes: list[str] = []
    unlabelled = counts.pop(None, 0)
    if unlabelled:
        notes.append(f"{unlabelled} events have no label; they are not learnt from")
    if not counts:
        raise TableError(f"the label {label!r} is empty everywhere")
    is_quantity = len(counts) > MAX_CLASSES and all(isinstance(looks_like(text), int | float) for text in counts)
    if is_quantity:
        return {}, "regression", notes
    if len(counts) == 1:
        notes.append(f"the label {label!r} has one class only: there is nothing to learn yet")
    return dict(counts.most_common()), "classification", notes


def _positive(classes: Mapping[str, int]) -> str | None:
    if len(classes) != 2 or {name.lower() for name in classes} in _NATURAL_CLASSES:
        return None
    return min(classes, key=lambda name: (classes[name], name))
