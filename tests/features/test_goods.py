"""Which kinds of goods and brands a title names, and what follows from them, of many at once as of one."""

import re
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from specification.phrases import find_phrases as specify_phrases
from support.finding import find_phrases

from ipml.errors import UnusableSetting
from ipml.features.columns import ListingColumns
from ipml.features.compiled.folding import fold_text
from ipml.features.compiled.goods import describe_goods, list_brands, make_goods_table
from ipml.features.compiled.phrases import PhraseFinder
from ipml.features.compiled.texts import Texts
from ipml.features.goods import BrandFeatures, GoodsFeatures, brand_table, brands_in_titles, load_goods
from ipml.listings.brands import Brand, Brands, load_brands

GOODS = GoodsFeatures().fit({"title": []})


def values(title: str | None, goods: GoodsFeatures = GOODS) -> dict[str, float]:
    """Return the features of one title by name."""
    return dict(zip(goods.get_feature_names_out(), goods.transform({"title": [title]})[0].tolist(), strict=True))


def test_kinds_are_named_and_the_one_most_often_copied_counts():
    """In each language of the file; a title that names none says so and nothing else."""
    names = {"Men's wrist watch": "watches", "Сумка женская": "bags", "Tênis masculino": "shoes"}
    names |= {"Gafas de sol": "sunglasses", "Tonerkartusche schwarz": "ink_and_toner"}
    names |= {"蓝牙耳机": "headphones_and_speakers", "Parfüm 50 ml": "perfume"}
    assert {title: values(title)[name] for title, name in names.items()} == dict.fromkeys(names, 1)
    assert values("laptop")["often_copied"] == 0
    assert values("laptop belt")["often_copied"] == 0.5
    assert values("laptop belt bag")["often_copied"] == 1
    assert values("laptop belt bag")["several_kinds"] == 2
    for title in (None, "", "Something altogether else"):
        assert {name for name, value in values(title).items() if value} == {"no_kind"}


def test_a_brand_is_compared_with_what_it_makes():
    """A Rolex watch is its own kind of goods, a perfume is not, an unnamed kind and an unknown brand say nothing."""
    watch, perfume, alone = (values(f"Rolex {goods}") for goods in ("watch", "perfume", ""))
    assert (watch["kind_of_brand"], watch["other_kind_than_brand"], watch["brand_without_kind"]) == (1, 0, 0)
    assert (perfume["kind_of_brand"], perfume["other_kind_than_brand"], perfume["brand_without_kind"]) == (0, 1, 0)
    assert (alone["kind_of_brand"], alone["other_kind_than_brand"], alone["brand_without_kind"]) == (0, 0, 1)
    table = brand_table(Brands((Brand("Acme", "anvils", 10.0, "USD"),)))
    named = values("Acme watch", GoodsFeatures(table).fit({"title": []}))
    assert (named["kind_of_brand"], named["other_kind_than_brand"]) == (0, 0)


def test_an_unknown_frequency_is_refused(tmp_path):
    """How often a kind is copied is said in the words of the file only."""
    file = tmp_path / "goods.toml"
    file.write_text('[[kind]]\nname = "kites"\noften_copied = "now and then"\nphrases = ["kite"]\n', encoding="utf-8")
    with pytest.raises(UnusableSetting, match="now and then"):
        load_goods(file)


def test_every_kind_has_a_name_and_phrases_of_its_own_that_are_found():
    """As written and in capitals, stems as the words they begin; no brand of the bundled file is of no kind."""
    kinds = load_goods()
    assert len({kind.name for kind in kinds}) == len(kinds)
    assert all(kind.phrases for kind in kinds)
    folded = [phrase for kind in kinds for phrase in {fold_text(phrase) for phrase in kind.phrases}]
    assert [phrase for phrase, times in Counter(folded).items() if times > 1] == []
    assert {brand.category for brand in load_brands()} <= {kind.brand_category for kind in kinds}
    written = [(kind.name, phrase.removesuffix("*")) for kind in load_goods() for phrase in kind.phrases]
    cases = [(name, title) for name, word in written for title in (word, word.upper())]
    named = GOODS.named(ListingColumns({"title": [f"x {title} y" for _, title in cases]}))
    assert [case for case, found in zip(cases, named, strict=True) if case[0] not in found] == []
    phrases = [phrase for kind in load_goods() for phrase in kind.phrases]
    assert not [phrase for phrase in phrases if "*" in phrase[:-1]]
    words = {phrase: phrase[:-1] + ("й" if re.search(r"[а-я]\*$", phrase) else "z") for phrase in phrases}
    stems = [phrase for phrase in phrases if phrase.endswith("*")]
    assert [stem for stem in stems if not find_phrases(fold_text(words[stem]), (stem,))] == []


@given(st.text(max_size=60), st.sampled_from(["soft", "new", "42", "!"]))
def test_a_title_names_no_fewer_kinds_with_more_words(title, word):
    """What follows from the kinds named lies within its bounds, and a word after them takes none away."""
    before, after = values(title), values(f"{title} {word}")
    assert {kind for kind in before if before[kind]} - {"no_kind"} <= {kind for kind in after if after[kind]}
    for name, value in before.items():
        assert 0 <= value <= (3 if name == "several_kinds" else 1), name
    assert before["no_kind"] == (not any(before[kind.name.replace(" ", "_")] for kind in load_goods()))


SCRIPTS = {
    **{"HIRAGANA|KATAKANA|CJK": ("ナイカ腕時計の新", "の中古品腕ヶス"), "HANGUL": ("가방명품 ", "의은가방을 ")},
    **{"ARABIC": (("ال", "و", "بال", "لل", "ك", " "), " ،!"), "HEBREW": (("ה", "ו", "ב", " "), " !")},
    **{"THAI": ("กขนาแท", "กแมไรน"), "DEVANAGARI": (" -", " -।")},
}
"""For scripts, as names of their letters begin: what may stand before a brand and after it."""
MADE_UP = ("ルゾ モラ", "루조 모라", "ลูโซ่", "لوزو مورا", "לוזו", "लूज़ो मोरा", "鲁佐")
TABLE = brand_table(Brands((*load_brands(), Brand("Luzo Mora", "clothing", 90.0, "USD", MADE_UP))))
ALIASES = [
    (alias, number, affixes)
    for alias, number in zip(TABLE["phrases"], TABLE["phrase_brands"], strict=True)
    for script, affixes in SCRIPTS.items()
    if re.match(script, unicodedata.name(alias[0]))
]


@given(st.data())
def test_a_brand_in_its_own_script_is_found_whatever_stands_beside_it(data):
    """As scripts write it: joined or apart, with articles and particles; and it is no disguise."""
    alias, number, (before, after) = data.draw(st.sampled_from(ALIASES))
    is_short = len(alias) <= 2 and re.match("HANGUL|KATAKANA", unicodedata.name(alias[0]))
    before = " " if is_short else data.draw(st.sampled_from(before) if isinstance(before, tuple) else st.text(before))
    form = data.draw(st.sampled_from(["NFC", "NFD"]))
    joined = data.draw(st.booleans()) and not alias[-1].isascii()
    written = unicodedata.normalize(form, alias.replace(" ", "") if joined else alias)
    title = f"{before}{written}{data.draw(st.text(after, max_size=3))} 42"
    assert number in brands_in_titles(ListingColumns({"title": [title]}), TABLE).of_text(0), title
    named, _, disguised, disguised_words, *_ = BrandFeatures(TABLE).fit({"title": []}).transform({"title": [title]})[0]
    assert (named, disguised, disguised_words) == (1, 0, 0), title


def test_a_short_brand_is_not_found_within_a_longer_word():
    """Two letters of katakana or Hangul within a word, and letters of which a mark makes others, name no brand."""
    titles = ["グレゴリー リュック", "그레고리 배낭", "कोलेगोवा", "नाइक", "มไน", "سرولكس"]
    assert [title for title in titles if brands_in_titles(ListingColumns({"title": [title]}), TABLE).of_text(0)] == []
    assert all(brands_in_titles(ListingColumns({"title": ["レゴ 레고 लेगो เลโก้"]}), TABLE).of_text(0))


BRANDS = ("nike", "air", "nike air", "jordan", "air jordan", "boss", "hugo", "hugo boss", "高")
KINDS = ("bag", "shoe", "air", "hand bag", "watch", "件")
FINDER = PhraseFinder((BRANDS, KINDS))
TEXTS = st.lists(st.lists(st.sampled_from([*BRANDS, *KINDS, "x"]), max_size=8).map(" ".join), max_size=5)


def name_brands(text: str, phrase_brands: list[int]) -> list[int]:
    """Return the brands of one text: by place, of those from one place that of the longest phrase first."""
    ordered = sorted((start, -end, number) for number, start, end in specify_phrases(text, BRANDS))
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
    phrase_kinds = data.draw(st.lists(st.integers(0, 4), min_size=len(KINDS), max_size=len(KINDS)))
    often = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=5, max_size=5))
    made = data.draw(st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=4, max_size=4))
    of_brands, of_goods = FINDER.find(Texts.of(texts))
    brands = list_brands(of_brands, np.array(phrase_brands, dtype=np.int64))
    values = describe_goods(of_goods, brands, make_goods_table(phrase_kinds, often, made))
    for row, text in enumerate(texts):
        assert brands.of_text(row) == name_brands(text, phrase_brands)
        named = {phrase_kinds[number] for number, _, _ in specify_phrases(text, KINDS)}
        expected = [*(float(kind in named) for kind in range(5)), *summarise(named, brands.of_text(row), often, made)]
        assert values[row].tolist() == expected


def test_tables_without_brands_or_titles_are_read():
    """An empty table, and no titles at all, give arrays without values."""
    of_brands, of_goods = FINDER.find(Texts.of([]))
    brands = list_brands(of_brands, np.zeros(len(BRANDS), dtype=np.int64))
    assert describe_goods(of_goods, brands, make_goods_table([0] * len(KINDS), [1.0], [])).shape == (0, 7)
