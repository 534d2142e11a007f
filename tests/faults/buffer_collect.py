"""Collect the evidence about the buffer: the topics by the plain client, the tables by deltalake and pandas alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message, TopicCollection
from confluent_kafka.admin import AdminClient
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from tests.faults.buffer_judge import Log, Record, Table
from tests.faults.collect import end_of_data, read_all, wait_until_finished

ASK_TIMEOUT_S = 20


def read_log(client: Mapping[str, Any], topic: str) -> Log:
    """Return a topic as it is now; every transaction on it must be able to end."""
    assert not wait_until_finished(client, [topic])
    cluster_id, topic_id = identity(client, topic)
    records = [_record(message) for message in read_all(client, topic)]
    ends = {partition: end for (_, partition), end in end_of_data(client, topic).items()}
    return Log(cluster_id, topic, topic_id, records, ends)


def identity(client: Mapping[str, Any], topic: str) -> tuple[str, str]:
    """Return the id of the cluster and the id of the topic that has this name now."""
    admin = AdminClient({**client})
    cluster_id = admin.list_topics(timeout=ASK_TIMEOUT_S).cluster_id
    described = admin.describe_topics(TopicCollection([topic]), request_timeout=ASK_TIMEOUT_S)[topic].result()
    assert cluster_id is not None
    return cluster_id, str(described.topic_id).replace("+", "-").replace("/", "_")  # as Kafka's own tools spell it


def read_table(folder: Path) -> Table:
    """Return the newest version of a table; values keep their exact types (no integer becomes a double)."""
    table = DeltaTable(str(folder))
    return Table(table.to_pandas(types_mapper=pd.ArrowDtype), table.transaction_version)


def stands_beyond(folder: Path, logs: Sequence[Log]) -> bool:
    """Return whether a table has reached the end of what these logs hold."""
    try:
        table = DeltaTable(str(folder))
    except TableNotFoundError:
        return False
    return all(
        (table.transaction_version(f"{log.cluster_id}/{log.topic_id}/{record.partition}") or 0) > record.offset
        for log in logs
        for record in {record.partition: record for record in log.records}.values()
    )


def _record(message: Message) -> Record:
    kind, time_ms = message.timestamp()
    return Record(
        message.partition() or 0,
        message.offset() or 0,
        None if kind == TIMESTAMP_NOT_AVAILABLE else time_ms,
        message.key(),
        message.value(),
    )
