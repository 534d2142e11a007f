"""The process apart in which a pickle is opened: ``python -m models.import_child FILE FOLDER``.

Options come on stdin; the model as skops and an answer in JSON go into FOLDER. Run by
``models.import_process`` only.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

from models.artifact import MAX_ARTIFACT_BYTES
from models.errors import ArtifactRefused, ModelError, ModelMismatch
from models.import_options import ImportOptions
from models.import_process import ANSWER_NAME, MODEL_NAME
from models.importing import model_of, sample_of, score_sample
from models.skops_format import check_versions, dump_estimator

MAX_CPU_SECONDS = 600
MAX_FILE_BYTES = 2 * MAX_ARTIFACT_BYTES


def main(arguments: list[str]) -> int:
    """Convert one file; everything that can go wrong becomes an answer."""
    path, folder = Path(arguments[0]), Path(arguments[1])
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, MAX_CPU_SECONDS)
    _limit(resource.RLIMIT_FSIZE, MAX_FILE_BYTES)
    options: ImportOptions = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    try:
        answer = _convert(path, folder, options)
    except ModelMismatch as error:
        answer = {"reason": "mismatch", "error": str(error)}
    except ArtifactRefused as error:
        answer = {"reason": error.reason, "error": str(error)}
    except ModelError as error:
        answer = {"reason": "trial", "error": str(error)}
    except MemoryError:
        answer = {"reason": "too_large", "error": f"{path} does not fit into memory"}
    (folder / ANSWER_NAME).write_text(json.dumps(answer))
    return 0


def _convert(path: Path, folder: Path, options: ImportOptions) -> dict[str, Any]:
    estimator = _open(path)
    model = model_of(estimator, options)
    scores = score_sample(model, sample_of(model, options), options).score
    (folder / MODEL_NAME).write_bytes(dump_estimator(model.estimator))
    return {"scores": scores.tolist()}


def _open(path: Path) -> Any:
    import joblib

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator = joblib.load(path)  # reads plain pickles too
        except ModuleNotFoundError as error:
            raise ArtifactRefused(
                "unreadable", f"{path.name} needs the module {error.name!r}: install it, or put it in plugins.path"
            ) from error
        except AttributeError as error:
            raise ArtifactRefused(
                "unreadable",
                f"{path.name}: {error}: a function or class of a script or notebook cannot be imported; put it in a "
                "module of plugins.path and store the model again",
            ) from error
        except Exception as error:  # a pickle can fail in any way
            raise ArtifactRefused(
                "unreadable", f"{path.name} cannot be opened: {type(error).__name__}: {error}"
            ) from error
    check_versions(caught)
    return estimator


def _limit(what: int, value: int) -> None:
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(what, (value, value))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
