from __future__ import annotations

import io
import json
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from models import skops_format
from models.errors import ArtifactRefused, ModelMismatch
from models.skops_format import check_library, dump_estimator, load_estimator, untrusted_types

X = np.array([[0.1], [0.4], [0.5], [0.9]])
Y = [0, 0, 1, 1]


def twice(x: Any) -> Any:
    """Return the double: a function of a user's own module."""
    return 2 * x


NAMED = make_pipeline(FunctionTransformer(twice), LogisticRegression()).fit(X, Y)
TWICE = f"{__name__}.twice"


def forged(data: bytes, change: Any) -> bytes:
    """Return a skops file whose schema went through ``change``."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == "schema.json" else content)
    return out.getvalue()


def refusal(data: bytes, **settings: Any) -> ArtifactRefused:
    """Return how loading was refused."""
    with pytest.raises(ArtifactRefused) as caught:
        load_estimator(data, **settings)
    assert "\n" not in str(caught.value)
    return caught.value


def test_untrusted_type_is_named_with_the_setting() -> None:
    """A user's own function is his to trust: the line says which and where."""
    error = refusal(dump_estimator(NAMED))
    assert error.reason == "untrusted_type"
    assert TWICE in str(error)
    assert "model.trusted_types" in str(error)


def test_trusted_type_is_loaded() -> None:
    """A function that the user trusts runs as it did."""
    data = dump_estimator(NAMED)
    assert untrusted_types(data) == (TWICE,)
    assert np.array_equal(load_estimator(data, trusted_types=[TWICE]).predict_proba(X), NAMED.predict_proba(X))


def test_dangerous_name_is_refused_before_anything_is_opened() -> None:
    """A file forged to call os.system is refused even where somebody was talked into trusting it."""
    evil = forged(dump_estimator(NAMED), lambda s: s.replace(b'"twice"', b'"system"').replace(__name__.encode(), b"os"))
    assert refusal(evil).reason == "untrusted_type"
    with pytest.raises(ModelMismatch, match=r"os\.system"):
        load_estimator(evil, trusted_types=["os.system"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pickle.dumps(Y), "format"),
        (b"", "format"),
        (b"PK\x03\x04 not really", "format"),
        (dump_estimator(NAMED)[:-40], "format"),
        (forged(dump_estimator(NAMED), lambda _: b"{}"), "format"),
        (forged(dump_estimator(NAMED), lambda _: b"[" * 100_000), "format"),
    ],
    ids=["pickle", "empty", "only a magic number", "cut short", "no schema", "deeply nested"],
)
def test_file_that_is_no_model_is_refused(data: bytes, reason: str) -> None:
    """Whatever lies in the store, the answer is one line and the process lives."""
    assert refusal(data).reason == reason


def test_pickle_in_disguise_is_called_by_its_name() -> None:
    """The user learns that the file is a pickle, not that a zip is bad."""
    assert "is a pickle" in str(refusal(pickle.dumps(NAMED)))


def test_zip_that_is_no_model_is_refused() -> None:
    """A zip of something else says what it lacks."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "schema.json" in str(refusal(out.getvalue()))


def test_file_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that grows to fill the memory is refused by its directory, without unpacking."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * 5_000_000)
    monkeypatch.setattr(skops_format, "MAX_UNPACKED_BYTES", 4_999_999)
    assert len(out.getvalue()) < 10_000
    assert refusal(out.getvalue()).reason == "too_large"


def test_model_of_another_minor_version_is_refused() -> None:
    """scikit-learn promises nothing between minor versions: scores could differ without any error."""
    state = json.dumps(json.dumps("1.2.3")).encode()
    error = refusal(forged(dump_estimator(LogisticRegression().fit(X, Y)), lambda s: _with_version(s, state)))
    assert (error.reason, "1.2.3" in str(error)) == ("version", True)


def _with_version(schema: bytes, state: bytes) -> bytes:
    content = json.loads(schema)
    content["content"]["content"]["_sklearn_version"]["content"] = json.loads(state)
    return json.dumps(content).encode()


@pytest.mark.parametrize("made_with", ["1.8.1", "2.9.0", "unknown"])
def test_minor_versions_are_apart(made_with: str) -> None:
    """The line says which version made the model and which is here."""
    with pytest.raises(ArtifactRefused, match=f"{made_with}, 1.9.1 is installed"):
        check_library(made_with, "1.9.1")


@pytest.mark.parametrize("made_with", ["1.9.0", "1.9.7"])
def test_patch_versions_are_one(made_with: str) -> None:
    """A patch release must not orphan every model."""
    check_library(made_with, "1.9.1")


def test_what_needs_pickle_is_refused_when_stored() -> None:
    """A function without a module cannot be found again; its maker is told, not the service."""
    with pytest.raises(ArtifactRefused, match="without pickle"):
        dump_estimator(make_pipeline(FunctionTransformer(open), LogisticRegression()).set_params(memory=io.BytesIO()))


def test_forged_tree_is_refused() -> None:
    """scikit-learn would read memory outside the tree at the first score, or crash."""
    forest = RandomForestClassifier(2, random_state=1).fit(X, Y)
    data = dump_estimator(forest)
    tree = forest.estimators_[0].tree_
    nodes = tree.__getstate__()["nodes"].tobytes()
    wild = tree.__getstate__()["nodes"].copy()
    wild["left_child"][0] = 1_000_000
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(nodes, wild.tobytes()))
    error = refusal(out.getvalue())
    assert (error.reason, "child node" in str(error)) == ("format", True)
