"""What topics are called for good: a name can be given to another topic, these cannot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """One topic of one cluster; a topic that is deleted and made again is another one.

    Attributes:
        cluster_id: The id the cluster gave itself.
        topic_id: The id the cluster gave the topic.
    """

    cluster_id: str
    topic_id: str

    def app_id(self, partition: int) -> str:
        """Return the name under which a buffer table keeps the position of a partition.

        >>> TopicIdentity("MkU3OEVBNTcwNTJENDM2Qk", "kVmjGUBXT5qHNNBWzJm1nA").app_id(3)
        'MkU3OEVBNTcwNTJENDM2Qk/kVmjGUBXT5qHNNBWzJm1nA/3'
        """
        return f"{self.cluster_id}/{self.topic_id}/{partition}"


class TopicDirectory(Protocol):
    """Knows the identity that each topic has now. Called from any one thread at a time."""

    def identities(self, topics: Collection[str]) -> Mapping[str, TopicIdentity]:
        """Return the identity of each topic, freshly looked up; one that does not exist is absent.

        Raises:
            SourceUnreachable: No broker answers now.
            SourceRefused: We may not ask.
        """
        ...
