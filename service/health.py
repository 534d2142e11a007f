"""Is the process alive, and is it ready: pure judgements, asked by the probes of the orchestrator.

Liveness never asks the broker: restarting every replica because a broker is away makes an outage longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Phase(StrEnum):
    """Where the process is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"


class Reason(StrEnum):
    """Why a probe answers as it does; these words stand in the body of the answer."""

    OK = "ok"
    STARTING = "starting"
    DRAINING = "draining"
    NO_CHAMPION = "no_champion"
    NOT_JOINED = "not_joined"
    SCHEMA_REGISTRY = "schema_registry"
    BUFFER = "buffer"
    STALLED_WORKER = "stalled_worker"
    WORKER_ENDED = "worker_ended"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a probe; ``detail`` is one line for a person."""

    ok: bool
    reason: Reason
    detail: str = ""


ALIVE = Verdict(ok=True, reason=Reason.OK)
NOT_JOINED_DETAIL = "the consumer group has not been joined yet"


class Probes(Protocol):
    """What the admin server asks; called from several threads, must answer at once."""

    def live(self) -> Verdict:
        """Return whether the process should go on living."""
        ...

    def ready(self) -> Verdict:
        """Return whether the process does its work."""
        ...


def liveness(now: float, last_beat: float, *, limit_s: float) -> Verdict:
    """Judge by the age of the loop's last sign of life alone; both times are of one monotonic clock.

    ``limit_s`` must exceed the longest time one guarded step may take.
    """
    age = now - last_beat
    if age <= limit_s:
        return ALIVE
    detail = f"the worker gave its last sign of life {age:.0f} s ago; {limit_s:g} s are allowed"
    return Verdict(ok=False, reason=Reason.STALLED_WORKER, detail=detail)


def readiness(*, phase: Phase, has_champion: bool, is_joined: bool, lacks_schemas: bool, live: Verdict) -> Verdict:
    """Judge whether events are being scored; the first thing that is missing is named.

    A member that has joined its group and owns no partition is ready: it is a spare.
    """
    return _judged(
        live,
        phase,
        (
            not has_champion,
            Reason.NO_CHAMPION,
            "there is no champion model yet; `tidemill train` or `tidemill models promote` gives one",
        ),
        (not is_joined, Reason.NOT_JOINED, NOT_JOINED_DETAIL),
        (
            lacks_schemas,
            Reason.SCHEMA_REGISTRY,
            "the schema registry gives no definite answer; events wait for it and none is buried",
        ),
    )


def buffering_readiness(
    *, phase: Phase, is_joined: bool, lacks_tables: bool, lacks_schemas: bool, live: Verdict
) -> Verdict:
    """Judge whether records get into the tables; the first thing that is missing is named."""
    return _judged(
        live,
        phase,
        (
            lacks_tables,
            Reason.BUFFER,
            "the tables, or the broker that says which topics their rows are of, give no answer; rows wait in memory",
        ),
        (not is_joined, Reason.NOT_JOINED, NOT_JOINED_DETAIL),
        (
            lacks_schemas,
            Reason.SCHEMA_REGISTRY,
            "the schema registry gives no definite answer; records wait for it and none is left out",
        ),
    )


def _judged(live: Verdict, phase: Phase, *faults: tuple[bool, Reason, str]) -> Verdict:
    if phase is not Phase.DRAINING and not live.ok:
        return live
    missing = (
        (phase is Phase.DRAINING, Reason.DRAINING, "the process was asked to stop and finishes its batch"),
        (phase is Phase.STARTING, Reason.STARTING, "the worker is being built"),
        *faults,
    )
    return next((Verdict(ok=False, reason=reason, detail=detail) for is_so, reason, detail in missing if is_so), ALIVE)
