"""Folding titles, and signatures that find alike ones again."""

from hypothesis import example, given
from hypothesis import strategies as st

from ipml.review.near_duplicates.clusters import fold_title, make_bands, make_shingles, sign_shingles

TITLE = "Leather wallet, brown, mirror quality 1:1"


def test_bands_are_the_same_for_ever():
    """They are kept in databases: another release of any library must find them again."""
    bands = make_bands("s1", sign_shingles(make_shingles(TITLE)), "f00d")
    assert (len(bands), bands[0], bands[-1]) == (21, -8873871986052661902, 1083559252420416950)


@example("\ufdfa" * 100_000)
@given(st.text())
def test_folding_twice_is_folding_once(text: str):
    """Any text has one folded form, of bounded length; ligatures are cut off before they are counted."""
    assert fold_title(fold_title(text)) == fold_title(text)
    assert len(fold_title(text)) <= (400 if text.startswith("\ufdfa" * 2) else 1200)


def test_titles_with_a_word_changed_share_a_band_and_others_do_not():
    """Near-duplicates meet under some number; what is only of the same kind meets seldom."""
    copy, other = "LEATHER wallet brown - mirror quality 1:1 new", "Leather belt, black, with a steel buckle"
    title, near, far = (set(make_bands("s1", sign_shingles(make_shingles(text)))) for text in (TITLE, copy, other))
    assert title & near
    assert not title & far


@given(st.text(alphabet="\u231a\U0001f45c\u2605!?_ .-\u200d\ufe0f"))
def test_a_title_without_letters_and_digits_is_found_by_none(text: str):
    """It has no runs of letters, hence no bands but that of its picture."""
    assert make_shingles(text) == frozenset()
    assert make_bands("s1", sign_shingles(make_shingles(text))) == ()
    assert len(make_bands("s1", sign_shingles(make_shingles(text)), "f00d")) == 1


@given(st.text(min_size=1), st.text(min_size=1))
def test_scopes_never_meet(one: str, other: str):
    """Bands of one seller are not those of another."""
    signature = sign_shingles(make_shingles(TITLE))
    assert (one == other) == bool(set(make_bands(one, signature)) & set(make_bands(other, signature)))
