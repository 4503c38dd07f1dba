"""The function others import: a probability, the reasons for it, and silence where it cannot judge."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipml.errors import InvalidListings
from ipml.features.portfolio import SellerPortfolios
from ipml.listings.schema import check_listings, frame_to_listings, listings_to_frame
from ipml.model.familiarity import ListingSample
from ipml.model.model_file import save_model
from ipml.records import Listing
from ipml.scoring.online_scoring import score_listings
from ipml.scoring.scorer import NO_LETTERS, TOO_UNCERTAIN, UNKNOWN_WORDS, Scorer, load_model
from ipml.settings import get_settings

NUMBERS = ("score", "score_low", "score_high", "log_odds")
NIGHT = datetime(2030, 1, 1, tzinfo=UTC)
AMHARIC = "አዲስ የቆዳ ቦርሳ ለሴቶች ጥሩ ጥራት ያለው ሰዓት ነጭ የስፖርት ጫማ በቅናሽ ዋጋ"
TAMIL = "புதிய தோல் கைப்பை பெண்களுக்கான கைக்கடிகாரம் வெள்ளை விளையாட்டு காலணி தள்ளுபடி விலையில்"
UNREAD = st.sampled_from([AMHARIC, TAMIL]).flatmap(
    lambda title: st.lists(st.sampled_from(title.split()), min_size=1, max_size=8).map(" ".join)
)


def states(portfolios: SellerPortfolios) -> dict[int, list[int]]:
    """Return what is kept of each seller, in no order."""
    state = portfolios.__getstate__()
    return dict(zip(state["keys"].tolist(), state["states"].tolist(), strict=True))


@pytest.fixture(scope="module")
def scorer(classifier) -> Scorer:
    """A scorer around the small marketplace's classifier."""
    return Scorer(classifier, "market/1")


@pytest.fixture(scope="module")
def newest(market):
    """The latest listings, checked."""
    return check_listings(market.listings.tail(100))


def test_one_listing_scores_as_in_a_frame(scorer, newest):
    """A record, a mapping and a row of a frame get the same numbers, to the bit."""
    in_frame = scorer.score_frame(newest)[[*NUMBERS]].to_numpy().tolist()
    for listing, expected in zip(list(frame_to_listings(newest))[:10], in_frame, strict=False):
        for scored in (scorer.score(listing), scorer.score(asdict(listing), explain=False)):
            assert [getattr(scored, name) for name in NUMBERS] == expected


def test_texts_of_python_score_as_those_of_arrow(scorer, newest):
    """Without pyarrow, pandas keeps texts as Python does: checks, scores and causes are the same, to the bit."""
    with pd.option_context("mode.string_storage", "python"):
        listings = check_listings(newest.astype(object))
        scored = scorer.score_frame(listings)
    assert listings["title"].dtype.storage == "python"
    assert scored.astype(object).equals(scorer.score_frame(newest).astype(object))


def test_records_score_as_their_frame_does(scorer, newest):
    """With reasons and without, missing cells or not; and they are as unlike those of the training."""
    records = list(frame_to_listings(newest))
    records[1] = replace(records[1], price=None, currency=None, observed_at=None, brand=None)
    frame, samples = listings_to_frame(records), (ListingSample(), ListingSample())
    assert scorer.score_records(records, None, samples[0], explain=True) == scorer.explain_frame(
        frame, None, samples[1]
    )
    assert scorer.find_unlike(samples[0]) == scorer.find_unlike(samples[1])
    plain = scorer.score_records(records)
    assert plain == [scorer.score(one, explain=False) for one in records]
    assert [one.score for one in plain] == scorer.score_frame(frame)["score"].replace({np.nan: None}).tolist()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 99), min_size=1, max_size=40))
def test_scores_are_the_same_bits_in_any_batch_and_order(scorer, newest, rows):
    """What else is scored at the same time, before or after it, and how often, changes nothing of a listing's score."""
    whole = scorer.score_frame(newest)[[*NUMBERS]].to_numpy()
    np.testing.assert_array_equal(scorer.score_frame(newest.iloc[rows])[[*NUMBERS]].to_numpy(), whole[rows])


# What is known of sellers


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_listings_that_arrive_score_as_all_at_once_in_the_order_of_time(scorer, newest, rows):
    """Scored as they come and then taken in, a few at a time, they get what the classifier gives to all of them."""
    arrived = newest.assign(listed_at=pd.date_range("2030-01-01", periods=len(newest), freq="h", tz="UTC"))
    arrived["seller_id"] = [f"new-{number % 9}" for number in range(len(arrived))]
    expected = scorer.classifier.predict_proba(arrived)[:, 1]
    portfolios, scores = scorer.start_portfolios(), []
    for start in range(0, len(arrived), rows):
        came = arrived.iloc[start : start + rows]
        # Those of one night are not judged by each other, so each seller may come once a night only.
        scores += scorer.score_frame(came, portfolios)["score"].tolist() if rows <= 9 else expected.tolist()
        scorer.take_in(came, portfolios)
    np.testing.assert_array_equal(scores, expected)
    at_once = scorer.start_portfolios()
    scorer.take_in(arrived, at_once)
    assert states(portfolios) == states(at_once)


@pytest.fixture(scope="module")
def by_suspicion(scorer, newest) -> list[Listing]:
    """The latest listings, the least suspicious first, as those of one seller who had listed nothing before."""
    order = np.argsort(scorer.classifier.suspicion(newest))
    return [replace(one, seller_id="s", listed_at=None) for one in frame_to_listings(newest.iloc[order])]


def test_suspicious_earlier_listings_raise_a_score_and_clean_ones_do_not_lower_it(scorer, by_suspicion):
    """So trust cannot be bought with cheap clean listings; and the reason says what was listed before."""
    cleanest, worst = by_suspicion[0], by_suspicion[-1]
    listing = Listing("1", "s", "Nike shoes", brand="Nike", observed_at=NIGHT)
    scored = {}
    for name, earlier in (("clean", cleanest), ("suspicious", worst)):
        portfolios = scorer.start_portfolios()
        for number in range(30):
            scorer.take_in(replace(earlier, observed_at=NIGHT - timedelta(days=number + 1)), portfolios)
        scored[name] = scorer.score(listing, portfolios)
    assert scored["clean"].score == scorer.score(listing).score < scored["suspicious"].score
    (reason,) = [one for one in scored["suspicious"].reasons if one.feature == "portfolio__share"]
    assert reason.weight > 0
    assert "of this seller's 30 earlier listings to be counterfeit" in reason.sentence


def test_a_listing_that_was_taken_in_does_not_speak_against_itself(scorer, by_suspicion):
    """Scored again it scores as the first time."""
    listing = replace(by_suspicion[-1], observed_at=NIGHT)
    portfolios = scorer.start_portfolios()
    first = scorer.score(listing, portfolios)
    scorer.take_in(listing, portfolios)
    assert scorer.score(listing, portfolios) == first


def test_what_a_model_remembers_is_not_changed_by_what_is_taken_in(scorer, newest):
    """Portfolios that begin with the model's are a copy."""
    before = states(scorer.classifier.portfolios_)
    scorer.take_in(newest, scorer.start_portfolios())
    assert states(scorer.classifier.portfolios_) == before


# How sure a score is


def test_a_score_lies_within_its_bounds(scorer, newest):
    """And the bounds within 0 and 1."""
    scores = scorer.score_frame(newest)
    assert (scores["score_low"] >= 0).all()
    assert (scores["score_low"] <= scores["score"]).all()
    assert (scores["score"] <= scores["score_high"]).all()
    assert (scores["score_high"] <= 1).all()


def test_where_the_bounds_are_too_far_apart_there_is_no_score(classifier, scorer, newest):
    """Neither a score nor a reason, but the cause; all others score as without the limit."""
    every = scorer.score_frame(newest)
    width = every["score_high"] - every["score_low"]
    limit = float(width.median())
    careful = Scorer(classifier, "market/1", most_width=limit)
    scores = careful.score_frame(newest)
    assert scores["abstained"].eq(TOO_UNCERTAIN).tolist() == (width > limit).tolist()
    assert scores[[*NUMBERS]].isna().all(axis=1).tolist() == (width > limit).tolist()
    pd.testing.assert_frame_equal(scores[width <= limit], every[width <= limit])
    (silent, *_) = [one for one in careful.explain_frame(newest) if one.abstained]
    assert (silent.reasons, silent.highlights, silent.score_low) == ((), (), None)


def test_the_limit_is_that_of_the_settings(classifier, newest, tmp_path, monkeypatch):
    """`IPML_MOST_WIDTH` reaches a loaded model."""
    save_model(classifier, tmp_path / "m", name="market", data_digest="0", experiment={}, figures={})
    monkeypatch.setenv("IPML_MOST_WIDTH", "0.000001")
    get_settings.cache_clear()
    try:
        assert load_model(tmp_path / "m").score_frame(newest)["abstained"].notna().all()
    finally:
        get_settings.cache_clear()


def test_a_first_score_loads_no_more_than_it_needs(classifier, tmp_path):
    """What takes long to load, and only learning or files of listings need, is not loaded in a fresh process."""
    save_model(classifier, tmp_path / "m", name="market", data_digest="0", experiment={}, figures={})
    code = (
        "import sys; from ipml import Listing, load_model;"
        f"print(load_model({str(tmp_path / 'm')!r}).score(Listing('1', 's', 'AAA replica watch')).score);"
        "scipy = {'scipy.special', 'scipy.stats', 'scipy.optimize', 'scipy.sparse'};"
        "print(*({'sklearn', 'joblib', 'mlflow'} | scipy) & sys.modules.keys())"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    score, loaded = told.stdout.splitlines()
    assert 0 < float(score) < 1
    assert not loaded


def test_reasons_sum_to_the_log_odds(scorer, newest):
    """The base rate and the weights of all reasons of a listing add up to its score before calibration."""
    for scored in scorer.explain_frame(newest):
        total = scored.base_rate + sum(reason.weight for reason in scored.reasons)
        assert total == pytest.approx(scored.log_odds, abs=1e-9)


def test_the_heaviest_reason_comes_first(scorer, newest):
    """Reasons are ordered by how much they weigh, for or against."""
    for scored in scorer.explain_frame(newest):
        weights = [abs(reason.weight) for reason in scored.reasons]
        assert weights == sorted(weights, reverse=True)


def test_highlights_lie_in_the_title_and_do_not_overlap(scorer, newest):
    """Each highlighted stretch is part of the title as written, and the stretches come in order."""
    for scored in scorer.explain_frame(newest):
        ends = [0]
        for part in scored.highlights:
            assert ends[-1] <= part.start < part.end <= len(scored.listing.title)
            ends.append(part.end)


def test_a_lower_price_makes_a_listing_more_suspicious(scorer):
    """A tenth of the usual price scores higher than the usual price, and the reason says so."""
    listing = {"listing_id": "1", "seller_id": "s", "title": "Nike Air shoes", "brand": "Nike", "currency": "USD"}
    cheap, usual = (scorer.score({**listing, "price": price}) for price in (12.0, 120.0))
    assert cheap.score > usual.score
    assert any(reason.sentence.startswith("Price is 10 % of what Nike usually costs") for reason in cheap.reasons)


def test_a_bad_listing_is_refused_with_every_field_at_fault(scorer):
    """A mapping that breaks the schema is never scored."""
    with pytest.raises(InvalidListings) as caught:
        scorer.score({"listing_id": "1", "seller_id": "s", "title": "Bag", "price": float("nan"), "gtin": 3})
    assert {problem.column for problem in caught.value.problems} >= {"price"}


@pytest.mark.parametrize(
    ("title", "cause"),
    [
        ("\u2605\u2605\u2605 !!!", NO_LETTERS),
        ("\uac00\ubc29 \ud310\ub9e4 \uc0c8\uc81c\ud488 \ubb34\ub8cc \ubc30\uc1a1", UNKNOWN_WORDS),
        (AMHARIC, UNKNOWN_WORDS),
        (TAMIL, UNKNOWN_WORDS),
    ],
)
def test_a_title_that_says_nothing_is_not_judged(scorer, title, cause):
    """Without letters, or in a script the model never saw, there is no score and the cause is given."""
    scored = scorer.score(Listing("1", "s", title))
    assert (scored.score, scored.log_odds, scored.abstained) == (None, None, cause)


@pytest.mark.parametrize("strange", [AMHARIC, TAMIL])
def test_strange_words_do_not_silence_known_ones(scorer, strange):
    """A title with a word that is known is judged, however much is written around it in another script."""
    title = f"Nike shoes {' '.join([strange] * 3)}"
    assert scorer.score(Listing("1", "s", title), explain=False).abstained is None


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(UNREAD)
def test_a_title_in_a_script_that_was_not_learnt_is_not_punished(scorer, market, title):
    """Mostly there is no score; where one is, as hashed n-grams may seem known by chance, it is about the average."""
    scored = scorer.score(Listing("1", "s", title, price=30.0, currency="USD"), explain=False)
    average = market.listings["is_counterfeit"].dropna().astype(float).mean()
    assert scored.abstained == UNKNOWN_WORDS or scored.score < 1.5 * average


@pytest.mark.parametrize("title", ["Nike shoes", "Leather bag", "Samsung phone 64 GB", "Replica watch"])
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=UNREAD)
def test_words_in_a_script_that_was_not_learnt_hardly_count(scorer, title, words):
    """Beside words that are known, in the title or in a description, they move the log-odds by a third at most."""
    listing = Listing("1", "s", title, price=30.0, currency="USD")
    log_odds = scorer.score(listing, explain=False).log_odds
    for more in (replace(listing, title=f"{title} {words}"), replace(listing, description=words)):
        assert scorer.score(more, explain=False).log_odds == pytest.approx(log_odds, abs=1 / 3)


def test_threads_share_a_scorer(scorer, newest):
    """Eight threads at once get what one gets."""
    listings = list(frame_to_listings(newest))
    expected = [scorer.score(listing).score for listing in listings]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda listing: scorer.score(listing).score, listings)) == expected


def test_it_goes_to_another_process_after_use(scorer, newest):
    """What it remembers stays behind; it scores as before."""
    scorer.explain_frame(newest.head(2))
    sent = pickle.loads(pickle.dumps(scorer))
    pd.testing.assert_frame_equal(sent.score_frame(newest), scorer.score_frame(newest))


def test_records_mappings_and_frames_are_all_taken(scorer, newest):
    """The one function takes what a service has at hand, and keeps the order."""
    records = list(frame_to_listings(newest))
    from_frame = [scored.score for scored in score_listings(newest, scorer)]
    assert [scored.score for scored in score_listings(records, scorer)] == from_frame
    assert [scored.score for scored in score_listings(map(asdict, records), scorer)] == from_frame
    assert score_listings([], scorer) == []


def test_a_saved_model_scores_as_before(classifier, scorer, newest, tmp_path):
    """Saving and loading changes no bit of a score, and the scores carry the model's version."""
    card = save_model(classifier, tmp_path / "m", name="market", data_digest="0", experiment={}, figures={})
    loaded = load_model(tmp_path / "m")
    assert loaded.version == card.full_version
    np.testing.assert_array_equal(loaded.score_frame(newest)["score"], scorer.score_frame(newest)["score"])
