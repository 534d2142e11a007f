from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.support import kafka_jars


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache without jars, and a PATH with nothing but what the test puts there."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("DOWNLOAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(programs))
    return programs


def test_jars_without_maven_fail_and_say_what_to_install(empty_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tests that need the broker fail on a machine that cannot have it; they never pass by not running."""
    assert kafka_jars.main() == 3
    assert "apt-get install maven" in capsys.readouterr().err


def test_jars_show_what_maven_said_and_leave_nothing_half_fetched(
    empty_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failed download is told in Maven's words and tried anew the next time."""
    maven = empty_cache / "mvn"
    maven.write_text("#!/bin/sh\necho 'no route to the repository'\nexit 1\n")
    maven.chmod(maven.stat().st_mode | stat.S_IXUSR)

    assert kafka_jars.main() == 3
    assert "no route to the repository" in capsys.readouterr().err
    assert [entry.name for entry in (tmp_path / "cache" / "kafka").iterdir() if entry.is_dir()] == []
