"""Telemetry as Prometheus series and log lines: each fact moves its counter and says so, in one place."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry

from consumer.source import PartitionStatus
from consumer.telemetry import TransactionOutcome
from features.rejection import Reason
from models.champion import LiveModel
from producer.records import TopicPartition
from service import metric_table as table
from service.logs import Repeats
from service.reader_metrics import ReaderTelemetry

OTHER_REASON = "unreadable"  # for a refusal that is not in the documented set, so that labels stay bounded


class PrometheusTelemetry(ReaderTelemetry):
    """Implements ``Telemetry`` (called by the worker's thread) and ``ChampionListener`` (by any one thread).

    What happens with every batch is logged at DEBUG or held down to one line in ten seconds; what
    happens rarely is logged each time.
    """

    metrics = table.SCORING_METRICS

    def __init__(
        self,
        service: str,
        registry: CollectorRegistry,
        *,
        clock: Callable[[], float] = time.time,
        repeats: Repeats | None = None,
    ) -> None:
        """Register the metrics of ``service``; ``clock`` gives epoch seconds."""
        super().__init__(service, registry, clock=clock, repeats=repeats)
        self._versions: dict[str, None] = {}  # in the order of their last use

    def partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        stalled: Sequence[TopicPartition],
        blocked: Sequence[TopicPartition],
    ) -> None:
        """Show lag and state of each partition."""
        self.show_partitions(statuses, stalled=stalled, blocked=blocked)

    def records_scored(self, count: int, *, version: str, role: str, sample: Sequence[float] = ()) -> None:  # noqa: ARG002 - values are not a metric
        """Count committed scores; the oldest version goes when there are more than the table keeps."""
        self._instruments.add(table.RECORDS_SCORED, count, version=version, role=role)
        self._versions.pop(version, None)
        self._versions[version] = None
        while len(self._versions) > table.KEPT_VERSIONS:
            oldest = next(iter(self._versions))
            del self._versions[oldest]
            self._instruments.remove(table.RECORDS_SCORED, version=oldest)

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """Count dead letters and warn of them."""
        self._instruments.add(table.DEAD_LETTERS, count, reason=reason.value)
        total = self._repeats.due(f"dead letters {reason.value}", count)
        if total is not None:
            self._log.warning("Records went to the dead-letter topic", reason=reason.value, count=total)

    def batch_done(self, records: int, *, stages: Mapping[str, float], end_to_end: Sequence[float]) -> None:
        """Note size, stage times and delays of a committed batch."""
        self._instruments.observe(table.BATCH_RECORDS, (records,))
        for stage, seconds in stages.items():
            self._instruments.observe(table.STAGE_SECONDS, (seconds,), stage=stage)
        self._instruments.observe(table.END_TO_END_SECONDS, end_to_end)
        self._log.debug("Batch committed", records=records, stages={k: round(v, 6) for k, v in stages.items()})

    def transaction(self, outcome: TransactionOutcome, cause: str = "") -> None:
        """Count a transaction, and warn when it did not commit."""
        self._instruments.add(table.TRANSACTIONS, 1, outcome=outcome)
        if outcome == "committed":
            return
        self._lag.forget_looks()
        total = self._repeats.due(f"transaction {outcome}")
        if total is not None:
            self._log.warning(
                "Transaction not committed; its records are read again", outcome=outcome, cause=cause, count=total
            )

    def model_unusable(self, version: str, detail: str) -> None:
        """Count a live model that fails on everything; a person must look at it."""
        self._instruments.add(table.MODEL_LOAD_FAILURES, 1, reason="unusable")
        self._log.error("The live model fails on every record", model_version=version, detail=detail)

    def model_swapped(self, previous: LiveModel | None, live: LiveModel) -> None:
        """Show the new live version in place of the one before."""
        before = None if previous is None else previous.version
        if before is not None:
            self._instruments.remove(table.MODEL_INFO, version=before)
        kind, created_ms = live.manifest.kind, live.manifest.created_ms
        self._instruments.set(table.MODEL_INFO, 1, version=live.version, kind=kind, alias="champion")
        self._instruments.follow(table.MODEL_AGE_SECONDS, lambda: max(0.0, self._clock() - created_ms / 1000))
        self._instruments.add(table.MODEL_SWAPS, 1, result="swapped")
        self._log.info("Model swapped", model_version=live.version, previous=before, kind=kind)

    def model_load_failed(self, version: str, reason: str, detail: str) -> None:
        """Count a version that was not taken live, or (no version) a store that cannot be read; what was live stays."""
        known = table.MODEL_LOAD_FAILURES.labels[0].values
        self._instruments.add(table.MODEL_LOAD_FAILURES, 1, reason=reason if reason in known else OTHER_REASON)
        if not version:
            self._log.error("Model store cannot be read; the live model stays", reason=reason, detail=detail)
            return
        self._instruments.add(table.MODEL_SWAPS, 1, result="failed")
        self._log.error(
            "Model version not taken live; the one before stays", model_version=version, reason=reason, detail=detail
        )
