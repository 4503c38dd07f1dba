"""The function others import: a probability, the reasons for it, and silence where it cannot judge."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import pytest

from ipml.errors import InvalidListings
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.records import Listing
from ipml.scoring.scorer import NO_LETTERS, UNKNOWN_WORDS, Scorer, load_model, score_listings


@pytest.fixture(scope="module")
def scorer(classifier) -> Scorer:
    """A scorer around the small marketplace's classifier."""
    return Scorer(classifier, "market/1")


@pytest.fixture(scope="module")
def newest(market):
    """The latest listings, checked."""
    return check_listings(market.listings.tail(100))


def test_one_listing_scores_as_in_a_frame(scorer, newest):
    """A record, a mapping and a row of a frame get the same probability, to the bit."""
    in_frame = scorer.score_frame(newest)["score"].tolist()
    for listing, expected in zip(list(frame_to_listings(newest))[:10], in_frame, strict=False):
        assert scorer.score(listing).score == expected
        assert scorer.score(asdict(listing), explain=False).score == expected


def test_reasons_sum_to_the_log_odds(scorer, newest):
    """The weights of all reasons of a listing add up to its score before calibration."""
    for scored in scorer.explain_frame(newest):
        assert sum(reason.weight for reason in scored.reasons) == pytest.approx(scored.log_odds, abs=1e-9)


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
    [("\u2605\u2605\u2605 !!!", NO_LETTERS), ("\u1200\u1208\u1210 \u1218\u1220\u1228", UNKNOWN_WORDS)],
)
def test_a_title_that_says_nothing_is_not_judged(scorer, title, cause):
    """Without letters, or in a script the model never saw, there is no score and the cause is given."""
    scored = scorer.score(Listing("1", "s", title))
    assert (scored.score, scored.log_odds, scored.abstained) == (None, None, cause)


def test_threads_share_a_scorer(scorer, newest):
    """Eight threads at once get what one gets."""
    listings = list(frame_to_listings(newest))
    expected = [scorer.score(listing).score for listing in listings]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda listing: scorer.score(listing).score, listings)) == expected


def test_records_mappings_and_frames_are_all_taken(scorer, newest):
    """The one function takes what a service has at hand, and keeps the order."""
    records = list(frame_to_listings(newest))
    from_frame = [scored.score for scored in score_listings(newest, scorer)]
    assert [scored.score for scored in score_listings(records, scorer)] == from_frame
    assert [scored.score for scored in score_listings(map(asdict, records), scorer)] == from_frame
    assert score_listings([], scorer) == []


def test_a_saved_model_scores_as_before(classifier, scorer, newest, tmp_path):
    """Saving and loading changes no bit of a score, and the scores carry the model's version."""
    from ipml.model.artifact import save_model

    card = save_model(classifier, tmp_path / "m", name="market", data_digest="0", experiment={}, figures={})
    loaded = load_model(tmp_path / "m")
    assert loaded.version == card.full_version
    np.testing.assert_array_equal(loaded.score_frame(newest)["score"], scorer.score_frame(newest)["score"])
