from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from service.errors import IdentityClaimed
from service.identity import claim_identity, transactional_id
from service.settings import Settings, settings_from


@pytest.fixture
def settings() -> Settings:
    """Return settings of a service called fraud."""
    fields = {"fields": [{"name": "x", "type": "double"}]}
    return settings_from({"name": "fraud", "features": fields}, folder=Path())


def test_claim_identity_takes_the_lowest_free_slot(settings: Settings, tmp_path: Path) -> None:
    """Live processes differ; a slot given back is taken again, so its transactions are settled at once."""
    env = {"TIDEMILL_RUNTIME_DIR": str(tmp_path), "POD_NAME": "pod-a"}
    with ExitStack() as later:
        with claim_identity(settings, environment=env) as first:
            second = later.enter_context(claim_identity(settings, environment=env))
            assert (first, second) == ("fraud-pod-a-0", "fraud-pod-a-1")
        assert later.enter_context(claim_identity(settings, environment=env)) == "fraud-pod-a-0"


def test_claim_identity_is_given_back_by_a_killed_process(settings: Settings, tmp_path: Path) -> None:
    """The kernel drops the lock, so SIGKILL leaves nothing behind."""
    env = {"TIDEMILL_RUNTIME_DIR": str(tmp_path), "POD_NAME": "p"}
    with claim_identity(settings, environment=env):
        lock = next(tmp_path.rglob("*.lock"))
    code = f"import fcntl,time; f=open({str(lock)!r}); fcntl.flock(f,2); print('held',flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with claim_identity(settings, environment=env) as beside:
            assert beside == "fraud-p-1"
        holder.kill()
    with claim_identity(settings, environment=env) as after:
        assert after == "fraud-p-0"


@pytest.mark.parametrize(("slot", "env"), [("a", {}), ("a", {"TIDEMILL_SLOT": "b"}), (None, {"TIDEMILL_SLOT": "a"})])
def test_claim_identity_takes_a_given_slot_as_it_is(settings: Settings, slot: str | None, env: dict[str, str]) -> None:
    """Who names slots keeps them apart; the flag is stronger than the variable."""
    with claim_identity(settings, slot=slot, environment=env) as name:
        assert name == "fraud-a"


def test_claim_identity_says_what_to_do_without_a_folder(settings: Settings, tmp_path: Path) -> None:
    """A read-only file system is a matter of one variable."""
    (tmp_path / "file").touch()
    claim = claim_identity(settings, environment={"TIDEMILL_RUNTIME_DIR": str(tmp_path / "file")})
    with pytest.raises(IdentityClaimed, match="TIDEMILL_SLOT"):
        claim.__enter__()


def test_transactional_id_begins_with_the_prefix(settings: Settings) -> None:
    """An ACL can be given for the prefix."""
    assert transactional_id(settings, "s") == "fraud-s"
