"""The user's own extractors in an experiment: a table [features.NAME] each, with a registered class and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipml.errors import Refused, UnusableSetting, first_line
from ipml.features.extra import make_extra_features
from ipml.features.own import OwnFeatures, adopt
from ipml.features.registration import allow_extractors, find_registered
from ipml.model.model_file.state import pack
from ipml.model.training.experiment import Experiment

_OF_EXTRACTOR = ("columns", "group", "sentence")


def make_own_features(experiment: Experiment) -> dict[str, OwnFeatures]:
    """Return the extractors that an experiment names, not yet fitted.

    Raises `UnusableSetting`: a class is not registered or rejects a parameter, or a name is taken.

    >>> from ipml import register_extractor
    >>> counts = {"class": "sklearn.feature_extraction.text:CountVectorizer", "columns": "title", "min_df": 5}
    >>> experiment = Experiment(name="shoes", data={"listings": "shoes.csv"}, features={"counts": counts})
    >>> register_extractor("scikit-learn")
    'scikit-learn'
    >>> make_own_features(experiment)["counts"].transformer
    CountVectorizer(min_df=5)
    """
    allow_extractors(experiment.settings.extractors)
    extra = make_extra_features(experiment.data.extra_numbers, experiment.data.extra_categories)
    if twice := sorted(extra.keys() & experiment.features.keys()):
        found = "the name of a column under [data]"
        raise UnusableSetting(_subject(experiment, twice[0]), found, "another name")
    return extra | {name: _make(experiment, name, table) for name, table in experiment.features.items()}


def check_savable(experiment: Experiment, features: Mapping[str, Any]) -> None:
    """Refuse fitted extractors of an experiment that a model file cannot hold, by an UnusableSetting."""
    for name in experiment.features:
        try:
            pack(features[name])
        except TypeError as error:
            expected = "registered classes and functions, and plain values"
            remedy = "Register it, or give the class that holds it a __getstate__ of plain values."
            raise UnusableSetting(_subject(experiment, name), f"{error} in its state", expected, remedy) from None


def _make(experiment: Experiment, name: str, table: Mapping[str, Any]) -> OwnFeatures:
    subject, written = _subject(experiment, name), table["class"]
    registered = find_registered(written)
    if registered is None:
        found = f"the class {written!r:.120}, which is not registered"
        raise UnusableSetting(
            subject, found, "a class in the setting IPML_EXTRACTORS", "Name it there if you trust it."
        )
    given = {key: value for key, value in table.items() if key != "class" and key not in _OF_EXTRACTOR}
    try:
        transformer = registered.kind(**given)
    except Exception as error:  # a class of others can raise anything
        found = ", ".join(f"{key} = {value!r:.60}" for key, value in given.items()) or "no parameters"
        raise UnusableSetting(subject, found, f"parameters that {written} takes ({first_line(error)})") from error
    try:
        own = adopt(name, OwnFeatures(transformer, **{key: table.get(key) for key in _OF_EXTRACTOR}))
    except Refused as error:
        raise UnusableSetting(subject, error.found, error.expected) from error
    assert isinstance(own, OwnFeatures)
    return own


def _subject(experiment: Experiment, name: str) -> str:
    return f"[features.{name:.60}] of {experiment.name}"
