from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from features.schema import FieldType
from models.base import Task
from models.errors import ArtifactRefused, ModelMismatch
from models.import_options import ImportOptions
from models.importing import import_skops, import_unsafe_pickle
from models.inputs import to_frame
from models.loading import load_model
from tests.support.models import labels_of, number_columns, number_schema, schema_of

SERVICE = schema_of(("country", FieldType.STRING), ("unused", FieldType.LONG), ("amount", FieldType.DOUBLE))
OPTIONS = ImportOptions("fraud", SERVICE, created_ms=1, positive="fraud")
PLUGIN = """
import os, time
import numpy as np
def log_amount(x):
    return np.log1p(np.abs(x))
class Sleeps:
    def __reduce__(self):
        return time.sleep, (600,)
class Dies:
    def __reduce__(self):
        return os._exit, (3,)
class TellsSecrets:
    def __reduce__(self):
        return eval, ("__import__('os').environ['TIDEMILL_KAFKA__SASL_PASSWORD']",)
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a module of the user's, found at the end of the path as plugins.path is."""
    (tmp_path / "user_fraud_code.py").write_text(PLUGIN)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("TIDEMILL_KAFKA__SASL_PASSWORD", "secret")
    import user_fraud_code  # type: ignore[import-not-found]

    yield user_fraud_code
    del sys.modules["user_fraud_code"]


def table() -> pd.DataFrame:
    """Return a table as a data scientist has it: with an id and the label in it."""
    rng = np.random.default_rng(4)
    country = pd.Series(rng.choice(["de", "fr"], 80), dtype=object)
    label = pd.Series(rng.choice(["fraud", "ok"], 80), dtype=object)
    return pd.DataFrame({"id": range(80), "amount": rng.lognormal(size=80), "country": country, "label": label})


def pipeline_with(function: Any) -> Pipeline:
    """Return a pipeline fitted on the whole table, which picks two columns of it and uses a named function."""
    columns = ColumnTransformer(
        [("amount", FunctionTransformer(function), ["amount"]), ("country", OneHotEncoder(), ["country"])]
    )
    return Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(table(), table()["label"])


def real_rows() -> dict[str, Any]:
    """Return sample columns that the one-hot encoder knows."""
    return {"amount": table()["amount"].to_numpy(), "country": table()["country"].to_numpy(dtype=object)}


def test_pipeline_of_another_project_is_imported(plugin: Any, tmp_path: Path) -> None:
    """What the notebook said of a row is what the service says of it."""
    estimator = pipeline_with(plugin.log_amount)
    joblib.dump(estimator, tmp_path / "model.joblib")
    options = replace(OPTIONS, sample=real_rows(), trusted_types=["user_fraud_code.log_amount"])
    result = import_unsafe_pickle(tmp_path / "model.joblib", options)
    live = load_model(result.artifact, trusted_types=options.trusted_types, service_schema=SERVICE)
    expected = estimator.predict_proba(table())[:, 0]
    np.testing.assert_allclose(live.model.score_many(real_rows()).score, expected, rtol=0, atol=1e-12)
    assert live.model.schema.names == ("amount", "country")
    assert result.untrusted_types == ("user_fraud_code.log_amount",)
    assert result.notes == ("fields this model does not use: unused",)


def test_untrusted_function_is_named(plugin: Any, tmp_path: Path) -> None:
    """The user decides on his own code, by name."""
    joblib.dump(pipeline_with(plugin.log_amount), tmp_path / "model.joblib")
    with pytest.raises(ArtifactRefused, match=r"user_fraud_code\.log_amount.*model\.trusted_types"):
        import_unsafe_pickle(tmp_path / "model.joblib", replace(OPTIONS, sample=real_rows()))


@pytest.mark.parametrize(
    ("culprit", "timeout", "message"),
    [("Sleeps", 1.0, "longer than 1 s"), ("Dies", 60.0, "died"), ("TellsSecrets", 60.0, "KeyError")],
)
def test_code_in_a_pickle_harms_only_its_process(
    plugin: Any, tmp_path: Path, *, culprit: str, timeout: float, message: str
) -> None:
    """It can hang or die without us, and our passwords are not in its environment."""
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(getattr(plugin, culprit)()))
    with pytest.raises(ArtifactRefused, match=message) as caught:
        import_unsafe_pickle(tmp_path / "model.pkl", OPTIONS, timeout=timeout)
    assert caught.value.reason == "unreadable"


def test_pickle_that_is_skops_and_the_other_way_round_are_told(tmp_path: Path) -> None:
    """The way a file is opened follows from what it is, not from its name."""
    skops.io.dump(LogisticRegression(), tmp_path / "model.pkl")
    joblib.dump(LogisticRegression(), tmp_path / "model.skops")
    with pytest.raises(ArtifactRefused, match="without --unsafe-pickle"):
        import_unsafe_pickle(tmp_path / "model.pkl", OPTIONS)
    with pytest.raises(ArtifactRefused, match="is a pickle"):
        import_skops(tmp_path / "model.skops", OPTIONS)


def test_pickle_of_a_script_says_what_to_do(tmp_path: Path) -> None:
    """The commonest failure: the function was defined in a notebook."""
    pickled = pickle.dumps(FunctionTransformer(real_rows)).replace(__name__.encode(), b"__main__")
    size = len(__name__) - len("__main__")
    (tmp_path / "model.pkl").write_bytes(_shorter(pickled, size))
    with pytest.raises(ArtifactRefused, match="module of plugins"):
        import_unsafe_pickle(tmp_path / "model.pkl", OPTIONS)


def _shorter(pickled: bytes, by: int) -> bytes:
    """Return the pickle with the length before ``__main__`` mended, and without frames."""
    at = pickled.index(b"__main__")
    mended = pickled[: at - 1] + bytes([pickled[at - 1] - by]) + pickled[at:]
    return mended[:2] + mended[11:]  # protocol, then a frame's opcode and eight bytes of length


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((("amount", FieldType.DOUBLE), ("hour", FieldType.DOUBLE)), "fitted on age, which features.fields does not"),
        ((("amount", FieldType.DOUBLE), ("hour", FieldType.DOUBLE), ("age", FieldType.DOUBLE, 2)), "fitted on age"),
    ],
)
def test_columns_the_service_lacks_are_named(tmp_path: Path, fields: Any, message: str) -> None:
    """A model that asks for what no event carries cannot score one."""
    columns = number_columns()
    estimator = LogisticRegression().fit(to_frame(columns, number_schema()), labels_of(columns))
    skops.io.dump(estimator, tmp_path / "model.skops")
    with pytest.raises(ModelMismatch, match=message):
        import_skops(tmp_path / "model.skops", ImportOptions("fraud", schema_of(*fields), created_ms=1))


def test_sequence_is_found_by_the_names_of_its_columns(tmp_path: Path) -> None:
    """A frame holds a sequence as several columns; the service knows it as one field."""
    schema = schema_of(("last", FieldType.DOUBLE, 3), ("amount", FieldType.DOUBLE))
    rng = np.random.default_rng(6)
    columns = {"last": rng.normal(size=(50, 3)), "amount": rng.normal(size=50)}
    estimator = LogisticRegression().fit(to_frame(columns, schema), columns["amount"] > 0)
    skops.io.dump(estimator, tmp_path / "model.skops")
    service = schema_of(("amount", FieldType.DOUBLE), ("other", FieldType.INT), ("last", FieldType.DOUBLE, 3))
    result = import_skops(tmp_path / "model.skops", ImportOptions("fraud", service, created_ms=1, sample=columns))
    assert result.artifact.manifest.schema.names == ("last", "amount")
    assert result.notes == ("fields this model does not use: other",)


@pytest.mark.parametrize(("fields", "fits"), [(3, True), (2, False)])
def test_model_without_names_is_taken_by_the_number_of_columns(tmp_path: Path, fields: int, *, fits: bool) -> None:
    """Where a model knows no names, only the number can be compared, and the user is told so."""
    columns = number_columns()
    matrix = np.column_stack(list(columns.values()))
    skops.io.dump(LogisticRegression().fit(matrix, labels_of(columns)), tmp_path / "model.skops")
    options = ImportOptions("fraud", number_schema().subset(number_schema().names[:fields]), created_ms=1)
    if fits:
        assert "without column names" in import_skops(tmp_path / "model.skops", options).notes[0]
    else:
        with pytest.raises(ModelMismatch, match="3 columns without names"):
            import_skops(tmp_path / "model.skops", options)


def test_model_that_fails_on_made_up_rows_asks_for_real_ones(tmp_path: Path) -> None:
    """An encoder that knows its categories refuses invented text; that is no fault of the model."""
    skops.io.dump(pipeline_with(np.log1p), tmp_path / "model.skops")
    with pytest.raises(ModelMismatch, match="give a sample of real rows"):
        import_skops(tmp_path / "model.skops", OPTIONS)


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (LogisticRegression().fit([[0.0] * 3, [1.0] * 3], [0, 1]), {"task": Task.REGRESSION}, "model.task"),
        (KMeans(2, n_init=1).fit([[0.0] * 3, [1.0] * 3]), {}, "neither"),
        ({"model": "in a dictionary"}, {}, "cannot predict"),
    ],
)
def test_what_is_no_model_for_this_service_is_refused(
    tmp_path: Path, estimator: Any, options: dict[str, Any], message: str
) -> None:
    """The line says what the file holds, not where the code failed."""
    skops.io.dump(estimator, tmp_path / "model.skops")
    with pytest.raises(ModelMismatch, match=message):
        import_skops(tmp_path / "model.skops", ImportOptions("fraud", number_schema(), created_ms=1, **options))


def test_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A mistyped path is a line, not a traceback."""
    for import_file in (import_skops, import_unsafe_pickle):
        with pytest.raises(ArtifactRefused, match=r"nothing\.skops"):
            import_file(tmp_path / "nothing.skops", OPTIONS)
