"""Which types a model file may hold: those shipped, those the user adds, and those nobody may add."""

from __future__ import annotations

from collections.abc import Iterable

from models.errors import ModelMismatch

# What scikit-learn's own estimators hold beside what skops already trusts (found by storing each of them).
# The trees are here because ``models.trees`` checks their node indices, which skops cannot.
TRUSTED_TYPES: tuple[str, ...] = (
    "numpy.dtype",
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.utils._bunch.Bunch",  # voting and stacking
    "sklearn.metrics._dist_metrics.EuclideanDistance64",  # nearest neighbours, and the next two
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._ball_tree.BallTree",
    "functools.partial",  # histogram boosting on categories: a partial of the next; its function is checked too
    "sklearn.utils.validation.check_array",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "sklearn.model_selection._split.StratifiedKFold",  # a search that holds its best estimator, and the next
    "sklearn.model_selection._split.KFold",
    "sklearn.metrics._scorer._PassthroughScorer",
    "scipy.interpolate._bsplines.BSpline",  # spline features, and the next
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
)

# Modules whose names let a file run commands, read or write files, load code or unpickle. Trusting one
# of them is never what is meant: a model file that wants one is an attack.
_NEVER = frozenset(
    (  # noqa: SIM905 - ninety lines of names would hide the rule below
        "os posix nt subprocess builtins sys shutil importlib imp socket pickle _pickle marshal ctypes code codeop "
        "runpy joblib multiprocessing tempfile io _io codecs urllib http ftplib smtplib requests httpx webbrowser "
        "pty platform signal gc inspect types operator _operator shelve zipfile tarfile asyncio concurrent pdb bdb "
        "timeit profile cProfile trace dill cloudpickle skops threading _thread pkgutil zipimport site sysconfig "
        "pip setuptools glob pathlib fileinput linecache logging atexit weakref ast dis venv ensurepip ssl select mmap"
    ).split()
)
_NEVER_NAMES = frozenset({"eval", "exec", "compile", "system", "popen", "load", "loads", "read_pickle", "fromfile"})
_OURS = frozenset({"features", "models", "buffer", "learning", "producer", "consumer", "service"})


def check_trusted_types(names: Iterable[str]) -> tuple[str, ...]:
    """Return the user's names, checked.

    Raises:
        ModelMismatch: A name is not ``module.Name``, or is of a module that no model file needs.
    """
    checked = tuple(names)
    for name in checked:
        module, _, last = name.rpartition(".")
        if not module or not all(part.isidentifier() for part in name.split(".")):
            raise ModelMismatch(f"model.trusted_types: {name!r} is not of the form module.Name")
        top = module.split(".")[0]
        if name not in TRUSTED_TYPES and (top in _NEVER or top in _OURS or last in _NEVER_NAMES):
            raise ModelMismatch(
                f"model.trusted_types: {name!r} is refused: a model file that needs it could run commands, "
                "read files or load code; put what you need into a function of your own module"
            )
    return checked
