"""What scikit-learn asks of an estimator, without loading scikit-learn: that takes longer than all a first score needs.

It is the interface that scikit-learn's guide for developers describes for code that is not to depend on it. What
learns has scikit-learn anyway, and its own checks of estimators hold. Pages in notebooks and the routing of metadata
are scikit-learn's own: whoever asks for them has loaded it.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from inspect import signature
from typing import Any, Self


class Estimator:
    """Something that learns: parameters in the constructor, which stores them; what is learnt in names that end in "_".

    Examples
    --------
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
        """Return the parameters by name; those of estimators among them too, as in `inner__most`, if `deep`."""
        own = {name: getattr(self, name) for name in self._defaults()}
        parts = self.parts() if deep else {}
        of_parts = {name: part.get_params() for name, part in parts.items() if hasattr(part, "get_params")}
        return own | parts | {f"{name}__{of}": it for name, params in of_parts.items() for of, it in params.items()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by the names that `get_params` gives them.

        Raises
        ------
        ValueError
            There is no parameter of a name.
        """
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
        """Return the estimators that this one is made of, whose parameters are parameters of this one, too."""
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
        """Return what a notebook shows, as for estimators of scikit-learn."""
        bundle: dict[str, str] = _as_base_estimator(self)._repr_mimebundle_(**options)
        return bundle

    def _repr_html_(self) -> str | None:
        return self._repr_mimebundle_().get("text/html")

    def get_metadata_routing(self) -> Any:
        """Return what is to be passed on to which method, as scikit-learn has it."""
        return _as_base_estimator(self).get_metadata_routing()

    def set_fit_request(self, **requests: bool | str | None) -> Self:
        """Ask that parameters of `fit`, such as `sample_weight`, be passed on by what this estimator is a part of.

        It needs `sklearn.set_config(enable_metadata_routing=True)`, as scikit-learn's own method of this name.
        """
        return self._set_request("fit", requests)

    def set_score_request(self, **requests: bool | str | None) -> Self:
        """Ask that parameters of `score` be passed on, as `set_fit_request` does."""
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
        from sklearn.utils import Tags, TargetTags  # whoever asks has loaded scikit-learn

        return Tags(estimator_type=None, target_tags=TargetTags(required=False))


@cache
def _join_base_estimator(kind: Any) -> Any:
    from sklearn.base import BaseEstimator

    return type(kind.__name__, (BaseEstimator, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def _as_base_estimator(estimator: Estimator) -> Any:
    """Return an estimator as one that inherits from scikit-learn's base class; a change of either is one of both."""
    own: Any = type(estimator)
    kind = _join_base_estimator(own)
    joined = object.__new__(kind)
    joined.__dict__ = vars(estimator)
    return joined


def check_fitted(estimator: object, name: str | None = None) -> None:
    """Refuse to go on with an estimator that has not learnt what is asked for, or anything at all.

    Raises
    ------
    NotFittedError
        As scikit-learn's own estimators do.
    """
    is_fitted = hasattr(estimator, name) if name else any(learnt.endswith("_") for learnt in vars(estimator))
    if not is_fitted:
        from sklearn.exceptions import NotFittedError  # loading scikit-learn is no loss here

        raise NotFittedError(f"This {type(estimator).__name__} is not fitted yet; call fit first.")
