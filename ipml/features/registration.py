"""Registration: lists the user's own extractor classes and functions that a model file may hold.

A model file names classes but never decides which are imported: only those registered before, in Python or by the
setting `IPML_EXTRACTORS`, are constructed. Registered code is trusted as much as ipml's own, with any state.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as installed_version
from types import FunctionType
from typing import Any, NamedTuple

from ipml.errors import UnusableSetting, first_line

SCIKIT_LEARN = "scikit-learn"
"""Name that registers the transformers of `_OF_SCIKIT_LEARN`, which hold plain values and arrays."""
SKRUB = "skrub"
"""Name that registers all classes and functions of skrub, whose transformers hold many of both."""
_OF_SCIKIT_LEARN = {
    "sklearn.compose": ("ColumnTransformer",),
    "sklearn.decomposition": ("PCA", "TruncatedSVD"),
    "sklearn.feature_extraction": ("DictVectorizer", "FeatureHasher"),
    "sklearn.feature_extraction.text": ("CountVectorizer", "HashingVectorizer", "TfidfTransformer", "TfidfVectorizer"),
    "sklearn.feature_selection": ("VarianceThreshold",),
    "sklearn.impute": ("MissingIndicator", "SimpleImputer"),
    "sklearn.pipeline": ("FeatureUnion", "Pipeline"),
    "sklearn.preprocessing": (
        *("Binarizer", "FunctionTransformer", "KBinsDiscretizer", "MaxAbsScaler", "MinMaxScaler", "Normalizer"),
        *("OneHotEncoder", "OrdinalEncoder", "PolynomialFeatures", "PowerTransformer", "QuantileTransformer"),
        *("RobustScaler", "SplineTransformer", "StandardScaler"),
    ),
}


_OF_IPML = ("ipml.features.extra:ExtraNumber", "ipml.features.extra:ExtraCategory")


class Registered(NamedTuple):
    """A class or function that a model file may hold, and the version of its state."""

    kind: Any
    version: str


_REGISTERED: dict[str, Registered] = {}
_ALLOWED: set[str] = set()  # names in the setting, imported and registered once one of them is needed


def name_class(kind: Any) -> str:
    """Return the name of a class or function as written in model files and settings.

    >>> name_class(Registered)
    'ipml.features.registration:Registered'
    """
    return f"{kind.__module__}:{kind.__qualname__}"


def register_extractor(kind: Any, *, version: str | None = None) -> Any:
    """Allow a class or function in model files and experiments; also usable as a decorator.

    Parameters
    ----------
    kind : class, function or str
        A class, a function such as that of a `FunctionTransformer`, or its name such as "mypackage.features:Mine";
        "scikit-learn" for the transformers of that library that hold plain values and arrays; "skrub" for all of skrub.
    version : str, optional
        Raise it when an older state can no longer be read: models of another version are refused. By default the
        class attribute `extractor_version`, else "1".

    Returns
    -------
    class, function or str
        The argument `kind`.

    Raises
    ------
    UnusableSetting
        There is no such class or function, or it is defined inside a function.

    Examples
    --------
    >>> register_extractor("collections:Counter")
    'collections:Counter'
    """
    if kind == SCIKIT_LEARN:
        _register_scikit_learn()
        return kind
    if kind == SKRUB:
        _REGISTERED[SKRUB] = Registered(object, "1")
        return kind
    found = _import(kind) if isinstance(kind, str) else kind
    if isinstance(found, FunctionType) and "<" in found.__qualname__:
        raise UnusableSetting("registered extractors", f"{name_class(found)!r:.120}", "a function of a module")
    registered = Registered(found, version or _find_version(found))
    _REGISTERED[name_class(found)] = registered
    if isinstance(kind, str):
        _REGISTERED[kind] = registered
    return kind


def allow_extractors(names: str) -> None:
    """Allow the classes and functions of the setting `extractors`; they are imported once one is needed."""
    _ALLOWED.update(filter(None, map(str.strip, names.split(","))))


def find_registered(name: str) -> Registered | None:
    """Return a registered class or function by its name; None where neither Python nor the setting registered it."""
    if name not in _REGISTERED:
        for allowed in sorted(_ALLOWED - _REGISTERED.keys()):
            register_extractor(allowed)
        if name in _OF_IPML or (SKRUB in _REGISTERED and name.startswith(("skrub.", "skrub:"))):
            register_extractor(name)
    return _REGISTERED.get(name)


def find_name(kind: Any) -> str | None:
    """Return the name under which a class or function is registered; None where it is not."""
    name = name_class(kind)
    registered = find_registered(name)
    return name if registered is not None and registered.kind is kind else None


def _register_scikit_learn() -> None:
    for module, names in _OF_SCIKIT_LEARN.items():
        for name in names:
            register_extractor(f"{module}:{name}")
    _REGISTERED[SCIKIT_LEARN] = Registered(object, "1")


def _find_version(kind: Any) -> str:
    """Return the default version of a class; for one of scikit-learn or skrub, that of the library."""
    library = {"sklearn": SCIKIT_LEARN, "skrub": SKRUB}.get(kind.__module__.partition(".")[0])
    if library is not None:
        return ".".join(installed_version(library).split(".")[:2])
    return str(getattr(kind, "extractor_version", "1"))


def _import(name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # importing foreign code can raise anything
        why = f"{name!r:.120}, which cannot be imported ({first_line(error)})"
        expected = 'names such as "mypackage.features:Mine", "scikit-learn" or "skrub", between commas'
        raise UnusableSetting("registered extractors", why, expected) from error
    if not isinstance(found, type | FunctionType):
        raise UnusableSetting("registered extractors", f"{name!r:.120}, which is no class", "a class or a function")
    return found
