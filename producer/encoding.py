"""Score records as bytes: one flat record, in JSON or Avro, the same fields in both.

Both encoders work by columns: what is the same in every record of a batch is encoded once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from models.base import Scores
from producer.avro_layout import Choice, Constant, Doubles, Part, Varints, assemble, text, varint


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    """Everything a batch of score records says, in columns of one length.

    Attributes:
        event_ids: Text ids.
        event_times: Epoch milliseconds.
        scores: What the model said.
        classes: Names for the columns of the probabilities.
        model_version: The one version that scored them all.
        role: ``champion``, ``challenger`` or ``rescore``.
        scored_at: Epoch milliseconds, one moment for the batch.
        topics: Source topic of each record.
        partitions: Source partition of each record.
        offsets: Source offset of each record.
        passthrough: By field name, one plain value per record.
    """

    event_ids: Sequence[str]
    event_times: npt.NDArray[np.int64]
    scores: Scores
    classes: Sequence[str]
    model_version: str
    role: str
    scored_at: int
    topics: Sequence[str]
    partitions: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    passthrough: Mapping[str, Sequence[Any]]

    def part(self, records: slice) -> ScoreColumns:
        """Return what they say of some of the records."""
        said = self.scores
        return replace(
            self,
            event_ids=self.event_ids[records],
            event_times=self.event_times[records],
            scores=Scores(
                score=said.score[records],
                prediction=None if said.prediction is None else said.prediction[records],
                probabilities=None if said.probabilities is None else said.probabilities[records],
            ),
            topics=self.topics[records],
            partitions=self.partitions[records],
            offsets=self.offsets[records],
            passthrough={name: values[records] for name, values in self.passthrough.items()},
        )


class ScoreEncoder(Protocol):
    """Turns columns into record values."""

    def encode(self, columns: ScoreColumns) -> list[bytes]:
        """Return one value per record, in order."""
        ...


_NULLABLE_PLAIN = ["null", "boolean", "long", "double", "string"]
RESERVED_FIELDS = (
    "event_id",
    "event_time",
    "score",
    "prediction",
    "probabilities",
    "decision",
    "service",
    "model_name",
    "model_version",
    "role",
    "scored_at",
    "source_topic",
    "source_partition",
    "source_offset",
)


def score_record_schema(passthrough: Sequence[str] = ()) -> dict[str, Any]:
    """Return the Avro schema of a score record; every later addition is nullable with a default.

    >>> [field["name"] for field in score_record_schema(["card_id"])["fields"]][-2:]
    ['source_offset', 'card_id']
    """
    types: dict[str, Any] = {
        "event_time": {"type": "long", "logicalType": "timestamp-millis"},
        "score": "double",
        "probabilities": ["null", {"type": "map", "values": "double"}],
        "prediction": ["null", "string"],
        "decision": ["null", "string"],
        "scored_at": {"type": "long", "logicalType": "timestamp-millis"},
        "source_partition": "int",
        "source_offset": "long",
    }
    fields: list[dict[str, Any]] = []
    for name in RESERVED_FIELDS:
        kind = types.get(name, "string")
        fields.append({"name": name, "type": kind} | ({"default": None} if isinstance(kind, list) else {}))
    fields += [{"name": name, "type": _NULLABLE_PLAIN, "default": None} for name in passthrough]
    return {"type": "record", "name": "Score", "namespace": "tidemill", "fields": fields}


class JsonScoreEncoder:
    """Scores as JSON objects."""

    def __init__(self, *, service: str, model_name: str, with_probabilities: bool = False) -> None:
        """Keep what is the same in every record."""
        self._with_probabilities = with_probabilities
        self._json = msgspec.json.Encoder()
        self._model = b',"decision":null,"service":%b,"model_name":%b,"model_version":' % (
            self._json.encode(service),
            self._json.encode(model_name),
        )

    def encode(self, columns: ScoreColumns) -> list[bytes]:
        """Return one JSON object per record."""
        said, one, lines = columns.scores, self._json.encode, self._lines
        count = len(columns.event_ids)
        names, which = _distinct([None] * count if said.prediction is None else said.prediction)
        topics, topic_of = _distinct(columns.topics)
        predictions = [b',"prediction":' + one(name) + b',"probabilities":' for name in names]
        model = b"".join(
            (
                self._model,
                one(columns.model_version),
                b',"role":',
                one(columns.role),
                b',"scored_at":%d,"source_topic":' % columns.scored_at,
            )
        )
        sources = [model + one(topic) + b',"source_partition":' for topic in topics]
        return [
            b'{"event_id":%b,"event_time":%b,"score":%b%b%b%b%b,"source_offset":%b%b}' % row
            for row in zip(
                lines(columns.event_ids),
                lines(columns.event_times.tolist()),
                lines(said.score.tolist()),
                [predictions[at] for at in which.tolist()],
                self._probabilities(columns),
                [sources[at] for at in topic_of.tolist()],
                lines(columns.partitions.tolist()),
                lines(columns.offsets.tolist()),
                self._passthrough(columns),
                strict=True,
            )
        ]

    def _lines(self, values: Sequence[Any]) -> list[bytes]:
        """Return each value as JSON; no line end is inside of one, as JSON escapes it."""
        return self._json.encode_lines(values).split(b"\n")[: len(values)]

    def _probabilities(self, columns: ScoreColumns) -> Sequence[bytes]:
        probabilities = columns.scores.probabilities
        if not self._with_probabilities or probabilities is None:
            return [b"null"] * len(columns.event_ids)
        return self._lines([dict(zip(columns.classes, row, strict=True)) for row in probabilities.tolist()])

    def _passthrough(self, columns: ScoreColumns) -> Sequence[bytes]:
        rows = [b""] * len(columns.event_ids)
        for name, values in columns.passthrough.items():
            label = b"," + self._json.encode(name) + b":"
            rows = [row + label + value for row, value in zip(rows, self._lines(values), strict=True)]
        return rows


class AvroScoreEncoder:
    """Scores as Avro in the schema of ``score_record_schema``.

    ``prefix`` gives what stands before each record, asked once a batch: nothing for bare Avro, the registry's
    framing otherwise. It may raise ``SchemasUnavailable``, which ``encode`` lets through.
    """

    def __init__(
        self,
        *,
        service: str,
        model_name: str,
        passthrough: Sequence[str] = (),
        with_probabilities: bool = False,
        prefix: Callable[[], bytes] = bytes,
    ) -> None:
        """Keep what is the same in every record."""
        self._prefix = prefix
        self._passthrough = list(passthrough)
        self._with_probabilities = with_probabilities
        self._model = text(service) + text(model_name)

    def encode(self, columns: ScoreColumns) -> list[bytes]:
        """Return one Avro record per record; a passthrough value that is not plain is sent as JSON text."""
        prefix, ids = self._prefix(), list(map(str.encode, columns.event_ids))
        leads = {length: prefix + varint(length) for length in set(map(len, ids))}
        rests = assemble(list(self._parts(columns)), len(ids))
        for name in self._passthrough:
            values = columns.passthrough.get(name)
            ends = [_NULL] * len(ids) if values is None else list(map(_plain, values))
            rests = [rest + end for rest, end in zip(rests, ends, strict=True)]
        join = b"".join
        return [join((leads[len(event_id)], event_id, rest)) for event_id, rest in zip(ids, rests, strict=True)]

    def _parts(self, columns: ScoreColumns) -> Iterator[Part]:
        """Yield what follows the id, in the order of ``RESERVED_FIELDS``."""
        said = columns.scores
        yield Varints(columns.event_times)
        yield Doubles(said.score)
        if said.prediction is None:
            yield Constant(_NULL)
        else:
            names, which = _distinct(said.prediction)
            yield Choice(which, [_PRESENT + text(name) for name in names])
        if self._with_probabilities and said.probabilities is not None:
            yield from _map_of_doubles(columns.classes, said.probabilities)
        else:
            yield Constant(_NULL)
        same = _NULL + self._model + text(columns.model_version) + text(columns.role) + varint(columns.scored_at)
        topics, which = _distinct(columns.topics)
        yield Choice(which, [same + text(topic) for topic in topics])
        yield Varints(columns.partitions)
        yield Varints(columns.offsets)


_NULL = varint(0)  # the first branch of every union of ours
_PRESENT = varint(1)  # the second one


def _map_of_doubles(names: Sequence[str], values: npt.NDArray[np.float64]) -> Iterator[Part]:
    """Yield the parts of a nullable map that is not null."""
    yield Constant(_PRESENT + (varint(len(names)) if names else b""))
    for name, column in zip(names, values.T, strict=True):
        yield Constant(text(name))
        yield Doubles(column)
    yield Constant(varint(0))


def _distinct(values: Sequence[Any]) -> tuple[list[Any], npt.NDArray[np.int64]]:
    """Return the distinct values, and for each value which of them it is."""
    count, first = len(values), values[:1]
    if first and values.count(first[0]) == count:  # one source topic, as a rule
        return list(first), np.zeros(count, dtype=np.int64)
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return list(numbers), np.fromiter(map(numbers.__getitem__, values), np.int64, count)


def _plain(value: Any) -> bytes:
    """Return a value as a union of ``_NULLABLE_PLAIN``."""
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return varint(1) + (b"\x01" if value else b"\x00")
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return varint(2) + varint(value)
    if isinstance(value, int | float):
        return varint(3) + struct.pack("<d", value)
    return varint(4) + text(value if isinstance(value, str) else msgspec.json.encode(value).decode())
