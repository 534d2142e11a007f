"""Score records as bytes: one flat record, in JSON or Avro, the same fields in both."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import fastavro
import msgspec
import numpy as np
import numpy.typing as npt

from models.base import Scores


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
        self._rows = _Rows(service, model_name, with_probabilities=with_probabilities)
        self._encoder = msgspec.json.Encoder()

    def encode(self, columns: ScoreColumns) -> list[bytes]:
        """Return one JSON object per record."""
        return [self._encoder.encode(row) for row in self._rows.of(columns)]


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
        """Parse the schema once."""
        self._prefix = prefix
        self._rows = _Rows(service, model_name, with_probabilities=with_probabilities)
        self._passthrough = list(passthrough)
        self._schema = fastavro.parse_schema(score_record_schema(passthrough))

    def encode(self, columns: ScoreColumns) -> list[bytes]:
        """Return one Avro record per record; a passthrough value that is not plain is sent as JSON text."""
        values = []
        prefix = self._prefix()
        for row in self._rows.of(columns):
            for name in self._passthrough:
                row[name] = _plain(row.get(name))
            out = io.BytesIO()
            fastavro.schemaless_writer(out, self._schema, row)
            values.append(prefix + out.getvalue())
        return values


class _Rows:
    """The records of a batch as plain mappings, in the order of ``RESERVED_FIELDS``."""

    def __init__(self, service: str, model_name: str, *, with_probabilities: bool) -> None:
        self._service = service
        self._model_name = model_name
        self._with_probabilities = with_probabilities

    def of(self, columns: ScoreColumns) -> list[dict[str, Any]]:
        said = columns.scores
        count = len(columns.event_ids)
        probabilities: Sequence[dict[str, float] | None] = [None] * count
        if self._with_probabilities and said.probabilities is not None:
            probabilities = [dict(zip(columns.classes, row, strict=True)) for row in said.probabilities.tolist()]
        rows = [
            {
                "event_id": event_id,
                "event_time": event_time,
                "score": score,
                "prediction": prediction,
                "probabilities": by_class,
                "decision": None,
                "service": self._service,
                "model_name": self._model_name,
                "model_version": columns.model_version,
                "role": columns.role,
                "scored_at": columns.scored_at,
                "source_topic": topic,
                "source_partition": partition,
                "source_offset": offset,
            }
            for event_id, event_time, score, prediction, by_class, topic, partition, offset in zip(
                columns.event_ids,
                columns.event_times.tolist(),
                said.score.tolist(),
                said.prediction if said.prediction is not None else [None] * count,
                probabilities,
                columns.topics,
                columns.partitions.tolist(),
                columns.offsets.tolist(),
                strict=True,
            )
        ]
        for name, values in columns.passthrough.items():
            for row, value in zip(rows, values, strict=True):
                row[name] = value
        return rows


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else float(value)
    return msgspec.json.encode(value).decode()
