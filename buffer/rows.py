"""From decoded records to the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Origin:
    """Where some rows of one topic (or one file) come from; all columns have one length, in order.

    Attributes:
        topic: The topic, or the file's name.
        topic_id: The topic's id, or ``sha256:<digest>``.
        partitions: int32.
        offsets: int64; the row number in a file.
        times_ms: Record timestamps in epoch milliseconds, int64; below 0 where there is none.
        keys: Record keys.
    """

    topic: str
    topic_id: str
    partitions: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    keys: Sequence[bytes | None]

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.offsets)
