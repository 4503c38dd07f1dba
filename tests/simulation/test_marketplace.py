"""A simulated marketplace has the shape of a real one, and the same seed makes the same one."""

import os
import subprocess
import sys
from pathlib import Path
from string import Formatter

import pandas as pd
import pytest

from ipml.errors import UnusableSetting
from ipml.listings.brands import load_brands
from ipml.listings.fields import COLUMNS
from ipml.listings.schema import validate_listings
from ipml.listings.seller_events import history_as_of, validate_events
from ipml.simulation.listings import END_OF_YEAR, load_vocabulary
from ipml.simulation.marketplace import Marketplace, simulate_marketplace
from ipml.simulation.offers import GOODS, VOICES, VOICES_OF_KIND
from ipml.simulation.sellers import MARKETS

WRITE = """
import hashlib, sys
from pathlib import Path
from ipml.simulation.marketplace import simulate_marketplace
for path in simulate_marketplace(1_000, seed=3).write(Path(sys.argv[1])):
    print(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
"""

DAY = pd.Timedelta(days=1)


def is_fake(marketplace: Marketplace) -> pd.Series:
    """Return the truth about each listing."""
    return marketplace.truth["is_counterfeit"]


@pytest.mark.slow
def test_the_same_seed_writes_the_same_bytes_whatever_the_hash_seed(tmp_path: Path):
    """Two processes with different PYTHONHASHSEED write files of equal digests."""
    digests = [
        subprocess.run(
            [sys.executable, "-c", WRITE, str(tmp_path / hash_seed)],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert digests[0] == digests[1]
    assert digests[0].count(b"\n") == 4


def test_listings_and_events_keep_the_rules(marketplace: Marketplace):
    """Columns stand in the order of the schema; no event is known before it occurred, or later than the year."""
    assert validate_listings(marketplace.listings).problems == ()
    assert list(marketplace.listings.columns) == [name for name in COLUMNS if name in marketplace.listings.columns]
    assert validate_events(marketplace.events).problems == ()
    assert (marketplace.events["known_at"] >= marketplace.events["occurred_at"]).all()
    assert marketplace.events["occurred_at"].max() <= END_OF_YEAR


def test_the_history_in_the_listings_is_what_the_events_say(marketplace: Marketplace):
    """Computed anew for listings in another order, the history is the same."""
    some = marketplace.listings.sample(500, random_state=0)
    history = history_as_of(marketplace.events, some)
    pd.testing.assert_frame_equal(history, some[history.columns])


def test_listings_are_observed_within_the_year_and_after_their_seller_joined(marketplace: Marketplace):
    """Joining, listing and observing follow one another."""
    joined = marketplace.events[marketplace.events["kind"] == "joined"].set_index("seller_id")["occurred_at"]
    listings = marketplace.listings
    assert (listings["seller_id"].map(joined) <= listings["listed_at"]).all()
    assert (listings["listed_at"] <= listings["observed_at"]).all()
    assert listings["observed_at"].between(END_OF_YEAR - 366 * DAY, END_OF_YEAR).all()
    assert listings["observed_at"].is_monotonic_increasing


def test_fakes_are_as_many_young_and_concentrated_as_on_real_marketplaces(marketplace: Marketplace):
    """6.6 to 8 % are fake, about 9 days old where genuine ones are about 175; ten sellers hold 30 to 42 % of them."""
    is_counterfeit = is_fake(marketplace)
    assert 0.066 <= is_counterfeit.mean() <= 0.08
    age = marketplace.listings["observed_at"] - marketplace.listings["listed_at"]
    medians = age.groupby(is_counterfeit).median() / DAY
    assert 6.5 < medians[True] < 12
    assert 130 < medians[False] < 230
    fakes = marketplace.listings["seller_id"][is_counterfeit].value_counts()
    assert 0.30 < fakes.iloc[:10].sum() / fakes.sum() < 0.42
    portfolios = marketplace.listings["seller_id"].value_counts()
    assert 8 < portfolios.mean() < 15
    assert portfolios.median() < portfolios.mean() / 2


def test_replica_words_appear_in_a_clear_minority_of_fakes(marketplace: Marketplace):
    """AAA, grade, replica and 1:1 keep their order; "copy" is rare; honest titles hold a few too."""
    titles = marketplace.listings["title"].str.lower()
    words = ("aaa", "grade", "replica", "1:1", "copy")
    shares = [titles[is_fake(marketplace)].str.contains(word, regex=False).mean() for word in words]
    assert 0.06 < shares[0] < 0.14
    assert shares[0] > shares[1] > shares[3]
    assert shares[0] > shares[2] > shares[3]
    assert shares[4] < 0.01
    worded = titles.str.contains("aaa|grade|replica|1:1")
    assert 0.15 < worded[is_fake(marketplace)].mean() < 0.35
    assert 0.001 < worded[~is_fake(marketplace)].mean() < 0.02


def test_a_third_of_the_listings_is_labelled_later_and_not_always_rightly(marketplace: Marketplace):
    """Labels come after the look, within the year; 30 to 40 % have one, fakes more often; a few are wrong."""
    labels = marketplace.listings[["is_counterfeit", "labelled_at", "observed_at"]].dropna()
    assert 0.30 < len(labels) / len(marketplace.listings) < 0.40
    assert (labels["labelled_at"] >= labels["observed_at"]).all()
    assert labels["labelled_at"].max() <= END_OF_YEAR
    assert (marketplace.listings["is_counterfeit"].isna() == marketplace.listings["labelled_at"].isna()).all()
    wrong = (labels["is_counterfeit"].astype(bool) != is_fake(marketplace)[labels.index]).mean()
    assert 0.001 < wrong < 0.03
    looked_at = marketplace.listings["is_counterfeit"].notna().groupby(is_fake(marketplace)).mean()
    assert looked_at[True] > 1.3 * looked_at[False]


def test_the_last_quarter_has_sellers_nobody_has_seen(marketplace: Marketplace):
    """A split by time leaves listings, and fakes, of new sellers."""
    listings = marketplace.listings
    is_late = listings["observed_at"] >= listings["observed_at"].quantile(0.75)
    is_new = is_late & ~listings["seller_id"].isin(listings["seller_id"][~is_late])
    assert is_new.sum() > 0.05 * is_late.sum()
    assert (is_new & is_fake(marketplace)).sum() > 0.2 * (is_late & is_fake(marketplace)).sum()


def test_the_sellers_of_a_network_share_pictures_and_hours(marketplace: Marketplace):
    """Half of a network's fakes show a picture that another of its sellers shows, and many begin in shared hours."""
    fakes = marketplace.listings.assign(network=marketplace.truth["network_id"])[is_fake(marketplace)]
    fakes = fakes.dropna(subset="network").assign(hour=fakes["listed_at"].dt.floor("h"))
    for shared in ("image_hash", "hour"):
        sellers = fakes.groupby(["network", shared])["seller_id"].transform("nunique")
        assert (sellers > 1).mean() > 0.4


def test_honest_sellers_sell_genuine_goods_some_of_them_cheaply(marketplace: Marketplace):
    """No authorised, bargain or lawful seller has a fake; bargains and lawful parts cost less than half of a shop's."""
    listings, brands, kinds = marketplace.listings, marketplace.brands, marketplace.truth["seller_kind"]
    authorised = {seller for brand in brands for seller in brand.authorised_sellers}
    assert authorised
    assert authorised <= set(listings["seller_id"])
    assert {"bargain", "lawful", "second-hand", "mixed", "counterfeiter"} <= set(kinds)
    is_honest = kinds.isin(["bargain", "lawful"]) | listings["seller_id"].isin(authorised)
    assert not is_fake(marketplace)[is_honest].any()
    worth = {brand.name: brands.to_base_currency(brand.reference_price, brand.currency) for brand in brands}
    ratio = listings["price"] * listings["currency"].map(brands.rates) / listings["brand"].map(worth)
    medians = ratio.groupby(kinds).median()
    assert medians["bargain"] < medians["shop"] / 2
    assert medians["lawful"] < medians["shop"] / 4


def test_written_files_say_what_the_marketplace_holds(tmp_path: Path):
    """Frames and brands come back as they were; writing into the same folder replaces the files by equal ones."""
    marketplace = simulate_marketplace(500)
    paths = marketplace.write(tmp_path / "new" / "folder")
    for path, frame in zip((paths[0], paths[1], paths[3]), ("listings", "events", "truth"), strict=True):
        pd.testing.assert_frame_equal(pd.read_parquet(path), getattr(marketplace, frame))
    assert load_brands(paths[2]) == marketplace.brands
    written = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in marketplace.write(tmp_path / "new" / "folder")] == written


def test_parameters_out_of_bounds_are_refused():
    """A wrong number is the caller's mistake and is named."""
    for wrong in ((10, 0, 0.5), (1_000, -1, 0.5), (1_000, 0, 1.5), (1_000, 0, float("nan"))):
        with pytest.raises(UnusableSetting, match="found"):
            simulate_marketplace(*wrong)


def test_small_marketplaces_are_whole():
    """From the smallest size on there are as many valid listings as asked for, others with every seed."""
    titles = []
    for n_listings, seed, difficulty in ((500, 1, 0.0), (777, 1, 1.0), (500, 2, 0.5)):
        marketplace = simulate_marketplace(n_listings, seed, difficulty)
        assert len(marketplace.listings) == len(marketplace.truth) == n_listings
        assert validate_listings(marketplace.listings).problems == ()
        assert is_fake(marketplace).sum() == round(0.07 * n_listings)
        titles.append(marketplace.listings["title"].head(500))
    assert (titles[0] == titles[2]).mean() < 0.05


SLOTS = {"brand", "model", "goods", "colour", "size", "code"}


def test_vocabularies_are_whole(subtests: pytest.Subtests):
    """No key that a voice or the goods use is missing; templates have no other slots, and titles name the brand."""
    for language in sorted({market.language for market in MARKETS}):
        with subtests.test(language):
            vocabulary = load_vocabulary(language)
            assert vocabulary.colours
            assert all(vocabulary.goods[goods.name] for goods in GOODS)
            for voice in VOICES.values():
                assert vocabulary.titles[voice.titles]
                assert all(vocabulary.sentences[key] for key, _ in voice.sentences)
            for pool in (*vocabulary.titles.values(), *vocabulary.sentences.values()):
                for template in pool:
                    assert {slot for _, slot, _, _ in Formatter().parse(template) if slot} <= SLOTS
            assert all("{brand}" in template for pool in vocabulary.titles.values() for template in pool)


def test_the_parts_of_a_kinds_voices_sum_to_one():
    """Every kind of seller speaks in some voice, always."""
    assert all(sum(parts) == pytest.approx(1.0) and len(parts) == len(VOICES) for parts in VOICES_OF_KIND.values())


def test_texts_have_no_empty_slots_and_no_double_spaces(marketplace: Marketplace):
    """Titles are trimmed, and nothing is left of a template."""
    titles = marketplace.listings["title"]
    assert not titles.str.contains("  |[{}]").any()
    assert (titles == titles.str.strip()).all()
    assert not marketplace.listings["description"].str.contains("[{}]").any()
