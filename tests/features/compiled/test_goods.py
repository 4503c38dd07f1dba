"""The brands that titles name, and what follows from the goods they name, are said of many at once as of one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from specification.phrases import find_phrases

from ipml.features.compiled.goods import describe_goods, list_brands, make_goods_table
from ipml.features.compiled.phrases import PhraseFinder
from ipml.features.compiled.texts import Texts

BRANDS = ("nike", "air", "nike air", "jordan", "air jordan", "boss", "hugo", "hugo boss", "高")
GOODS = ("bag", "shoe", "air", "hand bag", "watch", "件")
FINDER = PhraseFinder((BRANDS, GOODS))
TEXTS = st.lists(st.lists(st.sampled_from([*BRANDS, *GOODS, "x"]), max_size=8).map(" ".join), max_size=5)


def name_brands(text: str, phrase_brands: list[int]) -> list[int]:
    """Return the brands of one text: by place, of those from one place that of the longest phrase first."""
    ordered = sorted((start, -end, number) for number, start, end in find_phrases(text, BRANDS))
    return list(dict.fromkeys(phrase_brands[number] for _, _, number in ordered))


def summarise(named: set[int], brands: list[int], often: list[float], made: list[list[int]]) -> list[float]:
    """Return what follows from the kinds and the brands of one text."""
    of_brands = {kind for brand in brands for kind in made[brand]}
    return [
        max((often[kind] for kind in named), default=0.0),
        min(max(len(named) - 1, 0), 3),
        not named,
        bool(named & of_brands),
        bool(named and of_brands and not named & of_brands),
        bool(brands and not named),
    ]


@given(TEXTS, st.data())
def test_brands_and_goods_are_those_of_each_text(texts, data):
    """Whichever brand each phrase is of, and whichever kinds each brand makes."""
    phrase_brands = data.draw(st.lists(st.integers(0, 3), min_size=len(BRANDS), max_size=len(BRANDS)))
    phrase_kinds = data.draw(st.lists(st.integers(0, 4), min_size=len(GOODS), max_size=len(GOODS)))
    often = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=5, max_size=5))
    made = data.draw(st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=4, max_size=4))
    of_brands, of_goods = FINDER.find(Texts.of(texts))
    brands = list_brands(of_brands, np.array(phrase_brands, dtype=np.int64))
    values = describe_goods(of_goods, brands, make_goods_table(phrase_kinds, often, made))
    for row, text in enumerate(texts):
        assert brands.of_text(row) == name_brands(text, phrase_brands)
        named = {phrase_kinds[number] for number, _, _ in find_phrases(text, GOODS)}
        expected = [*(float(kind in named) for kind in range(5)), *summarise(named, brands.of_text(row), often, made)]
        assert values[row].tolist() == expected


def test_tables_without_brands_or_titles_are_read():
    """An empty table, and no titles at all, give arrays without values."""
    of_brands, of_goods = FINDER.find(Texts.of([]))
    brands = list_brands(of_brands, np.zeros(len(BRANDS), dtype=np.int64))
    assert describe_goods(of_goods, brands, make_goods_table([0] * len(GOODS), [1.0], [])).shape == (0, 7)
