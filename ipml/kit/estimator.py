"""Estimator: implements scikit-learn's estimator interface without loading scikit-learn, to make the first score fast.

It follows the developer guide for code that does not depend on scikit-learn, and passes scikit-learn's own checks.
Notebook display and metadata routing use scikit-learn, which their callers have loaded.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from inspect import signature
from typing import Any, Self


class Estimator:
    """Base of estimators: the constructor stores the parameters; learnt attributes end in "_".

    >>> class Rule(Estimator):
    ...     def __init__(self, most=3, inner=None):
    ...         self.most, self.inner = most, inner
    >>> rule = Rule(inner=Rule()).set_params(most=4, inner__most=5)
    >>> rule, rule.get_params()["inner__most"]
    (Rule(inner=Rule(most=5), most=4), 5)
    >>> from sklearn.base import clone
    >>> clone(rule)
    Rule(inner=Rule(most=5), most=4)
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, and with `deep` those of inner estimators, such as `inner__most`."""
        own = {name: getattr(self, name) for name in self._defaults()}
        parts = self.parts() if deep else {}
        of_parts = {name: part.get_params() for name, part in parts.items() if hasattr(part, "get_params")}
        return own | parts | {f"{name}__{of}": it for name, params in of_parts.items() for of, it in params.items()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by the names of `get_params`; raise ValueError for an unknown name."""
        known, of_parts = self._defaults(), defaultdict[str, dict[str, Any]](dict)
        for key, value in params.items():
            name, is_inner, of_part = key.partition("__")
            if is_inner:
                of_parts[name][of_part] = value
            elif name in known:
                setattr(self, name, value)
            else:
                raise self._no_parameter(name)
        parts = self.parts()
        for name, values in of_parts.items():
            if name not in parts:
                raise self._no_parameter(name)
            parts[name].set_params(**values)
        return self

    def parts(self) -> dict[str, Any]:
        """Return the inner estimators, whose parameters belong to this one, too."""
        own = {name: getattr(self, name) for name in self._defaults()}
        return {name: value for name, value in own.items() if hasattr(value, "get_params")}

    def _no_parameter(self, name: str) -> ValueError:
        known = sorted({*self._defaults(), *self.parts()})
        return ValueError(f"Invalid parameter {name!r} for estimator {self}. Valid parameters are: {known}.")

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Return the parameters of the constructor with their defaults."""
        return {name: parameter.default for name, parameter in sorted(signature(cls).parameters.items())}

    def __repr__(self) -> str:
        usual, given = self._defaults(), self.get_params(deep=False)
        told = [f"{name}={value!r}" for name, value in given.items() if repr(value) != repr(usual[name])]
        return f"{type(self).__name__}({', '.join(told)})"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        """Return the notebook display of scikit-learn's estimators."""
        bundle: dict[str, str] = _as_base_estimator(self)._repr_mimebundle_(**options)
        return bundle

    def _repr_html_(self) -> str | None:
        return self._repr_mimebundle_().get("text/html")

    def get_metadata_routing(self) -> Any:
        """Return scikit-learn's routing of metadata to methods."""
        return _as_base_estimator(self).get_metadata_routing()

    def set_fit_request(self, **requests: bool | str | None) -> Self:
        """Request parameters of `fit`, such as `sample_weight`, from the estimator that contains this one.

        Needs `sklearn.set_config(enable_metadata_routing=True)`, like scikit-learn's method of this name.
        """
        return self._set_request("fit", requests)

    def set_score_request(self, **requests: bool | str | None) -> Self:
        """Request parameters of `score`, like `set_fit_request`."""
        return self._set_request("score", requests)

    def _set_request(self, method: str, requests: dict[str, bool | str | None]) -> Self:
        routing = self.get_metadata_routing()
        of_method = getattr(routing, method)
        if unknown := requests.keys() - of_method.requests.keys():
            known = ", ".join(sorted(of_method.requests))
            raise TypeError(f"Found {', '.join(sorted(unknown))}; expected parameters of {method}: {known}.")
        for name, alias in requests.items():
            of_method.add_request(param=name, alias=alias)
        self._metadata_request = routing  # where scikit-learn's clone looks for it
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags  # the caller has loaded scikit-learn

        return Tags(estimator_type=None, target_tags=TargetTags(required=False))


@cache
def _join_base_estimator(kind: Any) -> Any:
    from sklearn.base import BaseEstimator

    return type(kind.__name__, (BaseEstimator, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def _as_base_estimator(estimator: Estimator) -> Any:
    """Return a view of an estimator that inherits from scikit-learn's base class and shares its attributes."""
    own: Any = type(estimator)
    kind = _join_base_estimator(own)
    joined = object.__new__(kind)
    joined.__dict__ = vars(estimator)
    return joined


def check_fitted(estimator: object, name: str | None = None) -> None:
    """Raise NotFittedError if an estimator lacks a learnt attribute, or any at all."""
    is_fitted = hasattr(estimator, name) if name else any(learnt.endswith("_") for learnt in vars(estimator))
    if not is_fitted:
        from sklearn.exceptions import NotFittedError  # loading time does not matter for an error

        raise NotFittedError(f"This {type(estimator).__name__} is not fitted yet; call fit first.")
