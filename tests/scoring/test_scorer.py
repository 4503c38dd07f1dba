"""The function others import: a probability, its reasons, and silence where it cannot judge; two models compared."""

import copy
import json
import pickle
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import InvalidListings
from ipml.features.goods import brand_table
from ipml.features.portfolio import SellerPortfolios
from ipml.listings.schema import check_listings, frame_to_listings, listings_to_frame
from ipml.listings.writers import RejectsFile, write_listings
from ipml.model.familiarity import ListingSample
from ipml.model.model_file import save_model
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.records import Listing
from ipml.review.arrivals.snapshot import decode, encode
from ipml.scoring import shadow
from ipml.scoring.batch import file_scoring
from ipml.scoring.batch.file_scoring import BatchOptions, score_file
from ipml.scoring.batch.scored_files import read_scored
from ipml.scoring.judgement import NO_LETTERS, TOO_UNCERTAIN, UNKNOWN_WORDS
from ipml.scoring.online_scoring import score_listings
from ipml.scoring.portfolio_store import start_store
from ipml.scoring.rescoring import TOLERANCE, rescore
from ipml.scoring.scorer import Scorer, load_model
from ipml.scoring.shadow import MOVED, SHADOW_COLUMNS, shadow_file
from ipml.settings import DEFAULT_SETTINGS, get_settings

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
def newest(market):
    """The latest listings, checked."""
    return check_listings(market.listings.tail(100))


def test_texts_of_python_score_as_those_of_arrow(scorer, newest):
    """Without pyarrow, pandas keeps texts as Python does: checks, scores and causes are the same, to the bit."""
    with pd.option_context("mode.string_storage", "python"):
        listings = check_listings(newest.astype(object))
        scored = scorer.score_frame(listings)
    assert listings["title"].dtype.storage == "python"
    assert scored.astype(object).equals(scorer.score_frame(newest).astype(object))


def test_records_score_as_their_frame_does(scorer, newest):
    """To the bit, with reasons and without, alone, missing cells or not; and they are as unlike those of training."""
    records = list(frame_to_listings(newest))
    records[1] = replace(records[1], price=None, currency=None, observed_at=None, brand=None)
    frame, samples = listings_to_frame(records), (ListingSample(), ListingSample())
    explained = scorer.explain_frame(frame, None, samples[1])
    assert scorer.score_records(records, None, samples[0], explain=True) == explained
    assert [scorer.score(one) for one in records[:10]] == explained[:10]
    assert scorer.find_unlike(samples[0]) == scorer.find_unlike(samples[1])
    plain = scorer.score_records(records)
    assert plain == [scorer.score(asdict(one), explain=False) for one in records]
    for name in NUMBERS:
        in_frame = scorer.score_frame(frame)[name].astype(object).replace({np.nan: None}).tolist()
        assert [getattr(one, name) for one in plain] == [getattr(one, name) for one in explained] == in_frame


@given(st.lists(st.integers(0, 99), min_size=1, max_size=40))
def test_scores_are_the_same_bits_in_any_batch_and_order(scorer, newest, rows):
    """What else is scored at the same time, before or after it, and how often, changes nothing of a listing's score."""
    whole = scorer.score_frame(newest)[[*NUMBERS]].to_numpy()
    np.testing.assert_array_equal(scorer.score_frame(newest.iloc[rows])[[*NUMBERS]].to_numpy(), whole[rows])


def test_listings_that_arrive_score_as_all_at_once_in_the_order_of_time(scorer, newest):
    """Scored as they come and then taken in, a few at a time, they get what the classifier gives to all of them."""
    arrived = newest.assign(listed_at=pd.date_range("2030-01-01", periods=len(newest), freq="h", tz="UTC"))
    arrived["seller_id"] = [f"new-{number % 9}" for number in range(len(arrived))]
    expected = scorer.classifier.predict_proba(arrived)[:, 1]
    at_once = scorer.start_portfolios()
    scorer.take_in(arrived, at_once)
    for rows in (1, 9):  # those of one night are not judged by each other, so each seller comes once a night
        portfolios, scores = scorer.start_portfolios(), []
        for start in range(0, len(arrived), rows):
            came = arrived.iloc[start : start + rows]
            scores += scorer.score_frame(came, portfolios)["score"].tolist()
            scorer.take_in(came, portfolios)
        np.testing.assert_array_equal(scores, expected)
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


def test_where_the_bounds_are_too_far_apart_there_is_no_score(classifier, scorer, newest):
    """A score lies within its bounds, those within 0 and 1; beyond the limit there is none, but the cause."""
    every = scorer.score_frame(newest)
    bounds = every[["score_low", "score", "score_high"]]
    assert bounds.stack().between(0, 1).all()
    assert (bounds.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    width = every["score_high"] - every["score_low"]
    limit = float(width.median())
    careful = Scorer(classifier, "market/1", most_width=limit)
    scores = careful.score_frame(newest)
    assert scores["abstained"].eq(TOO_UNCERTAIN).tolist() == (width > limit).tolist()
    assert scores[[*NUMBERS]].isna().all(axis=1).tolist() == (width > limit).tolist()
    pd.testing.assert_frame_equal(scores[width <= limit], every[width <= limit])
    (silent, *_) = [one for one in careful.explain_frame(newest) if one.abstained]
    assert (silent.reasons, silent.highlights, silent.score_low) == ((), (), None)


@pytest.fixture(scope="module")
def saved(classifier, tmp_path_factory) -> Path:
    """Return the folder of the model."""
    folder = tmp_path_factory.mktemp("models") / "m"
    save_model(classifier, folder, name="market", data_digest="0", experiment={}, figures={})
    return folder


def test_the_limit_is_that_of_the_settings(saved, newest, monkeypatch):
    """`most_width` reaches a loaded model, from the settings that are given and else from the environment."""
    monkeypatch.setenv("IPML_MOST_WIDTH", "0.000001")
    get_settings.cache_clear()
    try:
        for settings, is_limited in ((None, True), (DEFAULT_SETTINGS, False)):
            scored = load_model(saved, settings).score_frame(newest)
            assert scored["abstained"].notna().all() == is_limited
    finally:
        get_settings.cache_clear()


def test_a_first_score_loads_no_more_than_it_needs(saved):
    """What takes long to load, and only learning or files of listings need, is not loaded in a fresh process."""
    code = (
        "import sys; from ipml import Listing, load_model;"
        f"print(load_model({str(saved)!r}).score(Listing('1', 's', 'AAA replica watch')).score);"
        "scipy = {'scipy.special', 'scipy.stats', 'scipy.optimize', 'scipy.sparse'};"
        "print(*({'sklearn', 'joblib', 'mlflow'} | scipy) & sys.modules.keys())"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    score, loaded = told.stdout.splitlines()
    assert 0 < float(score) < 1
    assert not loaded


def test_a_lower_price_makes_a_listing_more_suspicious(scorer):
    """A tenth of the usual price scores higher than the usual price, and the reason says so."""
    listing = {"listing_id": "1", "seller_id": "s", "title": "Nike Air shoes", "brand": "Nike", "currency": "USD"}
    cheap, usual = (scorer.score({**listing, "price": price}) for price in (12.0, 120.0))
    assert cheap.score > usual.score
    assert any(reason.sentence.startswith("Price is 10 % of what Nike usually costs") for reason in cheap.reasons)


def test_a_bad_listing_is_refused_with_every_field_at_fault(scorer):
    """A mapping that breaks the schema is never scored."""
    with pytest.raises(InvalidListings) as caught:
        scorer.score({"listing_id": "1", "seller_id": "s", "title": "Bag", "price": -1.0, "gtin": 3})
    assert {problem.column for problem in caught.value.problems} >= {"price"}


def test_a_currency_without_a_rate_is_reported_once(scorer, caplog):
    """Its prices count as none, alone and in a frame; one with a rate is not named."""
    listings = [Listing("1", "s", "Nike shoes", price=9.0, currency=currency) for currency in ("XXX", "EUR", "XXX")]
    scores = [scorer.score(listing).score for listing in listings]
    assert scores[0] == scorer.score_frame(listings_to_frame(listings))["score"][2] < scores[1]
    assert [record.getMessage()[:13] for record in caplog.records] == ["prices in XXX"]


KOREAN = "\uac00\ubc29 \ud310\ub9e4 \uc0c8\uc81c\ud488 \ubb34\ub8cc \ubc30\uc1a1"


def test_a_title_that_says_nothing_is_not_judged(scorer):
    """Without letters the cause is given, as with a model of an older release in a script that it never saw."""
    older = copy.deepcopy(scorer.classifier)
    del older.familiarity_.scripts_, older.familiarity_.title_bounds_
    older = Scorer(older, "older/1")
    silent = [(scorer, "\u2605\u2605\u2605 !!!", NO_LETTERS)]
    silent += [(older, title, UNKNOWN_WORDS) for title in (KOREAN, AMHARIC, TAMIL)]
    for by, title, cause in silent:
        scored = by.score(Listing("1", "s", title))
        assert (scored.score, scored.log_odds, scored.abstained, scored.warning) == (None, None, cause, None)


SCRIPTS = {"Khmer": "\u1780\u1781\u179f", "Tamil": "\u0b95\u0b9f\u0bb5", "Korean": "\uac00\ub098\ub2e4"}
SCRIPTS |= {"Thai": "\u0e01\u0e07\u0e19", "Hebrew": "\u05d0\u05d1\u05e9", "Georgian": "\u10d0\u10d1\u10e1"}


@settings(max_examples=25)
@given(st.data(), st.sampled_from(sorted(SCRIPTS)))
def test_a_title_in_a_script_that_was_not_learnt_is_scored_with_wide_bounds_and_a_warning(scorer, newest, data, script):
    """Wider than with any title that adds what titles do; reasons name no word of it. Latin is never warned of."""
    row = data.draw(st.integers(0, len(newest) - 1))
    readable = replace(next(iter(frame_to_listings(newest.iloc[[row]]))), brand="Acme")
    words = data.draw(st.lists(st.text(SCRIPTS[script], min_size=2, max_size=6), min_size=1, max_size=6))
    unread, untitled = (replace(readable, title=title) for title in (" ".join(words), "1"))
    scored, known = scorer.score(unread), scorer.score(readable)
    assert f"is in {script} script" in scored.warning
    assert sum(reason.weight for reason in scored.reasons) + scored.base_rate == pytest.approx(scored.log_odds)
    assert "title" not in {reason.feature for reason in scored.reasons}
    frame = scorer.score_frame(listings_to_frame([readable, unread]))
    assert frame.iloc[1][["score_low", "warning"]].tolist() == [scored.score_low, scored.warning]
    if readable.title.isascii():
        assert known.warning is None
        added = -np.diff(scorer.classifier.decision_function(listings_to_frame([readable, untitled]), np.zeros(2)))
        if np.diff(np.sign(scorer.familiarity.title_bounds_ - added)):
            assert scored.score_high - scored.score_low >= known.score_high - known.score_low


@settings(max_examples=15)
@given(st.sampled_from(["Nike shoes", "Leather bag", "Samsung phone 64 GB", "Replica watch"]), UNREAD)
def test_words_in_a_script_that_was_not_learnt_hardly_count(scorer, title, words):
    """Beside words that are known, in the title or in a description, they move the log-odds by a third at most."""
    listing = Listing("1", "s", title, price=30.0, currency="USD")
    log_odds = scorer.score(listing, explain=False).log_odds
    for more in (replace(listing, title=f"{title} {words}"), replace(listing, description=words)):
        assert scorer.score(more, explain=False).log_odds == pytest.approx(log_odds, abs=1 / 3)


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


DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def digested(classifier: CounterfeitClassifier) -> Scorer:
    """Return a scorer that knows the digest of its model file."""
    return Scorer(classifier, "market/1", digest=DIGEST)


def test_what_went_through_files_and_queue_scores_the_same(digested, some_listings, tmp_path):
    """Scored with portfolios, written, read, kept as a snapshot: the model says the same again, within 1e-9."""
    some = some_listings.head(120)
    store = start_store(digested)
    store.take_in(digested, some)
    for suffix in (".parquet", ".csv"):
        source, target = tmp_path / f"listings{suffix}", tmp_path / f"scored{suffix}"
        write_listings(some, source)
        score_file(digested, source, target, BatchOptions(portfolios=store.portfolios))
        archived = [decode(encode(scored)) for scored in read_scored(target)]
        assert all(scored.model_digest == DIGEST for scored in archived)
        assert any(scored.earlier_suspicion for scored in archived)
        assert max(rescore(digested, scored).difference for scored in archived) <= TOLERANCE


@pytest.fixture(scope="module")
def some_listings(market) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    """Return checked listings of the small marketplace."""
    return check_listings(market.listings.head(200))


def test_a_score_depends_on_what_was_known_of_the_seller(digested: Scorer, some_listings: pd.DataFrame):
    """Alone as in a frame; without the portfolio that was kept another score comes out, and it is said why."""
    portfolios = digested.start_portfolios()
    digested.take_in(some_listings, portfolios)
    together, frame = (of(some_listings, portfolios) for of in (digested.explain_frame, digested.score_frame))
    assert [digested.score(one.listing, portfolios) for one in together] == together
    for name in ("model_digest", "earlier_listings", "earlier_suspicion"):
        assert [getattr(one, name) for one in together] == frame[name].tolist()
    scored = [one for one in together if one.score is not None]
    most = max(scored, key=lambda one: one.earlier_suspicion or 0.0)
    forgotten = replace(
        most, earlier_listings=None, earlier_suspicion=None, listing=replace(most.listing, seller_id="?")
    )
    assert rescore(digested, most).is_same
    assert "not kept" in rescore(digested, forgotten).problem


def test_another_score_another_version_another_file_are_told(digested: Scorer, some_listings: pd.DataFrame):
    """Each is a sentence of its own."""
    scored = digested.explain_frame(some_listings.head(1))[0]
    assert scored.score is not None
    assert "differs" in rescore(digested, replace(scored, score=scored.score / 2 + 1e-3)).problem
    assert "not by market/1" in rescore(digested, replace(scored, model_version="market/2")).problem
    assert "another model file" in rescore(digested, replace(scored, model_digest="cd" * 32)).problem


TOP = 15
UNJUDGED = [Listing(f"silent{number}", "s", "\u2605\u2605\u2605") for number in range(3)]
BAD = "listing_id,seller_id,title,price,currency\n1,s,Bag,9.5,EUR\n2,s,Belt,9;5,EUR\n"


@pytest.fixture(scope="module")
def scorers(classifier, market) -> tuple[Scorer, Scorer]:
    """The small marketplace's model, and one that has seen a fifth of it."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()].head(400)
    features = make_features(brand_table(market.brands))
    less = CounterfeitClassifier(features, C=0.1, n_folds=2)
    less.fit(labelled, labelled["is_counterfeit"].to_numpy(dtype=int))
    return Scorer(classifier, "market/1"), Scorer(less, "market/2")


@pytest.fixture(scope="module")
def tonight(market) -> pd.DataFrame:
    """The latest listings and, before them, some that cannot be judged."""
    return pd.concat([listings_to_frame(UNJUDGED), check_listings(market.listings.tail(150))], ignore_index=True)


@pytest.fixture
def compare(scorers, tonight, tmp_path, monkeypatch):
    """Return a function that compares both on the latest listings through files, in chunks, and reads the result."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 50)
    monkeypatch.setattr(shadow, "CHUNK_ROWS", 50)

    def compare(*pair: Scorer, **options):
        write_listings(tonight, tmp_path / "tonight.parquet")
        found = shadow_file(
            *(pair or scorers), tmp_path / "tonight.parquet", tmp_path / "both.parquet", top=TOP, **options
        )
        return found, pd.read_parquet(tmp_path / "both.parquet")

    return compare


def test_the_file_holds_what_each_model_says_of_every_listing(compare, scorers, tonight):
    """Every listing once, in order, with both scores to the bit."""
    _, both = compare()
    assert tuple(both.columns) == SHADOW_COLUMNS
    assert both["listing_id"].tolist() == tonight["listing_id"].tolist()
    for role, scorer in zip(("champion", "challenger"), scorers, strict=True):
        np.testing.assert_array_equal(both[f"{role}_score"], scorer.score_frame(tonight)["score"])
        assert both[f"{role}_abstained"].notna().sum() == len(UNJUDGED)


def test_the_figures_are_those_of_the_file(compare, scorers):
    """The table can be worked out from both columns; a model agrees with itself."""
    found, both = compare()
    scores = both[["champion_score", "challenger_score"]]
    tops = [set(scores[name].nlargest(TOP).index) for name in scores]
    assert (found.scored, found.rejected, found.abstained) == (len(both), 0, (len(UNJUDGED), len(UNJUDGED)))
    assert found.mean_score == pytest.approx(scores.mean().tolist())
    assert found.least_in_top == tuple(scores[name].nlargest(TOP).min() for name in scores)
    assert found.rank_correlation == pytest.approx(scores.corr("spearman").iloc[0, 1])
    difference = (scores["champion_score"] - scores["challenger_score"]).abs().dropna()
    assert found.moved == pytest.approx((difference > MOVED).mean())
    assert found.in_both == len(tops[0] & tops[1])
    in_top = {"both": tops[0] & tops[1], "champion": tops[0] - tops[1], "challenger": tops[1] - tops[0]}
    assert {name: set(both.index[both["in_top"] == name]) for name in in_top} == in_top
    found, _ = compare(scorers[0], scorers[0])
    assert (found.rank_correlation, found.moved, found.in_both) == (pytest.approx(1.0), 0.0, TOP)
    assert (found.only_champion, found.only_challenger) == ((), ())


def test_what_only_one_puts_at_the_top_is_explained_by_both(compare, scorers):
    """With its highest score first; nothing else is explained."""
    found, both = compare()
    assert found.only_champion
    assert len(found.only_champion) == len(found.only_challenger) == TOP - found.in_both
    scores = [one.champion.score for one in found.only_champion]
    assert scores == sorted(scores, reverse=True)
    for one in (*found.only_champion, *found.only_challenger):
        assert one.champion.listing == one.challenger.listing
        assert (one.champion.model_version, one.challenger.model_version) == ("market/1", "market/2")
        assert one.champion.reasons
    disputed = both["in_top"].isin(["champion", "challenger"])
    assert both["champion_reasons"].notna().equals(disputed)
    assert all("sentence" in reason for text in both["challenger_reasons"].dropna() for reason in json.loads(text))


def test_where_nothing_can_be_judged_nothing_is_claimed(scorers, tmp_path):
    """A night without listings, or with none that can be judged, is no error."""
    for listings, suffix in (([], ".parquet"), ([], ".jsonl"), (UNJUDGED, ".csv"), (UNJUDGED, ".parquet")):
        write_listings(listings_to_frame(listings or UNJUDGED).head(len(listings)), tmp_path / "none.csv")
        found = shadow_file(*scorers, tmp_path / "none.csv", tmp_path / f"both{suffix}")
        assert (found.scored, found.in_both, found.only_champion) == (len(listings), 0, ())
        assert np.isnan([found.rank_correlation, found.moved, *found.mean_score, *found.least_in_top]).all()


def test_bad_rows_are_an_error_or_kept_apart(scorers, tmp_path):
    """As when scoring."""
    (tmp_path / "shop.csv").write_text(BAD)
    with pytest.raises(InvalidListings):
        shadow_file(*scorers, tmp_path / "shop.csv", tmp_path / "both.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["shop.csv"]
    with RejectsFile(tmp_path / "rejects.csv") as rejects:
        found = shadow_file(*scorers, tmp_path / "shop.csv", tmp_path / "both.csv", rejects=rejects)
    assert (found.scored, found.rejected) == (1, 1)


@given(st.lists(st.just(np.nan) | st.sampled_from([0.1, 0.5]) | st.floats(0, 1), max_size=30), st.integers(1, 10))
def test_the_top_is_the_highest_scores(scores, most):
    """The highest first, of equals the earlier first, and never one without a score."""
    ranked = sorted((-score, row) for row, score in enumerate(scores) if not np.isnan(score))
    found = shadow._find_top(np.array(scores, dtype=np.float64), most)
    assert found.tolist() == [row for _, row in ranked[:most]]
