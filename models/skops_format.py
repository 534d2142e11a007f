"""Estimators as bytes without pickle: skops, with the allow-list and the limits of this project."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

from models.errors import ArtifactRefused
from models.trees import check_trees
from models.trusted_types import TRUSTED_TYPES, check_trusted_types

MAX_UNPACKED_BYTES = 4 << 30  # what a file may grow to; four times the largest artifact
MAX_MEMBERS = 100_000  # arrays in a model: a forest has a few for each tree


def dump_estimator(estimator: Any) -> bytes:
    """Return the estimator as the bytes of a ``.skops`` file.

    Raises:
        ArtifactRefused: ``format``: skops cannot store something in it.
    """
    import skops.io

    try:
        data: bytes = skops.io.dumps(estimator)
    except Exception as error:  # whatever a user's type does when it is taken apart
        raise ArtifactRefused("format", f"the model cannot be stored without pickle: {_line(error)}") from error
    return data


def untrusted_types(data: bytes) -> tuple[str, ...]:
    """Return the types in a ``.skops`` file that the shipped allow-list does not hold. Opens nothing.

    Raises:
        ArtifactRefused: ``format`` or ``too_large``: it is not a skops file, or not a sound one.
    """
    import skops.io

    check_container(data)
    try:
        found = skops.io.get_untrusted_types(data=data)
    except Exception as error:  # every way in which a forged file can be wrong
        raise ArtifactRefused("format", f"the model file cannot be read: {_line(error)}") from error
    return tuple(name for name in found if name not in TRUSTED_TYPES)


def load_estimator(data: bytes, *, trusted_types: Sequence[str] = ()) -> Any:
    """Return the estimator in these bytes.

    Args:
        data: A ``.skops`` file.
        trusted_types: Types trusted beside the shipped ones (``model.trusted_types``).

    Raises:
        ModelMismatch: A trusted type is one that nobody may trust.
        ArtifactRefused: ``untrusted_type``, naming each; ``format``, ``too_large``, ``version``.
    """
    import skops.io

    allowed = check_trusted_types(trusted_types)
    refuse_untrusted(untrusted_types(data), trusted_types=allowed)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator = skops.io.loads(data, trusted=[*TRUSTED_TYPES, *allowed])
    except Exception as error:  # every way in which a forged or foreign file can be wrong
        raise ArtifactRefused("format", f"the model file cannot be read: {_line(error)}") from error
    check_versions(caught)
    try:
        check_trees(estimator)
    except ArtifactRefused:
        raise
    except Exception as error:  # a forged file may hold anything where a tree should be
        raise ArtifactRefused("format", f"the model file cannot be read: {_line(error)}") from error
    return estimator


def refuse_untrusted(found: Iterable[str], *, trusted_types: Sequence[str]) -> None:
    """Refuse types that neither the shipped list nor the user trusts.

    Raises:
        ArtifactRefused: ``untrusted_type``.
    """
    strange = [name for name in found if name not in trusted_types]
    if strange:
        raise ArtifactRefused(
            "untrusted_type",
            f"the model file holds {', '.join(strange)}: if you trust this code, name it in model.trusted_types",
        )


def check_container(data: bytes) -> None:
    """Refuse bytes that are no zip of sane size with a skops schema in it.

    Raises:
        ArtifactRefused: ``format`` or ``too_large``.
    """
    if data[:1] == b"\x80":
        raise ArtifactRefused("format", "the file is a pickle, not a skops file: pickles run code when they are opened")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise ArtifactRefused("format", f"the file is not a skops file: {_line(error)}") from error
    # zipfile never unpacks more than the directory says, so the sum is a true upper bound.
    size = sum(member.file_size for member in members)
    if size > MAX_UNPACKED_BYTES or len(members) > MAX_MEMBERS:
        raise ArtifactRefused("too_large", f"the model file unpacks to {size} bytes in {len(members)} parts")
    if "schema.json" not in {member.filename for member in members}:
        raise ArtifactRefused("format", "the file is a zip, but not a skops file: it has no schema.json")


def check_versions(caught: Iterable[warnings.WarningMessage]) -> None:
    """Refuse what was stored by another minor version of scikit-learn; a patch version may differ.

    Raises:
        ArtifactRefused: ``version``.
    """
    from sklearn.exceptions import InconsistentVersionWarning

    for message in caught:
        warning = message.message
        if isinstance(warning, InconsistentVersionWarning):
            check_library(warning.original_sklearn_version, warning.current_sklearn_version)


def check_library(made_with: str, running: str) -> None:
    """Refuse another major or minor version of scikit-learn than the one that made the model.

    Raises:
        ArtifactRefused: ``version``.
    """
    if made_with.split(".")[:2] != running.split(".")[:2]:
        raise ArtifactRefused(
            "version",
            f"the model was made with scikit-learn {made_with}, {running} is installed: fit it again, "
            "or install the version it was made with",
        )


def _line(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return f"{type(error).__name__}: {first[0][:300]}" if first else type(error).__name__
