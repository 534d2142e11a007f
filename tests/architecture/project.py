"""The project as files: what is in it and what it says of itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
CODE_FOLDERS = [*PACKAGES, "tests", "benchmarks", "examples"]
TEXT_ENDINGS = {"", ".py", ".md", ".toml", ".yaml", ".yml", ".tpl", ".txt", ".json"}


def code_files() -> list[Path]:
    """Return every Python file of ours."""
    return sorted(file for folder in CODE_FOLDERS for file in (ROOT / folder).rglob("*.py"))


def text_files() -> list[Path]:
    """Return every file a person would read: code, pages, settings; no lock file, no cache."""
    top = [file for file in ROOT.iterdir() if file.is_file() and file.name != "uv.lock"]
    folders = [ROOT / name for name in (*CODE_FOLDERS, "docs", "helm", "changelog.d", ".ci")]
    deep = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return sorted(file for file in top + deep if file.suffix in TEXT_ENDINGS and "__pycache__" not in file.parts)
