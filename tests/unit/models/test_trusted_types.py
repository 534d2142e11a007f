from __future__ import annotations

import pytest

from models.errors import ModelMismatch
from models.trusted_types import TRUSTED_TYPES, check_trusted_types


@pytest.mark.parametrize(
    "name", ["fraud_code.log_amount", "my_company.models.Scorer", "lightgbm.sklearn.LGBMClassifier"]
)
def test_users_own_types_are_taken(name: str) -> None:
    """What a user's module holds is his to judge."""
    assert check_trusted_types([name]) == (name,)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "posix.system",
        "subprocess.Popen",
        "builtins.eval",
        "importlib.import_module",
        "pickle.loads",
        "joblib.load",
        "operator.methodcaller",
        "numpy.load",
        "pandas.eval",
        "pandas.read_pickle",
        "models.importing.import_unsafe_pickle",
    ],
)
def test_name_that_hands_over_the_machine_is_refused(name: str) -> None:
    """Trusting one of these lets any model file run commands; nobody means that."""
    with pytest.raises(ModelMismatch, match=f"'{name}' is refused"):
        check_trusted_types(["fraud_code.log_amount", name])


@pytest.mark.parametrize("name", ["", "system", "a..b", "a.b()", ".a", "a b.c"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """A typing mistake is said when the service starts, not when the model comes."""
    with pytest.raises(ModelMismatch, match=r"module\.Name"):
        check_trusted_types([name])


def test_shipped_names_may_be_repeated() -> None:
    """A user who copies a name from the shipped list is not scolded."""
    assert check_trusted_types(TRUSTED_TYPES) == TRUSTED_TYPES
