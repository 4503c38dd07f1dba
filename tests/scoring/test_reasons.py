"""Reasons: one sentence for every feature, true for whatever a seller wrote, quoting it as it stands."""

import re
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from specification.named_words import find_word
from support.text_changes import TextChanges, choose_by, weigh_changes

from experiments.benchmark.true_reasons import beats_another, try_marks, try_reasons
from ipml.features.columns import ListingColumns
from ipml.features.compiled.folding import fold_with_origins
from ipml.features.figures import PictureFeatures
from ipml.features.images import ImageVectors
from ipml.listings.schema import check_listings
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.records import EarlierListings, Listing
from ipml.scoring.named_words import LEAST_NAMED, MOST_HIGHLIGHTS, Named, WordNaming
from ipml.scoring.reasons import GROUPS, Explainer, Explanation, undo_disguises
from ipml.scoring.scorer import Scorer
from ipml.scoring.sentences import SENTENCES, BatchFacts, Facts
from ipml.web.console.drawing.charts import make_price_scale

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
BARE = Listing("nothing", "s", "Wool hat")
UNPRICED = Listing("unpriced", "s", "Nike shoes", brand="Nike", category="shoes", currency="USD")
HOSTILE = (
    "<script>alert(1)</script> AAA replica",
    "=HYPERLINK(0) replica \x1b[31m red \x07 bell",
    "“replica” ”nested“ 1:1",
    "re\u200bpl\u00adica \u202eacilper\u202c A\u0301AA {words} {0} %s",
    "&lt;b&gt;replica&lt;/b&gt; [bold]AAA[/bold] \\x00",
)
ALPHABET = "aAni kKrepliaNIKE1:+\u0456\u200b\u202e\u202c<b>&;\u9769\U0001f45c\u0301'\"{}"
LETTERS = st.text(st.sampled_from(ALPHABET), max_size=60)
PHRASES = st.sampled_from(["replica", "1:1", "AAA+", "Nike", "original", "authentic", "no box", *HOSTILE])
TEXTS = st.lists(LETTERS | PHRASES, max_size=5).map(" ".join)
AMOUNTS = st.none() | st.sampled_from([0.0, 1.0, 1e12]) | st.floats(0, 1e12)
SHARES = st.none() | st.floats(0, 1)
LISTINGS = st.builds(
    Listing,
    listing_id=st.just("1"),
    seller_id=st.sampled_from(["s", "golden-1"]),
    title=TEXTS.filter(bool),
    description=st.none() | TEXTS,
    brand=st.none() | st.sampled_from(["Nike", "N\u0456ke", "Nobody's brand"]) | LETTERS,
    category=st.none() | st.sampled_from(["shoes", "watches"]),
    price=AMOUNTS,
    currency=st.none() | st.sampled_from(["USD", "RUB", "XYZ"]),
    seller_age_days=AMOUNTS,
    seller_sales=AMOUNTS,
    seller_returns=AMOUNTS,
    seller_complaints=AMOUNTS,
    seller_rating=SHARES,
    listing_sales=AMOUNTS,
    listing_rating=SHARES,
)


@pytest.fixture(scope="module")
def explainer(classifier) -> Explainer:
    """An explainer of the small marketplace's classifier."""
    return Explainer(classifier)


NO_EARLIER = EarlierListings(0, 0.0)
SOME_EARLIER = EarlierListings(10, 10.0)


def explain(explainer: Explainer, listing: Listing, earlier: EarlierListings = NO_EARLIER) -> Explanation:
    """Return why a listing scores as it does."""
    (explained,) = explainer.explain(ListingColumns.of_one(listing, explainer.classifier.reading), [earlier])
    return explained


def say(explainer: Explainer, listing: Listing) -> list[str]:
    """Return the sentences for what really contributed to the score of a listing, of whose seller nothing is known."""
    return [reason.sentence for reason in explain(explainer, listing).reasons]


def facts_of(explainer: Explainer, columns: ListingColumns) -> Facts:
    """Return what sentences need of one listing, of whose seller nothing is known."""
    return Facts(BatchFacts(columns, explainer.extractors), 0, NO_EARLIER)


def say_everything(explainer: Explainer, listing: Listing) -> list[str]:
    """Return the sentences of all groups for one listing, whether or not they contributed, for and against."""
    columns = ListingColumns.of_one(listing, explainer.classifier.reading)
    (named,) = explainer.name_words(columns, choose_by(lambda changes: np.zeros(len(changes))))
    rows = np.vstack([np.eye(len(explainer.groups)), -np.eye(len(explainer.groups))])
    said = [explainer.reasons(facts_of(explainer, columns), weights, named.words) for weights in rows.tolist()]
    return [reason.sentence for reasons in said for reason in reasons]


def weigh_again(explainer: Explainer, listing: Listing) -> float:
    """Return the log-odds of a listing without what is added for missing fields; nothing is known of its seller."""
    weighed = explainer.classifier.first_stage.score(ListingColumns.of_one(listing, explainer.classifier.reading))
    return float(explainer.classifier.second_stage_.log_odds(weighed.by_engine, 0.0)[0])


def quoted_in(sentence: str) -> list[str]:
    """Return what stands between quotation marks."""
    return sentence[sentence.find("“") + 1 : sentence.rfind("”")].split("”, “") if "“" in sentence else []


def test_every_group_has_a_sentence_and_every_sentence_a_group(explainer):
    """No feature of any extractor is without a reason, and no sentence is left over from features that are gone."""
    columns = ListingColumns.of_one(BARE, explainer.classifier.reading)
    for group, name in enumerate(explainer.groups):
        weights = np.eye(len(explainer.groups))[group]
        (other,) = explainer.reasons(facts_of(explainer, columns), weights.tolist(), {})
        assert (other.feature, other.weight) == (name, 1.0)
        assert other.sentence
    # Of models that learnt from listings with such numbers, or vectors.
    of_pictures = {"picture.counterfeit", "picture.genuine", "image.likeness", "text_vector.likeness"}
    assert set(explainer.groups) == set(SENTENCES) - of_pictures


@given(
    st.sampled_from(["Nike", "Gucci", "Woolly", ""]),
    st.sampled_from(["shoes", "bags", "watches", None]),
    st.sampled_from(["USD", "EUR", "RUB", "JPY", "XYZ", None]),
    st.floats(0.01, 1e6),
)
def test_sentence_page_and_score_tell_one_price(explainer, brand, category, currency, price):
    """The share in the reason is that beside the scale and that of the score; inside the scale nothing is unusual."""
    listing = Listing("1", "s", f"{brand} item", category=category, price=price, currency=currency)
    columns = ListingColumns.of_one(listing, explainer.classifier.reading)
    extractor = explainer.extractors["price"]
    (usual,) = extractor.price_ranges(columns)
    weights = np.array([name == "price.brand" for name in explainer.groups], dtype=float)
    (reason,) = explainer.reasons(facts_of(explainer, columns), weights.tolist(), {})
    scale = make_price_scale(price, currency, usual)
    (ratio,) = extractor.ratios(columns)
    if usual is None:
        assert np.isnan(ratio)
        assert scale is None
        assert "%" not in reason.sentence
        return
    assert ratio == pytest.approx(price / usual.median)
    assert usual.low <= usual.median <= usual.high
    assert ("unusually" in reason.sentence) == (not usual.low <= price <= usual.high)
    if scale is not None:
        assert re.search(r"is (\d+ %) of", reason.sentence)[1] == re.search(r"is (\d+ %) of", scale.sentence)[1]
        assert scale.price == pytest.approx(min(100 * price / (1.25 * usual.high), 100))


@example(Listing("1", "s", "AAA grade Nike bag, best grade", description="Friendly tags, AAA grade. Tags!"))
@example(Listing("1", "s", "\u9ad8\u4eff Nike", description="\u8fd9\u662f\u9ad8\u4eff\u5305"))
@given(LISTINGS)
def test_a_word_that_a_reason_names_is_marked_on_its_side(explainer, listing):
    """What is named for suspicion is never painted as genuine, and whatever is named is marked where it stands."""
    explained = explain(explainer, listing, SOME_EARLIER)
    naming = {"title": explained.highlights, "description": explained.description_highlights}
    for reason in explained.reasons:
        group = reason.feature.partition(".")[0]
        for column in {"words": ("title", "description")}.get(group, (group,) if group in naming else ()):
            text, marked = getattr(listing, column) or "", naming[column]
            for word in (word for word in quoted_in(reason.sentence) if re.search(r"\w", word) and word in text):
                places = [(at.start(), at.end()) for at in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text)]
                over = [[part for part in marked if part.start < end and part.end > start] for start, end in places]
                if reason.weight > 0:
                    assert all(part.weight > 0 for parts in over for part in parts), word
                assert len(marked) == MOST_HIGHLIGHTS or not reason.weight or all(over), word


@example(Listing("1", "s", "AAA Nike bag", description="Mirror quality, ask for pictures."))
@given(LISTINGS)
def test_a_mark_is_what_the_listing_loses_without_the_word(explainer, listing):
    """Whoever deletes it, here one that stands once, finds the log-odds lower by what is stated of it."""
    explained, whole = explain(explainer, listing), weigh_again(explainer, listing)
    for column, marks in (("title", explained.highlights), ("description", explained.description_highlights)):
        for mark in marks:
            text = getattr(listing, column)
            stands_once = text.casefold().count(text[mark.start : mark.end].casefold()) == 1
            if stands_once and abs(mark.weight) > LEAST_NAMED:
                without = replace(listing, **{column: text[: mark.start] + text[mark.end :]})
                assert mark.weight == pytest.approx(whole - weigh_again(explainer, without), abs=1e-9)


def test_a_price_weighs_what_the_listing_loses_without_it(explainer, subtests):
    """So does every other field that is no text: what its reasons state is gone with it, to the last digit."""
    for listing in (UNPRICED, *GOLDEN_LISTINGS):
        with subtests.test(listing.listing_id):
            reasons = explain(explainer, listing).reasons
            stated = sum(reason.weight for reason in reasons if reason.feature.startswith("price."))
            lost = weigh_again(explainer, listing) - weigh_again(explainer, replace(listing, price=None))
            assert stated == pytest.approx(lost, abs=1e-9)


def test_what_a_title_names_weighs_what_it_loses_without_the_name(explainer):
    """A brand or a kind of goods goes with its n-grams and, where no field says the brand, with the price's norm."""
    for brand, (feature, word) in product((None, "Nike"), (("brand.named", "Nike"), ("goods.kind", "sneakers"))):
        listing = Listing("1", "s", "AAA Nike sneakers, red", brand=brand, price=20.0, currency="USD")
        stated = next(one.weight for one in explain(explainer, listing).reasons if one.feature == feature)
        without = replace(listing, title=listing.title.replace(word, ""))
        lost = weigh_again(explainer, listing) - weigh_again(explainer, without)
        assert stated == pytest.approx(lost, abs=1e-9), (brand, feature)


def test_reasons_are_true(classifier, market):
    """On a marketplace, taking away what is named loses what is stated, and the top word loses more than another."""
    listings, scorer = check_listings(market.listings.tail(60)), Scorer(classifier, "test/1")
    explained = [scored for scored in scorer.explain_frame(listings) if scored.score is not None]
    removals = [one for scored in explained for one in (*try_marks(scorer, scored), *try_reasons(scorer, scored))]
    generator = np.random.default_rng(0)
    tops = [won for scored in explained if (won := beats_another(scorer, scored, generator)) is not None]
    assert len(removals) > 100
    assert np.mean([one.is_true for one in removals]) >= 0.9
    assert len(tops) > 20
    assert np.mean(tops) >= 0.95


def test_every_pattern_of_a_group_meets_a_feature(explainer):
    """No pattern is left over either, nor is an extractor; that of pictures is there where the model knows them."""
    images = ImageVectors().fit({"image_vector": [[1.0, 0.5]]})
    extractors = {"picture": PictureFeatures(), "image": images, "text_vector": images, **explainer.extractors}
    for name, groups in GROUPS.items():
        features = extractors[name].get_feature_names_out()
        for pattern in "|".join(groups.values()).split("|"):
            assert any(re.fullmatch(pattern, feature) for feature in features), (name, pattern)


def test_a_feature_without_one_reason_is_an_error(classifier, monkeypatch):
    """A new feature cannot be forgotten, nor be said in two reasons: the explainer does not come about."""
    changed = deepcopy(classifier)
    seller = dict(changed.features_.transformer_list)["seller"]
    seller.get_feature_names_out = lambda: np.array(["shoe_size"], dtype=object)
    with pytest.raises(KeyError, match="no reason covers the feature seller__shoe_size"):
        Explainer(changed)
    monkeypatch.setitem(GROUPS, "price", {"brand": ".*", "category": ".*_category"})
    with pytest.raises(KeyError, match="several reasons cover the feature price__shortfall_to_usual_of_category"):
        Explainer(classifier)


def test_every_sentence_fits_every_listing(explainer):
    """Whatever is missing, a sentence is a line of words: it says so, and never that something is "nan"."""
    said = [sentence for one in (BARE, UNPRICED, *GOLDEN_LISTINGS) for sentence in say_everything(explainer, one)]
    assert all(said)
    assert [one for one in said if re.search(r"\bnan\b|\bNone\b|\binf\b|[{}]|: ?$", one)] == []


@example(Listing("1", "s", "\u202eacilper\u202c", price=0.0, currency="USD"))
@example(Listing("1", "s", "x", description="a" * 100_000))
@given(LISTINGS)
def test_reasons_hold_for_any_listing(explainer, listing):
    """With the base rate they sum to the log-odds; the heaviest first, each group once, none empty."""
    columns = ListingColumns.of_one(listing, explainer.classifier.reading)
    reasons = explain(explainer, listing, SOME_EARLIER).reasons
    total, share = explainer.base_rate + sum(reason.weight for reason in reasons), np.array([SOME_EARLIER.share])
    assert total == pytest.approx(float(explainer.classifier.decision_function(columns, share)[0]), abs=1e-9)
    sizes = [abs(reason.weight) for reason in reasons]
    assert sizes == sorted(sizes, reverse=True)
    assert len({reason.feature for reason in reasons}) == len(reasons)
    assert all(reason.sentence and np.isfinite(reason.weight) for reason in reasons)


@given(LISTINGS)
def test_quoted_words_stand_in_the_text_as_written(explainer, listing):
    """What a reviewer reads between quotation marks is a piece of the listing's own texts, not of a folded view."""
    written = "\n".join([listing.title, listing.description or "", listing.brand or "", listing.category or ""])
    for sentence in say(explainer, listing):
        for quoted in quoted_in(sentence):
            assert quoted.removesuffix("…")
            assert quoted.removesuffix("…") in written


@given(TEXTS, st.sampled_from(["title", "description"]))
def test_highlights_are_pieces_of_the_text(explainer, title, column):
    """They come in order, do not overlap, hold no space, and each carries weight."""
    end, explained = 0, explain(explainer, replace(BARE, **{column: title}))
    for part in explained.highlights if column == "title" else explained.description_highlights:
        assert end <= part.start < part.end <= len(title)
        assert not re.search(r"\s", title[part.start : part.end])
        assert part.weight != 0
        end = part.end


def test_hostile_text_is_quoted_as_plain_text(explainer):
    """Markup, control letters and braces are letters like any other: nothing is obeyed, removed or filled in."""
    for title in HOSTILE:
        sentences = say(explainer, replace(BARE, title=title, description=title))
        assert any("“" in sentence for sentence in sentences)
        assert not any("{words}" in sentence and "{words}" not in title for sentence in sentences)


def test_a_disguised_word_is_quoted_as_it_was_written(explainer):
    """The model reads "rplica" as "replica"; the reviewer finds it in the listing, and disguises undone beside it."""
    listing = replace(BARE, title="Rplica wool hat, N\u0456ke", description="It is a rep*ica")
    explained = explain(explainer, listing)
    said = next(reason.sentence for reason in explained.reasons if reason.feature == "words.replica")
    assert sorted(quoted_in(said)) == ["Rplica", "rep*ica"]
    assert (0, 6) in [(part.start, part.end) for part in explained.highlights]
    assert explained.read_as == "Rplica wool hat, nike"
    assert explain(explainer, replace(BARE, title="Wool hat, size M")).read_as is None
    sentences = say(explainer, replace(BARE, title="wool \u202eacilper\u202c hat"))
    assert "Says it is a replica: “acilper”" in sentences


def test_a_seller_cannot_fill_the_page(explainer):
    """A word of thousands of letters, some invisible, is cut; three words at most are quoted, the heaviest marked."""
    hidden = "\u200b" * 900
    long = {"title": f"replica{hidden}s", "description": f"re{hidden}plica", "brand": "Q" * 200}
    for column, text in long.items():
        sentences = say(explainer, replace(BARE, **{"title": "Nike shoes", column: text}))
        assert max(map(len, sentences)) < 300
    sentences = say(explainer, replace(BARE, title="replica 1:1 clone copy fake replica 1:1 replica mirror"))
    assert max(sentence.count("“") for sentence in sentences) == 3
    explained = explain(explainer, replace(BARE, description="replica copy " * 400 + "and more"))
    assert len(explained.description_highlights) == MOST_HIGHLIGHTS


SENTENCES_OF = (
    ({"listing_sales": 1.0, "listing_returns": 1.0}, "Returns of this listing: 1 on 1 sale"),
    ({"listed_at": MONDAY, "observed_at": MONDAY}, "Listing is less than a day old"),
    ({"listed_at": MONDAY, "observed_at": MONDAY.replace(day=4)}, "Listing is 2 days old"),
    ({"description": "Warm & soft"}, "Description has 11 letters"),
    ({"price": 9.0, "currency": "EUR", "category": "x"}, "No usual price is known for this category"),
    ({"title": "Leather wallet"}, "Offers wallets, which are very often copied"),
    ({"title": "Rolex wool hat"}, "Offers hats and scarves, but Rolex usually means watches"),
    ({"title": "Shoes 5 pairs, WhatsApp me"}, "Leads away from the marketplace: a messenger"),
    ({"title": "Shoes 5 pairs, WhatsApp me"}, "Offers more than one piece: a number of pieces"),
    ({"title": "This is not a replica"}, "Denies being a copy: “replica”"),
    ({"title": "Wool"}, "Title names no known kind of goods"),
    ({}, "Offers one piece"),
    ({}, "No earlier listing of this seller looked suspicious"),
    ({}, "Brand field is empty"),
    ({"price": 9.0, "currency": "EUR"}, "No brand is given, so the price cannot be compared"),
    ({"brand": "Nike", "currency": "USD"}, "No price is given, so the price cannot be compared"),
    ({"brand": "Woolly", "price": 9.0, "currency": "EUR"}, "No usual price is known for woolly"),
    ({"brand": "Adidas", "title": "Nike shoes"}, "Title names another brand than the brand field, “Adidas”"),
    ({"gtin": "12345678"}, "A product code (GTIN) is given"),
)
EARLIER = {
    EarlierListings(1, 1.0): "The one earlier listing of this seller looked suspicious",
    EarlierListings(1_200, 3.4): ("Model expects about 3.4 of this seller's 1,200 earlier listings to be counterfeit"),
}


def test_sentences_say_what_is_so(explainer, subtests):
    """A reviewer can check every reason against the listing, and sees in numbers what its seller listed before."""
    for change, sentence in SENTENCES_OF:
        with subtests.test(sentence):
            assert sentence in say_everything(explainer, replace(BARE, **change))
    for earlier, sentence in EARLIER.items():
        assert sentence in [reason.sentence for reason in explain(explainer, BARE, earlier).reasons]


DISGUISED = dict(
    pair.split(" | ")
    for pair in (
        *("N\u0456ke Air | nike Air", "Ni\u200bke Air | nike Air", "R e p l i c a hat | replica hat", "$uper | super"),
        *("r.e.p.l.i.c.a | replica", "\u202eekiN\u202c shoe | \u202enike\u202c shoe", "Ni<b></b>ke | nike"),
        *("\u0430\u0441\u0441 leather bag | acc leather bag", "женские кеды N\u0456ke | женские кеды nike"),
        *("\U0001f1f3\U0001f1ee\U0001f1f0\U0001f1ea | nike", "Gu\u0336\u0335\u0334cci | gucci"),
    )
)
ORDINARY = (
    *("NIKE Air Max 90 - size 42!", "Café crème, Männer, niño", "Łódź straße Ø50", "Caf&eacute;", "wool & it's", ""),
    *("женская сумка Nike", "The North Face куртка Trolol", "кеды Converse б/у", "сандалии Nike арт. FD7855", "τσάντα"),
    *("耐克 42 Nike", "हिन्दी", "ﾛﾚｯｸｽ ﾌﾟﾗﾀﾞ", "\uff2e\uff29\uff2b\uff25 靴", "رُولِكـــس ٥٠", "ไนกี้", "Самсунг Galaxy"),
    *("\U0001f1ee\U0001f1f9 Dior bag", "120x4см", "Bluetooth-наушники"),
)
PLAIN_LETTERS = st.text(st.characters(categories=["Ll"], max_codepoint=0x148), min_size=2)


def test_disguises_are_undone_and_ordinary_writing_stays():
    """Look-alikes, hidden and parted letters, turning and markup; capitals, accents and other alphabets are none."""
    expected = DISGUISED | dict.fromkeys(ORDINARY)
    assert {title: undo_disguises(title, *fold_with_origins(title)) for title in expected} == expected


@given(st.lists(PLAIN_LETTERS, max_size=4).map(" ".join))
def test_a_slip_is_no_disguise(title):
    """Whatever else a model reads in a word of plain letters, or in two together."""
    folded, origins = fold_with_origins(title)
    for read in (folded, folded.translate(str.maketrans("e", "q"))):
        assert undo_disguises(title, read, origins) is None
    assert undo_disguises("taille S", "tailles", [*range(6), 7]) is None


SOME_WORDS = st.sampled_from(
    [
        *("Nike", "N\u0456ke", "r3plica", "AAA", "watch", "bag", "BAG,", "handbag", "10 pcs", "a@b.com", "<b>bag</b>"),
        *("кеды", "КЕДЫ", "鞄", "革包", "👟", "\u0130", "Straße", "STRASSE", "\ud800", "\u3000", "don't", "-", "_x_"),
    ]
)
WORDED = st.lists(SOME_WORDS, max_size=70).map(" ".join)


def name_by(weights: dict[str, float], title: str, description: str = "") -> Named:
    """Return what is named of a listing that loses so much without each of these words of its title."""

    def weigh(changes: TextChanges) -> np.ndarray:
        pieces = changes.pieces.reshape(-1, 2).tolist()
        bounds = changes.starts[::2].tolist()
        lost = [
            sum(weights.get(title[start:end].lower(), 0.0) for start, end in pieces[first:last])
            for first, last in pairwise(bounds)
        ]
        return np.array(lost, dtype=np.float64)

    (named,) = WordNaming([], []).name([title, description], [{}], lambda _: [], choose_by(weigh))
    return named


@given(st.lists(st.builds(Listing, st.just("1"), st.just("s"), WORDED, description=WORDED), min_size=1, max_size=4))
def test_words_are_named_at_once_as_step_by_step(explainer, listings):
    """Whether the engine weighs what it asks for, or is told."""
    classifier = explainer.classifier
    columns = ListingColumns.of_records(listings, classifier.reading)
    log_odds = classifier.first_stage.score(columns).by_engine
    slope, stage = classifier.second_stage_.slope_, classifier.first_stage.compiled(classifier.reading)

    def weigh(changes: TextChanges) -> np.ndarray:
        return slope * (log_odds[changes.rows] - weigh_changes(stage, columns, changes))

    assert explainer.name_words(columns) == explainer.name_words(columns, choose_by(weigh))


SOME_PHRASES = st.lists(SOME_WORDS | st.text("aBb\u03a3\u03c2\u0130 \n鞄", max_size=3), max_size=3)
SOME_TEXT = WORDED | st.text("aaBb\u03a3\u03c3\u03c2\u0130 \n鞄_", max_size=30)


@given(SOME_TEXT, SOME_TEXT, SOME_PHRASES, SOME_PHRASES)
def test_phrases_are_taken_away_wherever_they_stand(title, description, some, whole):
    """In title and description; those of which all are named, in the title only."""
    taken: list[TextChanges] = []

    def weigh(changes: TextChanges) -> np.ndarray:
        taken.append(changes)
        return np.zeros(len(changes))

    texts, phrases = [title, description], {"some": some, "whole": whole}
    naming = WordNaming(["some"], ["whole"])
    naming.name(
        texts, [phrases], lambda numbers: [np.zeros(len(texts[number])) for number in numbers], choose_by(weigh)
    )
    starts, pieces = taken[0].starts.tolist(), taken[0].pieces.reshape(-1, 2).tolist()
    found = [[(begin, end) for begin, end in pieces[first:last]] for first, last in pairwise(starts)]
    expected = [find_word(text, phrase) for phrase in some for text in texts]
    expected += [places for phrase in whole for places in (find_word(title, phrase), [])]
    assert found[: len(expected)] == expected


def test_the_heaviest_of_the_weightier_side_are_named():
    """Three at most, the heaviest first."""
    weights = {"replica": 2.0, "copy": 1.0, "aaa": 0.5, "cheap": 0.1, "receipt": -3.0}
    assert name_by(weights, "Copy AAA receipt cheap replica").words == {"title": ["replica", "Copy", "AAA"]}


def test_words_are_marked_wherever_they_stand_alone():
    """In capitals or not they are one word, marked with what all carry; within another they are not taken away."""
    in_title, _ = name_by({"bag": 1.0}, "BAG, a bag (Bag)").highlights
    assert [(mark.start, mark.end, mark.weight) for mark in in_title] == [(0, 3, 3.0), (7, 10, 3.0), (12, 15, 3.0)]
    in_title, _ = name_by({"bag": 1.0}, "bag handbag bag").highlights
    assert [(mark.start, mark.end) for mark in in_title] == [(0, 3), (12, 15)]


def test_a_letter_of_scripts_without_spaces_is_a_word():
    """And signs around a word are no part of it."""
    in_title, _ = name_by({"革": 1.0, "包": 2.0, "don't": 1.0}, "革包 «don't!»").highlights
    assert [(mark.start, mark.end) for mark in in_title] == [(0, 1), (1, 2)]
    in_title, _ = name_by({"don't": 1.0}, "(don't!)").highlights
    assert [(mark.start, mark.end) for mark in in_title] == [(1, 6)]
