"""The chart as a test sees it: its files, and what helm makes of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "helm" / "tidemill"
FULL_VALUES = CHART / "ci" / "full-values.yaml"
SERVICE_FILE = CHART / "ci" / "minimal.yaml"
KUBERNETES = "1.34.0"  # what to render for; nothing is asked of a cluster


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run helm on the chart: the one named by HELM, else the one on PATH."""
    command = [os.environ.get("HELM") or "helm", *map(str, arguments), "--kube-version", KUBERNETES]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def render(*arguments: str | Path) -> dict[str, dict[str, Any]]:
    """Return the rendered objects by kind; one of each is all the chart makes."""
    rendered = helm("template", "fraud", CHART, *arguments)
    assert rendered.returncode == 0, rendered.stderr
    return {document["kind"]: document for document in yaml.safe_load_all(rendered.stdout) if document}


def refusal(*arguments: str | Path) -> str:
    """Return what helm says when it refuses to render."""
    rendered = helm("template", "fraud", CHART, *arguments)
    assert rendered.returncode != 0, rendered.stdout
    return rendered.stderr


def container(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the one container of the workload."""
    (only,) = objects["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def environment(objects: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the container's variables that are given as plain values."""
    return {item["name"]: item["value"] for item in container(objects)["env"] if "value" in item}
