from __future__ import annotations

import pytest

from service.health import ALIVE, Phase, Reason, Verdict, buffering_readiness, liveness, readiness

STALLED = Verdict(ok=False, reason=Reason.STALLED_WORKER)


@pytest.mark.parametrize(("now", "reason"), [(130.0, Reason.OK), (130.1, Reason.STALLED_WORKER)])
def test_liveness_is_the_age_of_the_last_beat(now: float, reason: Reason) -> None:
    """Nothing but the loop's own sign of life decides, and the limit itself is still alive."""
    verdict = liveness(now, 100.0, limit_s=30.0)
    assert (verdict.ok, verdict.reason) == (reason is Reason.OK, reason)


@pytest.mark.parametrize(
    ("phase", "has_champion", "is_joined", "lacks_schemas", "live", "reason"),
    [
        (Phase.RUNNING, True, True, False, ALIVE, Reason.OK),
        (Phase.RUNNING, True, True, True, ALIVE, Reason.SCHEMA_REGISTRY),
        (Phase.RUNNING, True, False, True, ALIVE, Reason.NOT_JOINED),
        (Phase.RUNNING, False, False, False, ALIVE, Reason.NO_CHAMPION),
        (Phase.STARTING, False, False, False, ALIVE, Reason.STARTING),
        (Phase.RUNNING, True, True, False, STALLED, Reason.STALLED_WORKER),
        (Phase.DRAINING, True, True, False, STALLED, Reason.DRAINING),
    ],
)
def test_readiness_names_the_first_thing_missing(
    phase: Phase, reason: Reason, live: Verdict, *, has_champion: bool, is_joined: bool, lacks_schemas: bool
) -> None:
    """The reason is the one a person must deal with first."""
    verdict = readiness(
        phase=phase, has_champion=has_champion, is_joined=is_joined, lacks_schemas=lacks_schemas, live=live
    )
    assert (verdict.ok, verdict.reason) == (reason is Reason.OK, reason)


@pytest.mark.parametrize(
    ("phase", "faults", "reason"),
    [
        (Phase.RUNNING, {}, Reason.OK),
        (Phase.RUNNING, {"is_joined": False, "lacks_tables": True, "lacks_schemas": True}, Reason.BUFFER),
        (Phase.RUNNING, {"is_joined": False}, Reason.NOT_JOINED),
        (Phase.RUNNING, {"lacks_schemas": True}, Reason.SCHEMA_REGISTRY),
        (Phase.DRAINING, {"lacks_tables": True}, Reason.DRAINING),
    ],
)
def test_buffering_readiness_names_the_first_thing_missing(
    phase: Phase, faults: dict[str, bool], reason: Reason
) -> None:
    """Tables come first: without them a process does not join its group."""
    well = {"is_joined": True, "lacks_tables": False, "lacks_schemas": False}
    verdict = buffering_readiness(phase=phase, live=ALIVE, **{**well, **faults})
    assert (verdict.ok, verdict.reason) == (reason is Reason.OK, reason)
