"""A user's folder for tests of the model commands: a service file, real data as CSV, and the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.datasets import load_breast_cancer, load_diabetes

from models.store import LogEntry, ModelStore
from models.stores import open_store
from service.cli import run


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """Return the last line of the answer."""
        return self.out.strip().splitlines()[-1]

    def json(self) -> Any:
        """Return the answer of a command that was asked for JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class ModelProject:
    """A folder with ``tidemill.yaml``; commands run in this process."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def write(self, frame: pd.DataFrame, name: str = "data.csv") -> Path:
        """Write a CSV file."""
        frame.to_csv(self.folder / name, index=False)
        return self.folder / name

    def configure(self, frame: pd.DataFrame, *, label: str, types: Mapping[str, str] = {}, **sections: Any) -> None:
        """Write a service file whose fields are the columns of a frame."""
        names = [name for name in frame.columns if name not in (label, "id")]
        fields = [{"name": name, "type": types.get(name, "double")} for name in names]
        features = {"id": "id", "fields": fields, **sections.pop("features", {})}
        content = {"name": "trial", "features": features, "labels": {"inline": label}, **sections}
        (self.folder / "tidemill.yaml").write_text(yaml.safe_dump(content))

    def run(self, *arguments: object) -> Answer:
        """Run a command on the service file of this folder."""
        self.capsys.readouterr()
        code = run(["-c", str(self.folder / "tidemill.yaml"), *map(str, arguments)])
        shown = self.capsys.readouterr()
        return Answer(code, shown.out, shown.err)

    @property
    def store(self) -> ModelStore:
        """Return the model store of the folder."""
        return open_store(str(self.folder / "model-store"), "trial")

    @property
    def events(self) -> list[tuple[str, str]]:
        """Return event and version of every entry of the log."""
        return [(entry.event, entry.version) for entry in self.log]

    @property
    def log(self) -> list[LogEntry]:
        """Return the log."""
        return list(self.store.log())


def cancer(*, names: tuple[str, str] = ("1", "0")) -> pd.DataFrame:
    """Return six measures of the 569 breast cancer cases; ``names`` are those of malignant and benign."""
    data = load_breast_cancer(as_frame=True)
    frame: pd.DataFrame = data.frame.iloc[:, [0, 1, 2, 3, 4, 5, -1]].rename(columns=lambda name: name.replace(" ", "_"))
    frame["target"] = np.where(frame["target"] == 0, names[0], names[1])
    frame.insert(0, "id", [f"s{i:03d}" for i in range(len(frame))])
    return frame


def diabetes() -> pd.DataFrame:
    """Return the diabetes data, whose label is a number."""
    frame: pd.DataFrame = load_diabetes(as_frame=True).frame
    return frame
