"""What a review is worth by the policy, and its working hours."""

import json
import math
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ipml.errors import UnusableSetting
from ipml.records import Listing
from ipml.review.ranking.policy import (
    FARTHEST,
    Policy,
    Usual,
    WorkingHours,
    compute_expected_value,
    load_policy,
    read_expected_value,
)
from ipml.review.ranking.queue_order import MedianCounter

POLICY = load_policy()
KNOWN = {"price": 100.0, "currency": "EUR", "seller_sales": 50.0, "seller_age_days": 100.0}
LISTED, SEEN = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 11, tzinfo=UTC)

amounts = st.none() | st.floats(0, 1e308)
listings = st.builds(
    Listing,
    st.just("A7"),
    st.just("s1"),
    st.just("Bag"),
    currency=st.sampled_from(["EUR", "USD", "XXX", None]),
    brand=st.sampled_from([None, "Acme"]),
    category=st.sampled_from([None, "Toys", "bags"]),
    listed_at=st.sampled_from([None, LISTED]),
    observed_at=st.sampled_from([None, SEEN]),
    **dict.fromkeys(("price", "listing_sales", "seller_sales", "seller_listings", "seller_age_days"), amounts),
)
scores = st.floats(0, 1)


def make_listing(**fields: object) -> Listing:
    """Return a listing of which all is known, but for what is said otherwise."""
    return Listing("A7", "s1", "Bag", **(KNOWN | fields))


@given(listings, st.none() | scores)
def test_a_value_is_finite_bounded_and_adds_up(listing: Listing, score: float | None):
    """Whatever a listing says: at most what the caps allow, never nothing of a number, and the same from its text."""
    expected_value = compute_expected_value(listing, score, POLICY)
    assert 0 <= expected_value.harm <= POLICY.most_price * POLICY.most_sales * 3
    mistakes = (1 - expected_value.probability) * POLICY.wrongful_removal_share * POLICY.wrongful_removal_cost
    gain = expected_value.probability * expected_value.harm
    assert expected_value.value == pytest.approx(gain - expected_value.review_cost - mistakes)
    assert math.isfinite(expected_value.per_minute)
    assert read_expected_value(expected_value.text) == expected_value
    assert expected_value.text.isascii()


@given(listings, st.tuples(scores, scores), st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)))
def test_likelier_dearer_and_better_sold_is_worth_more(listing: Listing, some: tuple, known: tuple):
    """Neither a higher score nor a higher price nor more sales lower the value."""
    values = [compute_expected_value(listing, number, POLICY).value for number in sorted(some)]
    assert values[0] <= values[1] + 1e-9
    for name in ("price", "seller_sales"):
        values = [
            compute_expected_value(make_listing(**{name: number}), some[0], POLICY).value for number in sorted(known)
        ]
        assert values[0] <= values[1] + 1e-9


def test_a_price_that_is_a_slip_of_the_pen_does_not_own_the_queue():
    """1e308 counts as the most a price may, and a likelier listing at half of that stands above it."""
    slip = compute_expected_value(make_listing(price=1e308), 0.1, POLICY)
    assert slip.price == POLICY.most_price
    assert compute_expected_value(make_listing(price=POLICY.most_price / 2), 0.9, POLICY).value > slip.value


def test_sales_are_the_listings_own_where_known():
    """Ten in ten days are about twenty in thirty more, drawn to the usual; a seller's are shared by the listings."""
    own = make_listing(listing_sales=10, listed_at=LISTED, observed_at=SEEN, seller_sales=900)
    expected = (10 + POLICY.usual_sales_a_day * 30) / (10 + 30) * POLICY.days_until_next_review
    assert compute_expected_value(own, 0.5, POLICY).sales == pytest.approx(expected)
    one, ten = (compute_expected_value(make_listing(seller_listings=number), 0.5, POLICY).sales for number in (1, 10))
    assert one > ten > 0


def test_what_is_missing_is_assumed():
    """A price without a rate takes the usual one, an abstained score the prevalence, and the parts say so."""
    for currency in ("XXX", None):
        expected_value = compute_expected_value(make_listing(currency=currency), 0.5, POLICY)
        assert (expected_value.price, expected_value.assumed) == (POLICY.usual_price, ("price",))
    expected_value = compute_expected_value(make_listing(), None, POLICY)
    assert (expected_value.probability, expected_value.assumed) == (POLICY.prevalence, ("probability",))


def test_what_is_unknown_is_the_median_of_the_brand_then_of_the_category():
    """The policy's own figure comes last; four prices of a brand make no median, five do."""
    usual = Usual({"brand:acme": 70.0, "category:bags": 30.0}, {"category:bags": 2.0})
    known = ({"brand": "ACME", "category": "Bags"}, {"brand": "Other", "category": "Bags"}, {})
    seen = [compute_expected_value(Listing("A7", "s1", "Bag", **fields), 0.5, POLICY, usual) for fields in known]
    assert [one.price for one in seen] == [70.0, 30.0, POLICY.usual_price]
    assert [one.sales for one in seen] == pytest.approx([60.0, 60.0, POLICY.usual_sales_a_day * 30])
    counting = MedianCounter(POLICY)
    for number in range(4):
        counting.add(make_listing(brand="Acme", price=10.0 + number))
    assert counting.medians().prices == {}
    counting.add(make_listing(brand="acme", price=1e308))
    assert counting.medians().prices == {"brand:acme": 12.0}


BUNDLED = (Path(__file__).parents[3] / "ipml/review/ranking/policy.toml").read_text(encoding="utf-8")


def write_policy(folder: Path, old: str, new: str) -> Path:
    """Write the bundled policy with one text replaced by another."""
    assert old in BUNDLED
    path = folder / "policy.toml"
    path.write_text(BUNDLED.replace(old, new), encoding="utf-8")
    return path


def test_a_policy_comes_back_from_its_text():
    """What is stored with a ranking is the policy, whole, and its digest tells it from every other."""
    assert Policy.from_text(POLICY.text) == POLICY
    assert POLICY.model_copy(update={"prevalence": 0.08}).digest != POLICY.digest
    assert json.loads(POLICY.text)["currency"] == "EUR"


def test_names_are_found_whatever_their_case(tmp_path: Path):
    """Categories, brands and their spelling in the file and in listings."""
    policy = load_policy(write_policy(tmp_path, "[brand_weight]", '[brand_weight]\n"Straße" = 2.0'))
    assert (policy.weight_of("STRASSE"), policy.severity_of(" TOYS"), policy.weight_of(None)) == (2.0, 3.0, 1.0)


def test_a_policy_that_cannot_be_followed_is_refused_in_one_line(tmp_path: Path, subtests: pytest.Subtests):
    """The line names the file, what was found and what to do; as it does where there is none."""
    wrong = (
        ("prevalence = 0.07", "prevalence = 7", "prevalence = 7"),
        ("cost_per_minute = 0.5", "cost_per_minute = nan", "cost_per_minute = nan"),
        ("usual_minutes = 2.0", "usual_minutes = 0", "usual_minutes = 0"),
        ("toys = 3.0", "toys = -1", "severity.toys = -1"),
        ("USD = 0.926", "USD = inf", "rates.USD = inf"),
        ("safety = 1.25", "safty = 1.25", "no safety; unknown safty"),
        ('zone = "UTC"', 'zone = "Mars"', "no such time zone"),
        ('monday = ["09:00-17:00"]', 'monday = ["09:00-08:00"]', "shifts must follow one another"),
        ("currency =", "currency", "no TOML"),
    )
    for old, new, said in wrong:
        with subtests.test(new=new):
            with pytest.raises(UnusableSetting) as refused:
                load_policy(write_policy(tmp_path, old, new))
            assert said in str(refused.value)
            assert "policy.toml" in str(refused.value)
            assert "\n" not in str(refused.value)
    with pytest.raises(UnusableSetting, match=r"missing\.toml.*no such file"):
        load_policy(tmp_path / "missing.toml")


OFFICE = WorkingHours(
    zone="Europe/Berlin",
    monday=("08:00-12:00", "13:00-17:00"),
    friday=("08:00-12:00",),
    sunday=("00:00-24:00",),
    holidays=(date(2024, 5, 20),),
)
moments = st.datetimes(datetime(2024, 3, 1), datetime(2024, 11, 30)).map(lambda moment: moment.replace(tzinfo=UTC))


@given(st.lists(moments, min_size=3, max_size=3).map(sorted))
def test_minutes_add_up(three: list[datetime]):
    """From first to last is from first to middle and on, and never more than the clock says."""
    first, middle, last = three
    whole = OFFICE.minutes_between(first, last)
    assert whole == pytest.approx(OFFICE.minutes_between(first, middle) + OFFICE.minutes_between(middle, last))
    assert 0 <= whole <= (last - first).total_seconds() / 60 + 1e-6


def test_minutes_follow_the_clock_on_the_wall():
    """Shifts, breaks, holidays and changes of the clock are those of the zone; the far future counts for a year."""
    expected = {
        ("2024-05-06T06:00", "2024-05-06T15:00"): 480,  # a Monday in Berlin, with its lunch
        ("2024-05-06T15:00", "2024-05-06T06:00"): 0,
        ("2024-05-20T00:00", "2024-05-20T20:00"): 0,  # a holiday
        ("2024-03-30T23:00", "2024-03-31T22:00"): 23 * 60,  # the Sunday on which summer time begins
        ("2024-10-26T22:00", "2024-10-27T23:00"): 25 * 60,  # and ends
    }
    moments = {pair: [datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in pair] for pair in expected}
    assert {pair: OFFICE.minutes_between(*between) for pair, between in moments.items()} == expected
    now, far = datetime(2024, 5, 6, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    assert OFFICE.minutes_between(now, far) == OFFICE.minutes_between(now, now + FARTHEST)


def test_hours_that_make_no_sense_are_refused():
    """Zones that are none, shifts that overlap or end before they begin."""
    shifts = (("17:00-09:00",), ("09:00-09:00",), ("09:00-12:00", "11:00-17:00"), ("9-17",), ("09:00-25:00",))
    wrong = [*(("monday", shift) for shift in shifts), ("zone", "Mars/Olympus"), ("zone", "../etc/passwd")]
    for field, value in (*wrong, ("reviewers", 0)):
        with pytest.raises(ValidationError):
            WorkingHours(**{field: value})
