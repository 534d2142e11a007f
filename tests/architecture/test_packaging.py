from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.architecture.project import PACKAGES, ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it is published, built with the locked builder and no network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("*.whl")
    return file


def test_our_names_have_no_other_owner() -> None:
    """The package names are plain words: no dependency may bring one of the same name."""
    owners = packages_distributions()

    assert {name: set(owners.get(name, ["tidemill"])) for name in PACKAGES} == {name: {"tidemill"} for name in PACKAGES}


def test_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    """Neither tests nor anything else of the checkout is installed beside the service."""
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_every_dependency_is_locked_to_one_index_with_a_hash() -> None:
    """What is installed is what was tested, wherever it is installed; no second index can slip a package in."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    outside = [package for package in packages if package["name"] != "tidemill"]

    assert len({package["source"]["registry"] for package in outside}) == 1
    assert all(file["hash"].startswith("sha256:") for package in outside for file in package.get("wheels", []))


def test_image_is_built_from_all_our_packages() -> None:
    """A package that the build does not see is missing from the image only, where no other test looks."""
    let_in = re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)

    assert [name for name in PACKAGES if name not in let_in] == []


def test_image_and_makefile_use_the_same_uv() -> None:
    """The lock file is read by one version of its tool."""
    in_makefile = re.findall(r"^UV_VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert re.findall(r"uv==([\d.]+)", (ROOT / "Dockerfile").read_text()) == in_makefile
