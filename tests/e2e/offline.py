"""What the stored model says of the rows outside Tidemill: the judge of every score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import skops.io

from models.trusted_types import TRUSTED_TYPES
from tests.e2e.data import DataSet
from tests.e2e.project import Project


def assert_equal_offline(project: Project, data: DataSet, scores: Sequence[dict[str, Any]]) -> None:
    """Compare every score with what the stored model says of the CSV's row, outside Tidemill."""
    (path,) = project.folder.glob("model-store/*/versions/v1/model.skops")
    model = skops.io.load(path, trusted=list(TRUSTED_TYPES))
    rows = data.frame.drop(columns=["sample", "target"])
    expected = model.predict_proba(rows.to_numpy(dtype=np.float64))[:, list(model.classes_).index("malignant")]
    by_id = dict(zip(data.frame["sample"], expected, strict=True))
    assert {score["event_id"] for score in scores} == set(by_id)
    worst = max(abs(score["score"] - by_id[score["event_id"]]) for score in scores)
    assert worst < 1e-12
    assert {(score["model_version"], score["service"]) for score in scores} == {("v1", scores[0]["service"])}
