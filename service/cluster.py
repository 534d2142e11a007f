"""What a Kafka cluster says of itself, as plain values: what ``topics create`` and ``doctor`` reason about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The brokers as a whole.

    Attributes:
        cluster_id: The id the cluster gave itself.
        brokers: How many brokers are up.
        settings: One broker's configuration by key; empty where it must not be read.
    """

    cluster_id: str
    brokers: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """One topic as the cluster has it.

    Attributes:
        name: Its name.
        partitions: How many there are.
        replication: The smallest number of replicas of a partition.
        in_sync: The smallest number of replicas in sync of a partition.
        leaderless: How many partitions have no leader now.
        settings: Its configuration by key; empty where it must not be read.
        operations: What this client may do with it (``READ``, ``WRITE``, …), or None where nobody says.
    """

    name: str
    partitions: int
    replication: int
    in_sync: int
    leaderless: int
    settings: Mapping[str, str]
    operations: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """Something that exists or not: the cluster refuses to say. ``detail`` is its own word for it."""

    detail: str
