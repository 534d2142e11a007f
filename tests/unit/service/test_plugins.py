from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import service
from service.errors import PluginError
from service.plugins import load_callable, put_our_packages_first

ROOT = str(Path(service.__file__).resolve().parent.parent)


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a ``sys.path`` of the test's own."""
    own = list(sys.path)
    monkeypatch.setattr(sys, "path", own)
    return own


def test_load_callable_finds_a_module_in_the_plugins_folder(tmp_path: Path, path: list[str]) -> None:
    """The folder is searched last."""
    (tmp_path / "tm_plugin_a.py").write_text("def make():\n    return 7\n")
    assert load_callable("tm_plugin_a:make", where="x", path=tmp_path)() == 7
    assert path[-1] == str(tmp_path)


@pytest.mark.parametrize(
    "top", ["features", "models", "buffer", "learning", "producer", "consumer", "service", "tests"]
)
def test_load_callable_refuses_a_name_of_ours(top: str) -> None:
    """A user's own ``models`` package would be ours in disguise, or the reverse."""
    with pytest.raises(PluginError, match=f"package '{top}' of its own"):
        load_callable(f"{top}.mine:make", where="--estimator")


@pytest.mark.parametrize(
    ("code", "reference", "message"),
    [
        ("", "tm_plugin_b:make", "has no callable 'make'"),
        ("make = 3", "tm_plugin_c:make", "has no callable 'make'"),
        ("1 / 0", "tm_plugin_d:make", "fails with ZeroDivisionError"),
        ("import not_there_at_all", "tm_plugin_e:make", "needs the module 'not_there_at_all'"),
        ("", "tm_plugin_f", "must be written module:name"),
        ("", "tm_not_there:make", "no module 'tm_not_there'"),
    ],
)
def test_load_callable_says_what_is_wrong(
    tmp_path: Path, path: list[str], code: str, reference: str, message: str
) -> None:
    """One line with the setting that asked for it."""
    (tmp_path / f"{reference.split(':', maxsplit=1)[0].replace('tm_not_there', 'other')}.py").write_text(code)
    with pytest.raises(PluginError, match=f"kafka.oauth: .*{message}|{message}"):
        load_callable(reference, where="kafka.oauth", path=tmp_path)


def test_put_our_packages_first_drops_the_working_folder(
    tmp_path: Path, path: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A foreign ``models`` in the working folder is not imported in place of ours."""
    monkeypatch.chdir(tmp_path)
    path[:] = ["", os.fspath(tmp_path), "/usr/lib/other", ROOT]
    put_our_packages_first()
    assert path == ["/usr/lib/other", ROOT]


def test_put_our_packages_first_moves_foreign_packages_of_our_names_behind(tmp_path: Path, path: list[str]) -> None:
    """A folder on PYTHONPATH keeps its place on the path, but behind ours."""
    (tmp_path / "features").mkdir()
    path[:] = [str(tmp_path), ROOT, "/after"]
    put_our_packages_first()
    assert path == [ROOT, "/after", str(tmp_path)]


def test_put_our_packages_first_keeps_our_own_root_as_working_folder(
    path: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever works in the checkout runs the checkout."""
    monkeypatch.chdir(ROOT)
    path[:] = ["", "/other"]
    put_our_packages_first()
    assert path == ["", "/other"]
