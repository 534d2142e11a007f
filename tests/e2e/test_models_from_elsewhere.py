from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import joblib
import pytest

from tests.e2e.data import DataSet, breast_cancer
from tests.e2e.project import ServiceProcess, ended, wait_until
from tests.e2e.services import PARTITIONS, a_configured_project
from tests.e2e.stream import Stream
from tests.faults.collect import committed_offsets
from tests.faults.judge import judge
from tests.support.kafka import KafkaCluster

pytestmark = pytest.mark.kafka

OUTSIDE_MODULE = """
import numpy as np

def log_areas(frame):
    return np.log1p(frame)
"""

OUTSIDE_SCRIPT = """
import sys
import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from their_code import log_areas

data, target = sys.argv[1:]
frame = pd.read_csv(data)
columns = ColumnTransformer([
    ("areas", FunctionTransformer(log_areas), ["mean_area", "worst_area"]),
    ("shape", StandardScaler(), ["mean_radius", "mean_texture", "worst_smoothness"]),
])
pipeline = Pipeline([("columns", columns), ("model", LogisticRegression())])
pipeline.fit(frame.drop(columns=["sample", "target"]), frame["target"])
joblib.dump(pipeline, target)
"""


def test_empty_install_waits_and_scores_an_imported_pipeline_without_a_restart(
    kafka: KafkaCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No model: alive, not ready, nothing read. A joblib pipeline from elsewhere is imported: it scores at once."""
    data = breast_cancer(tmp_path, copies=3)
    stream = Stream(kafka, "imported")
    project = a_configured_project(tmp_path / "work", data, stream)
    outside = fit_outside(tmp_path / "theirs", data)
    project.configure({"plugins": {"path": str(outside.parent)}, "model": {"trusted_types": ["their_code.log_areas"]}})
    project.run("topics", "create", "--partitions", PARTITIONS)
    project.run("publish", str(data.events))
    process = project.start_scoring("0")
    with ended(process):
        process.wait_for_log("no_champion")
        assert probe(process, "livez") == (200, "ok")
        assert probe(process, "readyz") == (503, "no_champion")
        assert committed_offsets(kafka.client_settings, f"{stream.name}.score", [stream.features]) == {}
        project.run(
            *("models", "import", str(outside), "--unsafe-pickle", "--data", str(data.train)),
            *("--promote", "--force", "--reason", "judged by its makers"),
        )
        assert "their_code.log_areas" in project.told
        stream.wait_until_done()
        wait_until(lambda: probe(process, "readyz") == (200, "ok"), what="ready")
        assert process.stop() == 0
    evidence = stream.evidence()
    assert not judge(evidence, expected_dead=[]).violations
    monkeypatch.syspath_prepend(str(outside.parent))
    pipeline = joblib.load(outside)
    expected = pipeline.predict_proba(data.frame)[:, list(pipeline.classes_).index("malignant")]
    by_id = dict(zip(data.frame["sample"], expected, strict=True))
    scores = [json.loads(record.value or b"") for record in evidence.scores]
    assert len(scores) == len(data.frame)
    assert max(abs(score["score"] - by_id[score["event_id"]]) for score in scores) < 1e-12


def fit_outside(folder: Path, data: DataSet) -> Path:
    """Fit a pipeline in a process that knows nothing of Tidemill; return its joblib file."""
    folder.mkdir()
    (folder / "their_code.py").write_text(OUTSIDE_MODULE)
    target = folder / "pipeline.joblib"
    subprocess.run([sys.executable, "-c", OUTSIDE_SCRIPT, str(data.train), str(target)], cwd=folder, check=True)
    return target


def probe(process: ServiceProcess, path: str) -> tuple[int, str]:
    """Return status and reason of a probe of the admin port."""
    started = next(line for line in process.log.splitlines() if "admin_port" in line)
    url = f"http://127.0.0.1:{json.loads(started)['admin_port']}/{path}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, json.load(answer)["reason"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["reason"]
