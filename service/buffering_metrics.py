"""The buffering worker's telemetry as Prometheus series and log lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buffer.table import TableName
from consumer.buffering_telemetry import FlushOutcome
from consumer.source import PartitionStatus
from producer.records import TopicPartition
from service import metric_table as table
from service.reader_metrics import ReaderTelemetry, labels_of, names_of


class PrometheusBufferingTelemetry(ReaderTelemetry):
    """Implements ``BufferingTelemetry``; ``table_size`` may be called from another thread than the rest."""

    metrics = table.BUFFERING_METRICS
    partition_gauges = (*ReaderTelemetry.partition_gauges, table.BUFFER_LAG_RECORDS)

    def records_taken(self, topic: str, *, table: TableName, outcomes: Mapping[str, int]) -> None:
        """Count records, what was left out of them, and labels."""
        left_out = outcomes.get("left_out", 0)
        refused_inline = 0 if table is TableName.LABELS else outcomes.get("refused", 0)
        self.records_consumed(topic, sum(outcomes.values()) - refused_inline)
        self._count_left_out(table, left_out)
        labels = outcomes if table is TableName.LABELS else {"refused": refused_inline}
        for outcome, count in labels.items():
            self._count_labels(outcome, count)

    def flushed(self, table: TableName, outcome: FlushOutcome, *, rows: int, seconds: float, detail: str = "") -> None:
        """Count an append, and warn when it was not committed."""
        self._count_flush(table, outcome, rows=rows, seconds=seconds)
        if outcome == "committed":
            self._log.debug("Rows committed", table=table.value, rows=rows, seconds=round(seconds, 3))
            return
        total = self._repeats.due(f"append {table} {outcome}")
        if total is not None:
            self._log.warning("Append not committed", table=table.value, outcome=outcome, detail=detail, count=total)

    def dropped(self, partitions: Sequence[TopicPartition], detail: str) -> None:
        """Say that rows are read again."""
        total = self._repeats.due("rows dropped")
        if total is not None:
            self._log.info(
                "Rows are read again from where the table stands",
                partitions=names_of(partitions),
                detail=detail,
                count=total,
            )

    def pending(self, rows: int, *, nbytes: int, is_held: bool) -> None:
        """Show what waits in memory."""
        self._instruments.set(table.BUFFER_PENDING_ROWS, rows)
        self._instruments.set(table.BUFFER_PENDING_BYTES, nbytes)
        self._instruments.set(table.BUFFER_HELD, is_held)

    def poll_failed(self, detail: str) -> None:
        """Warn of a poll that failed."""
        self._lag.forget_looks()
        total = self._repeats.due("poll failed")
        if total is not None:
            self._log.warning("Poll failed; its records are read again", detail=detail, count=total)

    def partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        behind: Mapping[TopicPartition, int],
        stalled: Sequence[TopicPartition],
        blocked: Sequence[TopicPartition],
    ) -> None:
        """Show how far reading is behind the topics, and the tables behind them."""
        lags = self.show_partitions(statuses, stalled=stalled, blocked=blocked)
        for partition, lag in lags.items():
            records = lag.records + behind.get(partition, 0)
            self._instruments.set(table.BUFFER_LAG_RECORDS, records, **labels_of(partition))

    def table_size(self, table: TableName, *, files: int, nbytes: int) -> None:
        """Show how large a table is."""
        self._show_size(table.value, files=files, nbytes=nbytes)

    def _count_left_out(self, name: TableName, count: int) -> None:
        self._instruments.add(table.BUFFER_LEFT_OUT, count, table=name.value)
        total = self._repeats.due(f"left out of {name}", count) if count else None
        if total is not None:
            self._log.warning("Records make no row and are left out of the buffer", table=name.value, count=total)

    def _count_labels(self, outcome: str, count: int) -> None:
        self._instruments.add(table.LABELS, count, outcome=outcome)
        total = self._repeats.due("labels refused", count) if outcome == "refused" and count else None
        if total is not None:
            self._log.warning("Labels were refused; the labels table says why", count=total)

    def _count_flush(self, name: TableName, outcome: FlushOutcome, *, rows: int, seconds: float) -> None:
        self._instruments.add(table.BUFFER_FLUSHES, 1, table=name.value, outcome=outcome)
        if outcome == "committed":
            self._instruments.add(table.BUFFER_ROWS, rows, table=name.value)
            self._instruments.observe(table.BUFFER_FLUSH_SECONDS, (seconds,), table=name.value)

    def _show_size(self, name: str, *, files: int, nbytes: int) -> None:
        self._instruments.set(table.BUFFER_FILES, files, table=name)
        self._instruments.set(table.BUFFER_BYTES, nbytes, table=name)
