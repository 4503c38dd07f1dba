"""A model is looked up only under a plain name, and a store is the same from any folder."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipml.errors import UnusableSetting
from ipml.model.tracking.store import find_sqlite_file, make_absolute, parse_model_uri


def test_a_name_that_could_be_a_place_is_refused() -> None:
    """Only a plain name with an alias or a number is taken; anything else is one line."""
    refused = [
        *("models:/../1", "models:/../../etc/passwd/1", "models:/..@champion", "models:/a..b/1", "models:/%2e%2e/1"),
        *("models:/ipml@../x", "models:/ipml@%2e", "models:/ipml/../../1", "models:/ipml#/1"),
        *("models:/ipml/1?query", "models:/ipml/0", "models:/ipml/-1", "models:/ipml/Production", "models:/ipml"),
        *("models:ipml/1", "models:///etc/1", "models://host/ipml/1", "models:/ipml/1\n", "models:/ip ml/1"),
        *("models:/ipml/1#fragment", "models:/m-0123456789abcdef", "file:///etc/passwd", "/etc/passwd"),
        *("runs:/0123/model", ""),
        "models:/" + "a" * 101 + "/1",
    ]
    for uri in refused:
        with pytest.raises(UnusableSetting) as caught:
            parse_model_uri(uri)
        assert len(str(caught.value).splitlines()) == 1
    for uri in ("models:/ipml@champion", "models:/ipml/3", "models:/ipml-goods_2.1/999999999"):
        assert str(parse_model_uri(uri)) == uri


@given(name=st.text(max_size=12), alias=st.text(max_size=12))
@example(name="a", alias="b\n")
@example(name="a\n", alias="b")
@example(name="a", alias="b")
def test_what_is_taken_is_plain(name: str, alias: str) -> None:
    """Whatever stands where names should be, what gets through holds letters, digits, `_`, `-` and single dots."""
    try:
        parsed = parse_model_uri(f"models:/{name}@{alias}")
    except UnusableSetting:
        return
    for part in (parsed.name, parsed.alias):
        assert re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?", part)


def test_a_store_of_this_folder_is_one_of_any_folder() -> None:
    """A relative SQLite URI names a file here, its absolute spelling the same from anywhere; others are no files."""
    assert find_sqlite_file("sqlite:///mlflow.db") == Path.cwd() / "mlflow.db"
    assert make_absolute("sqlite:///mlflow.db") == f"sqlite:///{Path.cwd()}/mlflow.db"
    for uri in ("http://localhost:5000", "postgresql://host/db", "databricks"):
        assert find_sqlite_file(uri) is None
        assert make_absolute(uri) == uri
