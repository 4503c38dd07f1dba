"""Exceptions of ipml, and the mistakes that people make in TOML."""

import inspect
import pickle
import tomllib
from pathlib import Path

import pytest

import ipml.errors
from ipml.cooperation.networks.links import load_network_rules
from ipml.enforcement.policy import load_enforcement_policy
from ipml.errors import IpmlError, UnreadableFile
from ipml.kit.toml import parse_toml
from ipml.listings.brands import load_brands
from ipml.listings.maps.column_maps import load_columns
from ipml.model.promotion.gate import load_rules
from ipml.model.training import load_experiment


def test_every_exception_has_the_one_base():
    """`IpmlError` covers all that ipml raises on purpose."""
    found = [one for _, one in inspect.getmembers(ipml.errors, inspect.isclass) if issubclass(one, Exception)]
    assert IpmlError in found
    assert all(issubclass(one, IpmlError) for one in found)


def test_an_exception_comes_back_from_another_process_as_it_was():
    """With its message and its facts."""
    error = pickle.loads(pickle.dumps(UnreadableFile("a.csv", "nothing", "listings")))
    expected = (UnreadableFile, "a.csv: found nothing; expected listings.", "a.csv")
    assert (type(error), str(error), error.subject) == expected


DEEP = ["a = " + "[" * 9_000, "a = " + "[" * 9_000 + "]" * 9_000, "a = " + "{ a = " * 9_000]


READERS = (load_network_rules, load_enforcement_policy, load_brands, load_columns, load_rules, load_experiment)


def test_what_cannot_be_read_is_a_mistake_in_toml():
    """However deep it is nested: a caller that reads a file has one kind of mistake to answer."""
    for text in ("a = ", *DEEP):
        with pytest.raises(tomllib.TOMLDecodeError):
            parse_toml(text)


def test_every_reader_names_the_file_that_is_nested_too_deeply(tmp_path: Path):
    """In one line, as for any other mistake."""
    path = tmp_path / "odd.toml"
    path.write_text(DEEP[0])
    for read in READERS:
        with pytest.raises(IpmlError, match=r"odd\.toml.*Nested deeper") as caught:
            read(path)
        assert "\n" not in str(caught.value)
