from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.image

# As the chart runs it, and tighter: no capability, nothing to write to but /tmp.
LOCKED_DOWN = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
LOCKED_DOWN += ["--no-healthcheck", "--memory", "1g", "--pids-limit", "200"]


def engine(*arguments: str) -> str:
    """Return what the container engine printed; fail with its words where it failed."""
    done = subprocess.run(
        [os.environ["CONTAINER_ENGINE"], *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_locked_down(*command: str, entrypoint: str | None = None, options: tuple[str, ...] = ()) -> str:
    """Return what a command printed in the image, run as the chart runs it."""
    entry = ["--entrypoint", entrypoint] if entrypoint else []
    return engine("run", "--rm", *LOCKED_DOWN, *options, *entry, os.environ["IMAGE"], *command)


def test_image_runs_as_a_numbered_user_without_a_shell_in_between() -> None:
    """SIGTERM reaches the process itself, and `runAsNonRoot` can be checked."""
    (image,) = json.loads(engine("image", "inspect", os.environ["IMAGE"]))

    assert (image["Config"]["User"], image["Config"]["Entrypoint"]) == ("10001:10001", ["tidemill"])


def test_image_reads_a_mounted_service_file(tmp_path: Path) -> None:
    """The command works locked down and finds its file where the chart mounts it."""
    (tmp_path / "tidemill.yaml").write_text("name: fraud\nfeatures: {fields: [{name: amount, type: double}]}\n")
    tmp_path.chmod(0o755)

    shown = json.loads(
        run_locked_down("config", "show", "--json", options=("--volume", f"{tmp_path}:/etc/tidemill:ro"))
    )

    assert shown["topics.scores"]["value"] == "fraud.scores"


def test_image_shows_the_demo_with_nothing_to_write_to() -> None:
    """The whole way of an event runs in the image: librdkafka, decoding, model, swap."""
    assert "scored" in run_locked_down("demo")


def test_image_holds_the_wheel_and_no_tools_to_build_with() -> None:
    """Our packages come from site-packages, never from a checkout; pip, uv and compilers stayed behind."""
    script = (
        "import importlib.util as u, shutil, service; "
        "print('site-packages' in service.__file__, "
        "[t for t in ('pip', 'uv', 'gcc', 'git', 'make') if shutil.which(t) or u.find_spec(t)])"
    )

    assert run_locked_down("-c", script, entrypoint="python").strip() == "True []"
