"""Rewriting piece by piece keeps track of where letters came from."""

import re

from hypothesis import given
from hypothesis import strategies as st
from specification.rewriting import look_up, moved, rewrite, unchanged

TEXTS = st.text("abx ", max_size=30)


@given(TEXTS)
def test_letters_that_stay_keep_their_places(text):
    """Without the changed pieces, each letter comes from where it stood."""
    written, origins = rewrite(re.compile("x+"), lambda _: ("", []), text, list(range(len(text))))
    assert written == text.replace("x", "")
    assert [text[origin] for origin in origins] == list(written)


@given(TEXTS)
def test_it_replaces_what_a_substitution_replaces(text):
    """With or without origins the text is the same."""
    pattern = re.compile("a(b?)")
    written, origins = rewrite(pattern, lambda match: ("zz", [0, len(match.group()) - 1]), text, None)
    assert origins is None
    assert written == pattern.sub("zz", text) == rewrite(pattern, lambda _: ("zz", [0, 0]), text, [0] * len(text))[0]


@given(TEXTS)
def test_unchanged_changes_nothing(text):
    """Neither the text nor the places; nor does a table that has none of the letters."""
    places = list(range(len(text)))
    assert rewrite(re.compile("[ab]+"), unchanged, text, places) == (text, places)
    assert rewrite(re.compile("[ab]+"), lambda match: look_up(match, {"x": "y"}), text, places) == (text, places)


def test_places_move_with_the_letters():
    """Origins of origins are those of the text as written; nobody's places are nobody's."""
    assert moved([5, 7, 9], [2, 0]) == [9, 5]
    assert moved(None, [2, 0]) is None
