"""The process apart in which a pickle is opened, seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.artifact import MAX_ARTIFACT_BYTES
from models.durable_files import read_plain
from models.errors import REFUSAL_REASONS, ArtifactRefused, ModelMismatch
from models.import_options import ImportOptions

DEFAULT_TIMEOUT = 300.0  # seconds; a forest of a gigabyte opens in under one minute
MODEL_NAME = "model.skops"
ANSWER_NAME = "answer.json"
MAX_ANSWER_BYTES = 16 << 20
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


def convert_pickle(path: Path, options: ImportOptions, *, timeout: float) -> tuple[bytes, npt.NDArray[np.float64]]:
    """Return the estimator in a pickle as skops, and the scores it gave before it was converted.

    Raises:
        ModelMismatch: It does not fit the service.
        ArtifactRefused: It could not be opened, converted or scored; or it took longer than ``timeout`` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="tidemill-import-") as folder:
        errors = _run([str(path.resolve()), folder], options, folder=folder, timeout=timeout)
        answer = _answer(Path(folder), errors)
        if "error" in answer:
            _raise(str(answer.get("reason")), str(answer["error"]))
        try:
            data = read_plain(Path(folder) / MODEL_NAME, max_bytes=MAX_ARTIFACT_BYTES)
            return data, np.array(answer["scores"], dtype=np.float64)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise ArtifactRefused("unreadable", f"the import of {path} gave no usable answer: {error}") from error


def _run(arguments: list[str], options: ImportOptions, *, folder: str, timeout: float) -> str:
    """Run the process to its end and return the end of what it wrote to stderr."""
    # -P: the working folder may hold a package called models. Our own path is passed on in its order, so that
    # the child finds the same packages as we do, the user's plug-ins among them.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "models.import_child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=_environment(folder),
        start_new_session=True,
    )
    try:
        _, errors = process.communicate(pickle.dumps(_plain(options)), timeout=timeout)
    except BaseException as error:
        _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise ArtifactRefused("unreadable", f"opening the pickle took longer than {timeout:g} s") from None
        raise
    return errors.decode("utf-8", "replace")


def _plain(options: ImportOptions) -> ImportOptions:
    sample = None if options.sample is None else dict(options.sample)
    return replace(options, sample=sample, trusted_types=tuple(options.trusted_types))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process with everything it has started; it is its group's leader and not yet waited for."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _environment(folder: str) -> dict[str, str]:
    """Return few variables: code in a pickle has no business with the passwords in ours."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {
        **kept,
        "HOME": folder,
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _answer(folder: Path, errors: str) -> dict[str, Any]:
    try:
        answer = json.loads(read_plain(folder / ANSWER_NAME, max_bytes=MAX_ANSWER_BYTES))
    except (OSError, ValueError) as error:
        last = errors.strip().splitlines()[-1:] or ["it wrote nothing"]
        raise ArtifactRefused("unreadable", f"the process that opens the pickle died: {last[0][:300]}") from error
    if not isinstance(answer, dict):
        raise ArtifactRefused("unreadable", "the process that opens the pickle gave no usable answer")
    return answer


def _raise(reason: str, detail: str) -> None:
    if reason == "mismatch":
        raise ModelMismatch(detail)
    raise ArtifactRefused(reason if reason in REFUSAL_REASONS else "unreadable", detail)
