from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from features.batch import Column
from features.schema import FeatureSchema, FieldType
from models.checks import check_model
from models.inputs import to_frame, to_matrix
from models.sklearn_model import SklearnModel
from tests.support.models import number_columns, number_schema, schema_of

SMALL = 8
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic": LogisticRegression,
    "sgd": lambda: SGDClassifier(loss="log_loss", random_state=1),
    "sgd huber": lambda: SGDClassifier(loss="modified_huber", random_state=1),
    "tree": lambda: DecisionTreeClassifier(random_state=1),
    "forest": lambda: RandomForestClassifier(SMALL, n_jobs=2, random_state=1),
    "extra trees": lambda: ExtraTreesClassifier(SMALL, random_state=1),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=SMALL, random_state=1),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=SMALL, random_state=1),
    "ada boost": lambda: AdaBoostClassifier(n_estimators=3, random_state=1),
    "bagging": lambda: BaggingClassifier(n_estimators=3, random_state=1),
    "network": lambda: MLPClassifier((4,), max_iter=20, random_state=1),
    "network by sgd": lambda: MLPClassifier((4,), solver="sgd", max_iter=20, random_state=1),
    "neighbours": KNeighborsClassifier,
    "neighbours in balls": lambda: KNeighborsClassifier(algorithm="ball_tree"),
    "bayes": GaussianNB,
    "calibrated": lambda: CalibratedClassifierCV(LinearSVC(random_state=1), cv=2),
    "calibrated by steps": lambda: CalibratedClassifierCV(LinearSVC(random_state=1), method="isotonic", cv=2),
    "support vectors": lambda: CalibratedClassifierCV(SVC(), ensemble=False, cv=2),
    "voting": lambda: VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft"),
    "stacking": lambda: StackingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], cv=2),
    "search": lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    "pipeline": lambda: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
    "named ufunc": lambda: make_pipeline(FunctionTransformer(np.tanh), LogisticRegression()),
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "linear": LinearRegression,
    "ridge": Ridge,
    "sgd": lambda: SGDRegressor(random_state=1),
    "forest": lambda: RandomForestRegressor(SMALL, n_jobs=2, random_state=1),
    "extra trees": lambda: ExtraTreesRegressor(SMALL, random_state=1),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=SMALL, random_state=1),
    "histogram boosting": lambda: HistGradientBoostingRegressor(max_iter=SMALL, random_state=1),
    "network": lambda: MLPRegressor(hidden_layer_sizes=(4,), max_iter=20, random_state=1),
    "neighbours": KNeighborsRegressor,
    "support vectors": SVR,
}
TABLE = schema_of(
    ("amount", FieldType.DOUBLE),
    ("count", FieldType.INT),
    ("known", FieldType.BOOLEAN),
    ("country", FieldType.STRING),
    ("last", FieldType.FLOAT, 3),
)
TABLES: dict[str, Callable[[], Any]] = {
    "one hot": lambda: Pipeline([("columns", one_hot()), ("model", LogisticRegression())]),
    "one hot and forest": lambda: Pipeline([("columns", one_hot()), ("model", RandomForestClassifier(SMALL))]),
    "ordinal and histogram boosting": lambda: Pipeline(
        [("columns", ordinal()), ("model", HistGradientBoostingClassifier(max_iter=4, categorical_features=[0]))]
    ),
}


def one_hot() -> ColumnTransformer:
    """Return the usual treatment of a table."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer(
        [
            ("numbers", numbers, ["amount", "count"]),
            ("classes", OneHotEncoder(handle_unknown="ignore"), ["country"]),
            ("history", QuantileTransformer(n_quantiles=10), ["last_0", "last_1"]),
            ("bins", KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), ["last_2"]),
        ],
        remainder="passthrough",
    )


def ordinal() -> ColumnTransformer:
    """Return a treatment that keeps a category as one number, first."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer([("country", encoder, ["country"]), ("curve", SplineTransformer(), ["amount"])])


def table_columns(rows: int = 80) -> dict[str, Column]:
    """Return columns of every type, with nulls where text may be null."""
    rng = np.random.default_rng(3)
    country = rng.choice(np.array(["de", "fr", "\u00e9t\u00e9", None], dtype=object), rows)
    return {
        "amount": rng.lognormal(size=rows),
        "count": rng.integers(0, 9, rows, dtype=np.int32),
        "known": rng.integers(0, 2, rows).astype(np.bool_),
        "country": country,
        "last": rng.normal(size=(rows, 3)).astype(np.float32),
    }


def fitted(estimator: Any, given: Any, labels: Any) -> Any:
    """Return the estimator fitted; a few steps of a network need not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(given, labels)


def labels_with(classes: list[Any], schema: FeatureSchema, columns: dict[str, Column]) -> Any:
    """Return labels of these classes that depend on the first column."""
    first = columns[schema.names[0]]
    edges = np.quantile(first, np.linspace(0, 1, len(classes) + 1)[1:-1])
    return np.array(classes)[np.digitize(first, edges)]


@pytest.mark.parametrize("classes", [[0, 1], ["ok", "odd", "fraud"]], ids=["two classes", "three classes"])
@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_classifier_keeps_the_protocol(name: str, classes: list[Any]) -> None:
    """Every classifier that scikit-learn offers for probabilities is stored without pickle and scores alike."""
    schema, columns = number_schema(), number_columns()
    estimator = fitted(CLASSIFIERS[name](), to_matrix(columns, schema), labels_with(classes, schema, columns))
    assert check_model(SklearnModel(estimator, schema=schema), columns) == []


@pytest.mark.parametrize("name", sorted(REGRESSORS))
def test_regressor_keeps_the_protocol(name: str) -> None:
    """Every regressor is stored without pickle and scores alike."""
    schema, columns = number_schema(), number_columns()
    estimator = fitted(REGRESSORS[name](), to_matrix(columns, schema), columns["amount"] * 3.0)
    assert check_model(SklearnModel(estimator, schema=schema), columns) == []


@pytest.mark.parametrize("name", sorted(TABLES))
def test_pipeline_on_a_table_keeps_the_protocol(name: str) -> None:
    """Text, nulls, booleans and sequences go the same way in training, scoring and the trial batch."""
    columns = table_columns()
    estimator = TABLES[name]().fit(to_frame(columns, TABLE), labels_with(["ok", "fraud"], TABLE, columns))
    assert check_model(SklearnModel(estimator, schema=TABLE, positive="fraud"), columns) == []
