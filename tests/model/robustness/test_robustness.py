"""Attacks rewrite what they are told to; what they cost is measured; padding, gaming and evasions gain little."""

import unicodedata
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipml.errors import UnmeasurableScores, UnusableSetting
from ipml.features.column import MAX_LETTERS
from ipml.features.columns import ListingColumns
from ipml.features.lexicon import TradeWords
from ipml.listings.brands import load_brands
from ipml.listings.schema import check_listings
from ipml.model.evaluation.metrics import average_precision, measure
from ipml.model.evaluation.ranking import Resampling
from ipml.model.learner import problem
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.robustness import FAMILIES, attack_listings, attack_text, evasions, find_attacks, score_attacks
from ipml.model.robustness.evasions import ALPHABETS, LAWFUL_PHRASES, harmless_title
from ipml.model.robustness.robustness import (
    ATTACKS,
    REFERENCE,
    Robustness,
    alarms_table,
    false_alarms_by_script,
    genuine_listings,
    measure_robustness,
    robustness_of,
    score_by_seller,
    threshold_at_precision,
)
from ipml.model.robustness.scenarios import LOT, N_WASH_SALES, SCENARIOS, Scenario, game_listings

Y = np.array([1, 0, 1, 0, 1, 0, 1, 0])
CLEAN = np.array([0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6, 0.4])
SELLERS = list("abcdefgh")
FEW = find_attacks(["homoglyph, all Cyrillic", "leet digits", "padding, end", "genuine price", "washed history"])


class WordList:
    """A classifier that knows one word, and only as it is written here."""

    def predict_proba(self, X):
        """Return 0.9 for titles with the word, 0.1 for others."""
        scores = np.where(X["title"].str.contains("replica"), 0.9, 0.1)
        return np.column_stack([1 - scores, scores])


@pytest.fixture
def shop():
    """Return listings of four sellers, half of them counterfeit."""
    return pd.DataFrame({"seller_id": list("aabbccdd"), "title": ["replica bag", "tea cup"] * 4})


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8), st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_a_higher_score_after_the_attack_never_costs_more(before, gain):
    """Raising the scores of the counterfeits can only find more of them."""
    clean = np.where(Y == 1, np.maximum(before, 0.5), np.array(before) / 2)
    raised = np.where(Y == 1, clean + np.array(gain), clean)
    low, high = robustness_of(
        Y, clean, {"a": clean, "b": raised}, SELLERS, precision=0.5, resampling=Resampling(10)
    ).costs
    assert high.recall_lost.value <= low.recall_lost.value
    assert high.average_precision_kept.value >= low.average_precision_kept.value


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8), st.floats(0.1, 1.0))
def test_the_threshold_is_as_precise_as_asked(score, precision):
    """At least that share of the listings from it on is counterfeit, or there is no such threshold."""
    try:
        threshold = threshold_at_precision(Y, score, precision)
    except UnmeasurableScores:
        return
    assert measure(f"precision_at_{int((np.array(score) >= threshold).sum())}", Y, score) >= precision


def test_costs_are_those_of_the_measures_and_so_are_means_and_the_worst():
    """Nothing where no score changes; of all attacks and of those unnoticed; in JSON and in a table the worst first."""
    scores = {"leet digits": CLEAN - 0.25 * Y, "soft hyphen": CLEAN - 0.15 * Y, "full-width": CLEAN}
    robustness = robustness_of(Y, CLEAN, scores, SELLERS, precision=0.9)
    assert robustness.worst.name == "leet digits"
    assert robustness.mean_recall_lost == pytest.approx((0.75 + 0.5 + 0.0) / 3)
    assert [cost.name for cost in robustness.lossless.costs] == ["soft hyphen", "full-width"]
    assert robustness.lossless.mean_recall_lost == pytest.approx(0.25)
    assert "lossless, 2 attacks: 0.250 of recall lost on average, 0.500 by the worst, soft hyphen" in (
        robustness.summary()
    )
    lines = [line.split("  ")[0] for line in robustness.table().splitlines()]
    assert lines == ["attack", "leet digits", "soft hyphen", "full-width"]
    assert Robustness.from_json(robustness.to_json()) == robustness
    same, other = robustness_of(Y, CLEAN, {"own trick": CLEAN, "a": CLEAN - 0.35 * Y}, SELLERS).costs
    assert (same.recall_lost.value, same.recall_lost.low, same.recall_lost.high) == (0.0, 0.0, 0.0)
    assert same.average_precision_kept.low == same.average_precision_kept.high == 1.0
    assert same.kind == "own"
    kept = average_precision(Y, CLEAN - 0.35 * Y) / average_precision(Y, CLEAN)
    assert other.average_precision_kept.value == kept
    robustness = robustness_of(Y, CLEAN, {"leet digits": CLEAN - 0.25 * Y}, SELLERS, precision=0.9)
    assert robustness.threshold == 0.6
    assert robustness.recall.value == 1.0
    assert robustness.worst.recall.value == 0.25
    assert robustness.worst.recall_lost.value == 0.75


def test_attacks_are_announced_and_cost_a_word_list_what_is_written_otherwise(shop):
    """All by look-alikes, nothing by padding or gaming; added listings have no score; halves pool to the whole."""
    robustness = measure_robustness(WordList(), shop, [1, 0] * 4, families=FEW, resampling=Resampling(20))
    lost = {cost.name: cost.recall_lost.value for cost in robustness.costs}
    expected = {"homoglyph, all Cyrillic": 1.0, "leet digits": 1.0, "padding, end": 0.0, "genuine price": 0.0}
    expected |= {"washed history": 0.0}
    assert lost == expected
    said: list[str] = []
    scored = dict(score_attacks(WordList(), shop, [1, 0] * 4, families=FEW, say=said.append))
    assert said == list(scored) == [attack.name for attack in FEW]
    assert all(scores.shape == (8,) for scores in scored.values())
    y = np.array([1, 0] * 4)
    whole = dict(score_attacks(WordList(), shop, y, families=FEW))
    halves = [dict(score_attacks(WordList(), part, y[:4], families=FEW)) for part in (shop[:4], shop[4:])]
    for name, scores in whole.items():
        assert scores.tolist() == [score for half in halves for score in half[name]]


def test_sellers_who_attack_nothing_keep_their_scores(market, classifier):
    """Scoring only the attackers' listings again gives what scoring all of them does."""
    listings = market.listings.tail(400)
    y = listings["is_counterfeit"].fillna(False).to_numpy(dtype=bool)
    attacks = find_attacks(["leet digits", "washed history", "fresh account"])
    scored = dict(score_attacks(classifier, listings, y, families=attacks))
    for attack in attacks:
        if isinstance(attack, Scenario):
            attacked = game_listings(listings, attack, y, ~y).listings
        else:
            attacked = attack_listings(listings, attack, y)
        everything = score_by_seller(classifier, attacked)[: len(listings)]
        np.testing.assert_allclose(scored[attack.name], everything, rtol=0, atol=1e-12)


def test_parts_never_divide_a_seller(monkeypatch):
    """Each call sees all listings of its sellers, and few of others; every listing is scored once, in its place."""
    seen = []

    class Recorder:
        def predict_proba(self, X):
            seen.append(set(X["seller_id"]))
            return np.column_stack([X["price"], X["price"]])

    monkeypatch.setattr("ipml.model.robustness.robustness.ROWS_AT_A_TIME", 4)
    listings = pd.DataFrame({"seller_id": list("abcabcabcd"), "price": np.arange(10.0)})
    assert score_by_seller(Recorder(), listings).tolist() == listings["price"].tolist()
    assert len(seen) > 1
    assert sum(map(len, seen)) == 4


def test_attacks_are_found_by_name_and_by_kind():
    """No name stands for all; one unknown is refused with near names, a precision too high with the best."""
    assert {attack.name for attack in find_attacks(["gaming", "dotted"])} >= {"dotted", "no price", "fresh account"}
    assert find_attacks(()) == tuple(ATTACKS.values())
    with pytest.raises(UnusableSetting, match="leet digits"):
        find_attacks(["leet digit"])
    with pytest.raises(UnmeasurableScores, match=r"a precision of 0\.50 at most; expected 0\.8 or more"):
        threshold_at_precision(Y, -CLEAN)


def test_harmless_listings_differ_in_language_only(classifier):
    """As many at the same prices in letters of each script; raising the threshold never adds an alarm."""
    by_language = genuine_listings()
    assert len(by_language) == 15
    english = by_language[REFERENCE]
    assert english["title"].str.isascii().all()
    for language, listings in by_language.items():
        assert listings["price"].tolist() == english["price"].tolist()
        assert listings["title"].is_unique
        assert language == REFERENCE or not listings["title"].str.isascii().any()
    low, high = (false_alarms_by_script(classifier, threshold) for threshold in (0.1, 0.5))
    assert all(later.share <= sooner.share for sooner, later in zip(low, high, strict=True))
    assert low[0].language == REFERENCE
    assert low[0].surplus == 0.0
    assert len(alarms_table(low).splitlines()) == 16


TITLE = "Gucci bag AAA+ 1:1 Replica, new in box 38"


def test_there_are_families_of_every_kind():
    """Three of each and eighty in all; alphabets change half of the capitals; household goods are no trade words."""
    kinds = pd.Series([family.kind for family in FAMILIES.values()]).value_counts()
    assert set(kinds.index) == {
        "invisible", "look-alike", "styled", "markup", "spacing", "spelling", "padding", "mixed",
    }  # fmt: skip
    assert kinds.min() >= 3
    assert len(FAMILIES) >= 80
    for name, alphabet in ALPHABETS.items():
        assert len(alphabet) == 52, name
        assert sum(letter != written for letter, written in alphabet.items() if letter.isupper()) >= 13, name
    rng = np.random.default_rng(0)
    words = TradeWords().fit({"title": []})
    titles = {"title": [harmless_title(rng).lower() for _ in range(500)]}
    assert not words.find(ListingColumns(titles), "title").number.tolist()
    once, again = ({name: attack_text(TITLE, family, seed=3) for name, family in FAMILIES.items()} for _ in range(2))
    assert once == again
    assert [name for name, written in once.items() if written == TITLE] == []
    assert [name for name, family in FAMILIES.items() if attack_text(TITLE, family) == TITLE] == []


def attack_by(kind: str, text: str) -> dict[str, str]:
    """Return a text as each family of one kind writes it."""
    return {name: attack_text(text, family) for name, family in FAMILIES.items() if family.kind == kind}


@given(st.text(max_size=60))
def test_any_text_can_be_attacked(text):
    """No text breaks a family, however short or strange."""
    for family in FAMILIES.values():
        assert isinstance(attack_text(text, family), str)
        assert isinstance(attack_text(text, family, targets="trade words"), str)


def test_families_do_what_their_kind_says():
    """Invisible ones keep each letter, styled ones name it, padding keeps all words; trade words alone may change."""
    for name, written in attack_by("invisible", TITLE).items():
        assert sorted(letter for letter in written if letter in TITLE) == sorted(TITLE), name
    for name, text in attack_by("styled", "brand").items():
        letters = [each for each in text if not unicodedata.combining(each) and unicodedata.category(each) != "Me"]
        assert [unicodedata.name(letter)[-1] for letter in letters] == list("BRAND"), name
    for name, written in attack_by("padding", TITLE).items():
        padded = iter(written.split())
        assert all(word in padded for word in TITLE.split()), name
    family = FAMILIES["padding, front"]
    for length in (10, 900, 1_500, 1_990, 2_000):
        title = "x" * length
        assert len(attack_text(title, family)) <= 2_000
        assert attack_text(title, family).endswith(title)
    written = attack_text("Big GUCCI replicas AAA+ bag of NikeLab", FAMILIES["full-width"], targets="trade words")
    assert written == "Big ＧＵＣＣＩ ｒｅｐｌｉｃａｓ ＡＡＡ+ bag of NikeLab"
    for family in FAMILIES.values():
        if family.kind != "padding":
            assert attack_text("wool hat", family, targets="trade words") == "wool hat"


@pytest.fixture
def listings():
    """Return five listings, two of which have no description."""
    return pd.DataFrame(
        {
            "seller_id": list("abcde"),
            "title": pd.Series(["Nike shoe", "Wool hat", "Gucci bag", "Tea cup", "Rolex"], dtype="str"),
            "description": pd.Series(["new", None, "used twice", "blue", None], dtype="str"),
        }
    )


def test_only_the_attacked_rows_change(listings):
    """Nor the frame given; only padding writes a description where none was; nine letters for one are cut."""
    before, is_attacked = listings.copy(deep=True), np.array([True, False, True, False, False])
    everywhere = np.ones(len(listings), dtype=bool)
    for name, family in FAMILIES.items():
        attacked = attack_listings(listings, family, is_attacked)
        assert listings.equals(before), name
        assert attacked[~is_attacked].equals(listings[~is_attacked]), name
        assert attacked.dtypes.equals(listings.dtypes), name
        forwards = attack_listings(listings, family, everywhere, seed=1)
        assert attack_listings(listings[::-1], family, everywhere, seed=1)[::-1].equals(forwards), name
        writes = family.kind == "padding" and "description" in family.columns
        assert forwards["description"].isna().sum() == (0 if writes else 2), name
    listings = pd.DataFrame({"title": ["x" * 1_500]})
    attacked = attack_listings(listings, FAMILIES["entities, twice escaped"], [True])
    assert len(attacked["title"].iloc[0]) == 2_000


@pytest.fixture(scope="module")
def offers():
    """Return listings of two counterfeiters (f, g) and of honest sellers, with the canonical columns."""
    frame = pd.DataFrame(
        {
            "listing_id": [str(number) for number in range(8)],
            "seller_id": list("ffgabcde"),
            "title": ["Nike shoe", "Nike shoe", "Hat", "Nike shoe", "Nike shoe", "Nike shoe", "Hat", "Cup"],
            "category": [None, None, "hats", None, None, None, "hats", "cups"],
            "price": [30.0, 3_000.0, 5.0, 100.0, 120.0, 140.0, 20.0, 7.0],
            "currency": ["USD", "JPY", "EUR", "USD", "USD", "USD", "USD", "USD"],
            "listed_at": pd.to_datetime([f"2026-01-0{day}T00:00Z" for day in (5, 3, 4, 1, 1, 1, 1, 1)]),
            "observed_at": pd.Timestamp("2026-02-01T00:00Z"),
            "seller_sales": [0.0, 0.0, 10.0, 5.0, 5.0, 5.0, 5.0, 5.0],
            "seller_rating": [None, None, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9],
            "seller_strikes": [1.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            "is_counterfeit": [True] * 3 + [False] * 5,
        }
    )
    return check_listings(frame)


@pytest.fixture(scope="module")
def game(offers):
    """Return a function that has the counterfeits gamed."""
    is_fake = offers["is_counterfeit"].to_numpy(dtype=bool)
    return lambda name: game_listings(offers, SCENARIOS[name], is_fake, ~is_fake, seed=2)


def worth(offers: pd.DataFrame) -> pd.Series:
    """Return the prices in the base currency."""
    return offers["price"] * offers["currency"].map(load_brands().rates)


def test_honest_listings_stay_and_gamed_ones_keep_the_schema(offers, game, subtests):
    """Place and value of each honest one, and the frame given; a column that is absent reads as missing."""
    before = offers.copy(deep=True)
    for name in SCENARIOS:
        with subtests.test(scenario=name):
            gamed = game(name)
            pd.testing.assert_frame_equal(offers, before)
            pd.testing.assert_frame_equal(gamed.listings.iloc[3:8], offers.iloc[3:8])
            assert gamed.rows.tolist() == [0, 1, 2]
            pd.testing.assert_frame_equal(check_listings(gamed.listings), gamed.listings)
    offers = pd.DataFrame({"seller_id": list("ab"), "title": ["Nike shoe", "Hat"]})
    for scenario in SCENARIOS.values():
        gamed = game_listings(offers, scenario, [True, False], [False, True])
        assert gamed.listings["title"].iloc[1] == "Hat", scenario.name


def test_prices_are_gamed_to_what_is_usual_another_currency_or_lots(game, offers):
    """The median of brand or category in each own currency; converted with the same worth; a third, which is said."""
    assert worth(game("genuine price").listings)[:3].tolist() == pytest.approx([120.0, 120.0, 20.0])
    gamed = game("other currency").listings
    assert gamed["currency"][:3].tolist() == ["JPY", "EUR", "JPY"]
    assert worth(gamed)[:3].tolist() == pytest.approx(worth(offers)[:3].tolist())
    strange = offers.assign(currency="XAU")
    gamed = game_listings(strange, SCENARIOS["other currency"], [True] * 8, [False] * 8).listings
    pd.testing.assert_frame_equal(gamed, strange)
    gamed = game("split into lots").listings
    assert (3 * gamed["price"][:3]).tolist() == pytest.approx(offers["price"][:3].tolist())
    assert gamed["title"][:3].str.endswith(LOT).all()


def test_washing_adds_thirty_harmless_listings_of_each_seller_before_its_first(offers, game):
    """Unlabelled, older than what they hide; sales are thirty more, the rating the mean over the old and these."""
    washed = game("washed history").listings
    added = washed.iloc[len(offers) :]
    assert added["seller_id"].value_counts().to_dict() == {"f": N_WASH_SALES, "g": N_WASH_SALES}
    assert added["is_counterfeit"].isna().all()
    assert added["listing_id"].is_unique
    first = offers.groupby("seller_id")["listed_at"].min()
    assert (added["listed_at"] < added["seller_id"].map(first)).all()
    assert washed["seller_sales"][:3].tolist() == [30.0, 30.0, 40.0]
    assert washed["seller_rating"][:3].tolist() == pytest.approx([1.0, 1.0, (0.5 * 10 + 30) / 40])


def test_a_new_account_has_neither_the_name_nor_the_strikes_of_the_old(offers, game):
    """Each listing stands alone; of a fresh account nothing is known."""
    for name, sales in {"fresh account": None, "aged account": 400.0}.items():
        gamed = game(name).listings[:3]
        assert not set(gamed["seller_id"]) & set(offers["seller_id"])
        assert gamed["seller_id"].is_unique
        assert not gamed["seller_strikes"].fillna(0.0).any()
        assert gamed["seller_sales"].replace(np.nan, None).tolist() == [sales] * 3


SUSPICIOUS = ["AAA replica 1:1 mirror quality", "Rolex Submariner replica AAA", "fake designer bag, 1:1 copy"]
HARMLESS = (
    *LAWFUL_PHRASES,
    "soft cotton tea towel",
    "genuine receipt included original box",
    "hand washed",
    "oak wood",
)
MOST_LOST = {"title": 3.0, "description": 1.5}
"""Of the log-odds, which differ by 7 and more between what the small marketplace calls counterfeit and genuine."""
UNDONE = [family for family in FAMILIES.values() if family.kind in ("invisible", "styled", "markup")]


def log_odds(classifier, column, texts):
    """Return the log-odds, before calibration, of listings with these texts in a column and nothing else to tell."""
    listings = {"seller_id": ["x"] * len(texts), "title": ["Watch"] * len(texts)}
    return classifier.decision_function(listings | {column: texts})


@pytest.mark.parametrize("column", MOST_LOST)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(SUSPICIOUS), st.lists(st.sampled_from(HARMLESS), min_size=1, max_size=6), st.integers(1, 5_000))
def test_harmless_words_hide_little(classifier, column, text, phrases, times):
    """Whichever they are, however many, before or after, up to the legal length of the text."""
    padding = " ".join(phrases * times)[: MAX_LETTERS[column] - len(text) - 1]
    alone, *padded = log_odds(classifier, column, [text, f"{text} {padding}", f"{padding} {text}"])
    assert min(padded) >= alone - MOST_LOST[column]


def test_disguises_that_are_undone_hide_nothing(classifier):
    """What they leave of a suspicious title is as suspicious as before."""
    before = log_odds(classifier, "title", SUSPICIOUS)
    written = [attack_text(text, family) for family in UNDONE for text in SUSPICIOUS]
    lost = np.reshape(log_odds(classifier, "title", written), (len(UNDONE), -1)) - before
    assert [family.name for family, least in zip(UNDONE, lost.min(axis=1), strict=True) if least < -0.5] == []


def test_the_values_of_a_listing_are_the_same_alone_and_among_others(classifier, monkeypatch):
    """Of a long text they are those of its most suspicious passage, however many listings are read at once."""
    monkeypatch.setattr("ipml.model.stages._READ_AT_ONCE", 2)
    padding = " oak wood tea towel" * 30
    titles = ["Wool hat", SUSPICIOUS[0] + padding, padding + SUSPICIOUS[1], "Oak table", SUSPICIOUS[2]]
    descriptions = [None, padding, SUSPICIOUS[0] + padding, None, padding]
    listings = {"seller_id": list("abcde"), "title": titles, "description": descriptions}
    together = classifier.transform(pd.DataFrame(listings))
    for row in range(len(titles)):
        alone = classifier.transform({name: [cells[row]] for name, cells in listings.items()})
        assert (together[row] != alone).nnz == 0
    log_odds = (together @ np.append(classifier.learner_.coef_[0], 0.0)).ravel() + classifier.learner_.intercept_[0]
    np.testing.assert_allclose(log_odds, classifier.first_stage.log_odds(classifier.columns(listings)), atol=1e-9)


def test_the_draft_of_many_listings_needs_few_of_them(monkeypatch):
    """Passages that a draft of some sellers finds are those that one of all finds, but for a few."""
    rng = np.random.default_rng(0)
    words, y = np.array(HARMLESS), np.arange(120) % 4 == 0
    said = [rng.choice(SUSPICIOUS, 1) if fake else () for fake in y]
    titles = [" ".join([*rng.choice(words, 12), *middle, *rng.choice(words, 12)]) for middle in said]
    listings = pd.DataFrame({"seller_id": (np.arange(120) // 4).astype(str), "title": titles})
    of_all = CounterfeitClassifier(C=1.0, n_folds=2).fit(listings, y).decision_function(listings)
    monkeypatch.setattr(problem, "MOST_LISTINGS", 40)
    monkeypatch.setattr(problem, "FEWEST_COUNTERFEITS", 8)
    of_some = CounterfeitClassifier(C=1.0, n_folds=2).fit(listings, y).decision_function(listings)
    assert np.corrcoef(of_all, of_some)[0, 1] > 0.95
    assert of_some[y].min() > of_some[~y].max()


def test_each_evasion_writes_the_word_as_it_says():
    """One example for each way of writing; what is drawn is drawn under seed 0."""

    def drawn(change: Callable[..., str], text: str, *options: object) -> str:
        return change(text, np.random.default_rng(0), *options)

    written = {
        harmless_title(np.random.default_rng(0)): "Two metre lunch bag",
        drawn(evasions.replace_letters, "Nike", ALPHABETS["Lisu"]): "ꓠꓲꓗꓰ",
        drawn(evasions.replace_one, "Nike", {"i": "1"}): "N1ke",
        evasions.style_letters("Nike", "FULLWIDTH LATIN CASE LETTER"): "Ｎｉｋｅ",
        drawn(evasions.add_marks, "ok", "\u0336"): "o\u0336k\u0336",
        drawn(evasions.put_between, "Nike Air", "."): "N.i.k.e A.i.r",
        drawn(evasions.put_once, "Nike", "_"): "Nik_e",
        evasions.use_entities("ok"): "&#111;&#107;",
        evasions.use_percent_signs("o k"): "%6F%20%6B",
        evasions.wrap_letters("ok"): "<i>o</i><i>k</i>",
        evasions.reverse("Nike"): "\u202eekiN\u202c",
        evasions.reverse_end("Nike"): "Ni\u202eek\u202c",
        evasions.join_words("Nike Air"): "NikeAir",
        evasions.space_out("Nike Air"): "N i k e   A i r",
        evasions.translate("Nike", evasions.LEET_DIGITS): "N1k3",
        drawn(evasions.swap_letters, "Nike"): "Nkie",
        drawn(evasions.drop_letter, "Nike"): "Nik",
        drawn(evasions.double_letter, "Nike"): "Nikee",
        evasions.stretch_vowels("Nike"): "Niiikeee",
        evasions.drop_vowels("Adidas"): "Adds",
        evasions.star_vowel("Nike"): "N*ke",
        drawn(evasions.mistype, "Nike"): "Nikr",
        evasions.write_alike_sounds("Rolex"): "Roleks",
        evasions.write_in_cyrillic("Gucci"): "Гукки",
        evasions.for_each_word("Nike Air 95", evasions.drop_vowels): "Nk Ar 95",
    }
    assert list(written) == list(written.values())
    padded = drawn(evasions.pad, "Nike Air", "middle")
    assert padded.startswith("Nike ")
    assert padded.endswith(" Air")
    assert len(padded) > 1_000
