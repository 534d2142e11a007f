from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture.project import PYPROJECT, ROOT

NOT_SHIPPED = ("tests", "benchmarks")  # they may use everything and nobody uses them


def test_import_contracts_are_kept() -> None:
    """Imports point one way, and only the adapters know the Kafka client."""
    tool = Path(sys.executable).parent / "lint-imports"
    kept = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert kept.returncode == 0, kept.stdout


def test_import_contracts_cover_every_package() -> None:
    """A new package cannot stand outside the contracts, the type check or the wheel."""
    found = sorted(file.parent.name for file in ROOT.glob("*/__init__.py") if file.parent.name not in NOT_SHIPPED)
    tool = PYPROJECT["tool"]

    assert sorted(tool["importlinter"]["root_packages"]) == found
    assert sorted(tool["mypy"]["packages"]) == sorted([*found, *NOT_SHIPPED])
    assert sorted(tool["hatch"]["build"]["targets"]["wheel"]["packages"]) == found
