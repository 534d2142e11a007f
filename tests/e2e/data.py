"""A real data set as a user would have it: scikit-learn's breast cancer data in a CSV file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer


@dataclass(frozen=True, slots=True)
class DataSet:
    """Two files of one shape: one to train on, one to publish."""

    train: Path
    events: Path
    frame: pd.DataFrame


def breast_cancer(folder: Path, *, copies: int) -> DataSet:
    """Write the 569 real rows for training, and ``copies`` of them, each with an id of its own, as events."""
    data = load_breast_cancer(as_frame=True)
    frame = data.frame.rename(columns=lambda name: name.replace(" ", "_"))
    frame["target"] = np.where(frame["target"] == 0, "malignant", "benign")
    frame.insert(0, "sample", [f"s{i:03d}" for i in range(len(frame))])
    train, events = folder / "train.csv", folder / "events.csv"
    frame.to_csv(train, index=False)
    many = pd.concat([frame.assign(sample=frame["sample"] + f"-{copy}") for copy in range(copies)], ignore_index=True)
    many.to_csv(events, index=False)
    return DataSet(train, events, many)
