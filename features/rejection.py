"""Why a record is not scored: a typed outcome, never an exception that stops a batch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The step of an event's walk at which it was turned away."""

    DECODE = "decode"
    VALIDATE = "validate"
    SCORE = "score"
    PUBLISH = "publish"


class Reason(StrEnum):
    """The documented, bounded set of reasons a dead letter can have.

    These are label values of ``tidemill_dead_letters_total`` and the value of the header
    ``tidemill.reason``: adding one is free, renaming one breaks users' alerts.
    """

    EMPTY = "empty"
    UNDECODABLE = "undecodable"
    UNKNOWN_SCHEMA = "unknown_schema"
    SCHEMA_NOT_ALLOWED = "schema_not_allowed"
    MISSING = "missing"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    OUT_OF_RANGE = "out_of_range"
    WRONG_LENGTH = "wrong_length"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    MODEL_FAILED = "model_failed"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One record that has no score, and why.

    Attributes:
        row: Position of the record in the polled batch, counted from 0.
        stage: The step that turned it away.
        reason: One of the documented reasons.
        detail: One line for a person: what, where, and what was expected. At most
            ``MAX_DETAIL_CHARS`` characters; it may quote a piece of the offending value.
    """

    row: int
    stage: Stage
    reason: Reason
    detail: str


MAX_DETAIL_CHARS = 500  # it travels in a header of every dead letter


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one value; stands where the value would until its row is turned away."""

    reason: Reason
    detail: str

    def at(self, row: int) -> Rejection:
        """Return the rejection of a row for this problem, its detail cut to what a header may hold.

        >>> Problem(Reason.UNDECODABLE, "not UTF-8").at(3).stage
        <Stage.DECODE: 'decode'>
        """
        stage = Stage.DECODE if self.reason in _DECODE_REASONS else Stage.VALIDATE
        detail = self.detail
        if len(detail) > MAX_DETAIL_CHARS:
            detail = detail[: MAX_DETAIL_CHARS - 1] + "…"
        return Rejection(row=row, stage=stage, reason=self.reason, detail=detail)


_DECODE_REASONS = frozenset(
    {Reason.EMPTY, Reason.UNDECODABLE, Reason.UNKNOWN_SCHEMA, Reason.SCHEMA_NOT_ALLOWED, Reason.TOO_LARGE}
)
