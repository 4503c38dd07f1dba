"""Source: the file or address of an external estimator, and its opening.

A skops file is opened without permission if skops trusts all its types. Anything else must be permitted by the caller
(`IPML_TRUSTED_MODELS`), never by the file:

- the name of a further type, such as `sklearn.tree._tree.Tree`;
- `lightgbm` or `catboost`, whose readers of model files are native code not written for hostile files;
- `pickle`, which runs any code of its maker;
- the beginning of an address, to which listings are sent.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from ipml.errors import Failed, IpmlError, UnreadableFile, UntrustedModel, UnusableSetting, first_line
from ipml.kit.estimator import Estimator

Floats = NDArray[np.float64]
Predict = Callable[[pd.DataFrame], Any]

KINDS = {
    ".skops": "skops",
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".joblib": "pickle",
    ".txt": "lightgbm",
    ".cbm": "catboost",
}
"""The kind of an estimator by the ending of its file."""
_SET = "IPML_TRUSTED_MODELS"
_HARMLESS = frozenset({"numpy.dtype"})  # types that skops asks about, and that hold neither code nor tables
_ASKED_AT_ONCE = 1_000  # listings in one request to an endpoint
_SECONDS = 60.0  # that an endpoint may take for them
_MOST_BYTES = 256 << 20


@dataclass(frozen=True)
class OpenedEstimator:
    """An estimator ready for use.

    Attributes
    ----------
    predict : function of DataFrame
        Returns a probability for each listing, shape (n_listings,), or one for each class, shape (n_listings, 2).
    columns : tuple of str or None
        The columns it reads; None for all.
    classes : tuple or None
        Its labels, in the order of its probabilities; None if unknown.
    explain : function of DataFrame, or None
        Returns a frame of contributions to the log-odds, a column a feature, and the base log-odds.
    estimator : object or None
        The estimator, which can be fitted anew; None if it is elsewhere.
    """

    predict: Predict
    columns: tuple[str, ...] | None = None
    classes: tuple[Any, ...] | None = None
    explain: Callable[[pd.DataFrame], tuple[pd.DataFrame, float]] | None = None
    estimator: Any = None


class EstimatorSource(Estimator):
    """The bytes of an estimator of a kind of `_OPENERS`, or the address of one that answers as MLflow's servers do."""

    def __init__(self, kind: str, content: NDArray[np.uint8] | None = None, address: str = "") -> None:
        self.kind = kind
        self.content = content
        self.address = address

    @classmethod
    def of_estimator(cls, estimator: Any, kind: str) -> Self:
        """Return the source of an estimator fitted here, in the format "skops" or "pickle"."""
        if kind == "skops":
            content = _load("skops.io").dumps(estimator)
        else:
            file = io.BytesIO()
            _load("joblib").dump(estimator, file)
            content = file.getvalue()
        return cls(kind, np.frombuffer(content, dtype=np.uint8))

    def open(self, trusted: str, where: Path | str) -> OpenedEstimator:
        """Open the estimator, or refuse it before any of it is run.

        `trusted` lists what may be opened besides types that skops trusts, between commas; `where` is for messages.

        Raises `UntrustedModel`: the estimator needs types that are not trusted, or cannot be read.
        """
        allowed = {name.strip() for name in trusted.split(",")} - {""}
        if self.kind not in _OPENERS:
            raise UntrustedModel(where, f"an estimator of the kind {self.kind[:40]!r}", ", ".join(_OPENERS))
        try:
            return _OPENERS[self.kind](self, allowed, where)
        except IpmlError:
            raise
        except Exception as error:  # a reader of other people's formats can raise anything
            found = f"an estimator that {self.kind} cannot read ({first_line(error)})"
            raise UntrustedModel(where, found, f"a file of {self.kind}") from error

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return b"" if self.content is None else self.content.tobytes()

    @property
    def digest(self) -> str:
        """SHA-256 of the file, or of the address, in hexadecimal."""
        return hashlib.sha256(self.data or self.address.encode()).hexdigest()


def read_source(name: str, find: Callable[[str], Path] = Path) -> EstimatorSource:
    """Return the source of an estimator by its file (an ending of `KINDS`) or http address; `find` resolves file names.

    Raises
    ------
    UnusableSetting, UnreadableFile
        It is of no known kind, or cannot be read.

    Examples
    --------
    >>> read_source("https://models.example/invocations").kind
    'endpoint'
    """
    if name.startswith(("http://", "https://")):
        return EstimatorSource("endpoint", address=name)
    kind = KINDS.get(Path(name).suffix.lower())
    if kind is None:
        raise UnusableSetting("estimator", name, f"an address or a file that ends in {', '.join(KINDS)}")
    path = find(name)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UnreadableFile(path, f"{path.stat().st_size:,} bytes", f"at most {_MOST_BYTES:,}")
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error), "a file with an estimator") from error
    return EstimatorSource(kind, np.frombuffer(content, dtype=np.uint8))


def _check_trusted(needed: Collection[str], allowed: Collection[str], where: Path | str, risk: str = "") -> None:
    """Refuse what is needed but not allowed, and say how it is allowed."""
    if missing := sorted(set(needed) - set(allowed)):
        names = ",".join(missing)
        because = f": {risk}" if risk else ""
        raise UntrustedModel(
            where,
            f"an estimator that needs {', '.join(missing)}",
            f"nothing beyond what {_SET} allows{because}",
            f"If you trust its maker, set {_SET}={names}.",
        )


def _load(package: str) -> Any:
    """Import a package that only external estimators need."""
    try:
        return import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        raise UnusableSetting("estimator", f"no package {name}", f"it beside ipml: pip install {name}") from error


def _open_skops(source: EstimatorSource, allowed: Collection[str], where: Path | str) -> OpenedEstimator:
    skops = _load("skops.io")
    needed = skops.get_untrusted_types(data=source.data)
    _check_trusted(set(needed) - _HARMLESS, allowed, where)
    return open_fitted(skops.loads(source.data, trusted=needed))


def _open_pickle(source: EstimatorSource, allowed: Collection[str], where: Path | str) -> OpenedEstimator:
    _check_trusted(["pickle"], allowed, where, "to load a pickle runs the code that its maker put in")
    return open_fitted(_load("joblib").load(io.BytesIO(source.data)))


def open_fitted(estimator: Any) -> OpenedEstimator:
    """Return a fitted estimator of scikit-learn's kind, ready for use."""
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(f"{type(estimator).__name__} has no predict_proba")
    columns, classes = getattr(estimator, "feature_names_in_", None), getattr(estimator, "classes_", None)
    return OpenedEstimator(
        estimator.predict_proba,
        None if columns is None else tuple(map(str, columns)),
        None if classes is None else tuple(np.asarray(classes).tolist()),
        _find_explanation(estimator),
        estimator,
    )


def _find_explanation(estimator: Any) -> Callable[[pd.DataFrame], tuple[pd.DataFrame, float]] | None:
    """Return the explanation of an estimator: its own `contributions`, or the weights of a linear one; else None."""
    if hasattr(estimator, "contributions"):
        return lambda listings: (pd.DataFrame(estimator.contributions(listings)), float("nan"))
    steps = getattr(estimator, "steps", [("", estimator)])
    last = steps[-1][1]
    if len(steps) == 1 or np.shape(getattr(last, "coef_", ()))[:-1] != (1,):
        return None
    before = estimator[:-1]

    def explain(listings: pd.DataFrame) -> tuple[pd.DataFrame, float]:
        import scipy

        added = scipy.sparse.csr_matrix(before.transform(listings)).multiply(last.coef_[0])
        added = scipy.sparse.csc_matrix(added)
        used = np.flatnonzero(np.diff(added.indptr))
        try:
            names = before.get_feature_names_out()
        except (AttributeError, ValueError):
            names = np.array([f"feature {number}" for number in range(added.shape[1])], dtype=object)
        return pd.DataFrame(added[:, used].toarray(), columns=names[used]), float(np.ravel(last.intercept_)[0])

    return explain


def _open_lightgbm(source: EstimatorSource, allowed: Collection[str], where: Path | str) -> OpenedEstimator:
    _check_trusted(["lightgbm"], allowed, where, "its reader of model files is native code")
    lightgbm = _load("lightgbm")
    booster = lightgbm.Booster(model_str=source.data.decode("utf-8"))
    columns = tuple(booster.feature_name())

    def read(listings: pd.DataFrame) -> pd.DataFrame:
        texts = [name for name in columns if not is_numeric_dtype(listings[name])]
        return listings.astype(dict.fromkeys(texts, "category"))  # a booster reads no other texts than categories

    def explain(listings: pd.DataFrame) -> tuple[pd.DataFrame, float]:
        added = np.asarray(booster.predict(read(listings), pred_contrib=True))
        return pd.DataFrame(added[:, :-1], columns=list(columns)), float(added[:, -1].mean())

    return OpenedEstimator(lambda listings: booster.predict(read(listings)), columns, explain=explain)


def _open_catboost(source: EstimatorSource, allowed: Collection[str], where: Path | str) -> OpenedEstimator:
    _check_trusted(["catboost"], allowed, where, "its reader of model files is native code")
    catboost = _load("catboost")
    model = catboost.CatBoostClassifier()
    model.load_model(blob=source.data)
    columns = tuple(model.feature_names_)
    words = [columns[at] for at in (*model.get_cat_feature_indices(), *model.get_text_feature_indices())]

    def read(listings: pd.DataFrame) -> pd.DataFrame:
        return listings.assign(
            **{name: listings[name].astype(object).where(listings[name].notna(), "") for name in words}
        )

    def explain(listings: pd.DataFrame) -> tuple[pd.DataFrame, float]:
        pool = catboost.Pool(
            read(listings),
            cat_features=[columns[at] for at in model.get_cat_feature_indices()],
            text_features=[columns[at] for at in model.get_text_feature_indices()],
        )
        added = np.asarray(model.get_feature_importance(pool, type="ShapValues"))
        return pd.DataFrame(added[:, :-1], columns=list(columns)), float(added[:, -1].mean())

    classes = tuple(np.asarray(model.classes_).tolist())
    return OpenedEstimator(lambda listings: model.predict_proba(read(listings)), columns, classes, explain)


def _open_endpoint(source: EstimatorSource, allowed: Collection[str], where: Path | str) -> OpenedEstimator:
    if not any(source.address == begin or source.address.startswith(begin.rstrip("/") + "/") for begin in allowed):
        _check_trusted([source.address], allowed, where, "listings are sent there")
    httpx = _load("httpx")
    verify = httpx.create_ssl_context() if source.address.startswith("https:") else False  # read from disk once

    def ask(listings: pd.DataFrame) -> Any:
        body = listings.to_json(orient="split", date_format="iso", date_unit="us", index=False)
        try:
            answer = httpx.post(
                source.address,
                content=f'{{"dataframe_split": {body}}}',
                headers={"Content-Type": "application/json"},
                timeout=_SECONDS,
                verify=verify,
            )
            answer.raise_for_status()
            return json.loads(answer.content)["predictions"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            remedy = "It answers as a model server of MLflow does: a list of probabilities under `predictions`."
            raise Failed(
                f"The endpoint {source.address}", f"gave no probabilities ({first_line(error)})", remedy
            ) from error

    def predict(listings: pd.DataFrame) -> Any:
        starts = range(0, len(listings), _ASKED_AT_ONCE)
        answers = [answer for start in starts for answer in ask(listings.iloc[start : start + _ASKED_AT_ONCE])]
        return np.array(
            [answer.get("score") if isinstance(answer, dict) else answer for answer in answers], dtype=float
        )

    return OpenedEstimator(predict)


_OPENERS: dict[str, Callable[[EstimatorSource, Collection[str], Path | str], OpenedEstimator]] = {
    "skops": _open_skops,
    "pickle": _open_pickle,
    "lightgbm": _open_lightgbm,
    "catboost": _open_catboost,
    "endpoint": _open_endpoint,
}
