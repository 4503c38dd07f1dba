"""A simulated marketplace: its shape, sellers, and networks; the same seed makes the same one."""

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from string import Formatter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from support.reviewing import NOON, Make
from support.transactions import read_scalars

from ipml.errors import UnusableSetting
from ipml.features.compiled.folding import fold_text
from ipml.listings.brands import load_brands
from ipml.listings.fields import COLUMNS
from ipml.listings.schema import validate_listings
from ipml.listings.seller_events import history_as_of, validate_events
from ipml.review.arrivals.intake import enqueue
from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.simulation.attackers import choose_replica_phrases, craft_of, disguise_name, price_fakes
from ipml.simulation.drawings import draw_address, store_pictures
from ipml.simulation.listings import END_OF_YEAR, load_vocabulary
from ipml.simulation.marketplace import Marketplace, simulate_marketplace
from ipml.simulation.networks import simulate_networks
from ipml.simulation.offers import GOODS, VOICES, VOICES_OF_KIND, goods_of, models_of
from ipml.simulation.pictures import BANNERED, PLAIN, count_matches
from ipml.simulation.sellers import KIND_CODES, MARKETS, recruit_sellers
from ipml.storage.tables import pictures

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
    assert (digests[0], digests[0].count(b"\n")) == (digests[1], 4)


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


def test_the_sample_in_the_repository_is_what_its_command_writes(tmp_path: Path):
    """Cell by cell; the digests that its README names are those of its files."""
    sample = Path(__file__).parents[2] / "data" / "sample"
    readme = sample.with_name("README.md").read_text(encoding="utf-8")
    named = dict(re.findall(r"^\| `([\w.]+)` .* `(\w{64})` \|$", readme, re.MULTILINE))
    assert named == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sample.iterdir()}
    listings, seed = re.search(r"--listings (\d+) --seed (\d+)", readme).groups()
    for path in simulate_marketplace(int(listings), seed=int(seed)).write(tmp_path):
        if path.suffix == ".parquet":
            pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(sample / path.name))
        else:
            assert path.read_bytes() == (sample / path.name).read_bytes()


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
    """No key of a voice or the goods is missing, titles name the brand; and each kind of seller always has a voice."""
    assert all(sum(parts) == pytest.approx(1.0) and len(parts) == len(VOICES) for parts in VOICES_OF_KIND.values())
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


def test_texts_have_no_empty_slots_and_no_double_spaces(marketplace: Marketplace):
    """Titles are trimmed, and nothing is left of a template."""
    titles = marketplace.listings["title"]
    assert not titles.str.contains("  |[{}]").any()
    assert (titles == titles.str.strip()).all()
    assert not marketplace.listings["description"].str.contains("[{}]").any()


def test_listings_and_fakes_are_shared_out_to_the_last():
    """Portfolios sum to the listings, fakes to 7 % of them; only counterfeiters and mixed sellers have any."""
    for n_listings, seed in ((500, 0), (5_000, 1), (60_000, 2)):
        sellers = recruit_sellers(n_listings, craft_of(0.5), 0.5, np.random.default_rng(seed))
        assert sellers["n_listings"].sum() == n_listings
        assert sellers["n_fakes"].sum() == round(0.07 * n_listings)
        assert (sellers["n_fakes"] <= sellers["n_listings"]).all()
        kinds = set(sellers["kind"][sellers["n_fakes"] > 0])
        assert kinds <= {KIND_CODES["counterfeiter"], KIND_CODES["mixed"]}


def test_networks_have_at_least_three_counterfeiters_of_one_style():
    """A network is three or more sellers, all counterfeiters, who write alike and begin within days."""
    sellers = recruit_sellers(50_000, craft_of(0.5), 0.5, np.random.default_rng(0))
    networks = sellers[sellers["network"] >= 0].groupby("network")
    assert (networks.size() >= 3).all()
    assert (networks["style"].nunique() == 1).all()
    assert (networks["kind"].unique().str[0] == KIND_CODES["counterfeiter"]).all()
    assert (networks["active_day"].max() - networks["active_day"].min() <= 12).all()


def test_everyone_joins_before_he_sells_and_sells_before_he_leaves():
    """Days follow one another, and everybody sells for some of the year."""
    sellers = recruit_sellers(20_000, craft_of(0.5), 0.5, np.random.default_rng(0))
    assert (sellers["joined_day"] <= sellers["active_day"]).all()
    assert (sellers["active_day"] < sellers["left_day"]).all()
    assert (sellers["left_day"] > -365).all()
    assert (sellers["left_day"] <= 0).all()


def test_article_numbers_are_valid_and_name_no_real_article():
    """Each has its check digit and lies in 200-299, for use inside companies; every category has goods of its own."""
    categories = {brand.category for brand in load_brands()}
    assert {GOODS[goods_of(category)].name for category in categories} == categories
    gtins = [model.gtin for brand in load_brands() for model in models_of(brand.name)]
    assert len(set(gtins)) == len(gtins)
    for gtin in gtins:
        digits = [int(digit) for digit in gtin]
        assert (len(digits), digits[0]) == (13, 2)
        assert sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10 == 0


NAMES = [brand.name for brand in load_brands()]


@given(name=st.sampled_from(NAMES), way=st.floats(0, 1, exclude_max=True))
def test_a_disguised_name_is_never_written_as_it_is(name: str, way: float):
    """A search for the name as written finds nothing; up to a way, a reader sees the name, and the last is an alias."""
    disguised = disguise_name(name, way)
    assert name not in disguised
    if way < 0.449:
        assert fold_text(disguised) == fold_text(name)
    assert disguise_name("Nike", 0.95, ("Swoosh",)) == "Swoosh"


def test_imitation_gets_better_with_difficulty():
    """What fakes copy moves towards the genuine at every step, giveaways shrink; shares stay shares."""
    crafts = [asdict(craft_of(difficulty)) for difficulty in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for name in ("copied", "price_ratio", "aged_accounts", "active_days", "age_days", "numbered"):
        values = [craft[name] for craft in crafts]
        assert values == sorted(set(values)), name
        assert len(values) == 5
    for name in ("worded", "disguised", "luxury_discount"):
        values = [craft[name] for craft in crafts]
        assert values == sorted(values, reverse=True), name
    assert min(value for craft in crafts for value in craft.values()) >= 0
    shares = ("copied", "worded", "disguised", "aged_accounts", "numbered")
    assert max(craft[name] for craft in crafts for name in shares) <= 1


def test_at_difficulty_0_the_words_have_their_dark_net_shares():
    """Of the titles 25 % contain AAA, 20 % grade, 19 % replica, 14 % 1:1, under 1 % copy; at 1 there are none."""
    phrases = choose_replica_phrases(100_000, craft_of(0.0), np.random.default_rng(0))
    for word, share in {"AAA": 0.25, "grade": 0.20, "replica": 0.19, "1:1": 0.14, "copy": 0.005}.items():
        assert np.mean([word in phrase for phrase in phrases]) == pytest.approx(share, abs=0.005)
    assert set(choose_replica_phrases(10_000, craft_of(1.0), np.random.default_rng(0))) == {""}


def test_fakes_of_dear_brands_cost_a_smaller_part():
    """The dearer the genuine article, the lower the median ratio."""
    rng = np.random.default_rng(0)
    medians = [np.median(price_fakes(np.full(2_000, worth), craft_of(0.3), rng)) for worth in (50, 500, 5_000)]
    assert medians[0] > medians[1] > medians[2]


@pytest.fixture(scope="module")
def networked():
    """Three thousand sellers, five networks."""
    return simulate_networks(4, n_sellers=3_000, n_networks=5)


def test_each_network_has_one_source_and_a_distributor(networked):
    """Roles are told of members only; the same seed gives the same sellers, to the cell."""
    again = simulate_networks(4, n_sellers=3_000, n_networks=5)
    for name in ("attributes", "truth", "listings"):
        pd.testing.assert_frame_equal(getattr(networked, name), getattr(again, name))
    roles = networked.truth.groupby("network")["role"].value_counts().unstack(fill_value=0)
    assert (roles.loc[1:, "source"] == 1).all()
    assert (roles.loc[1:, "distributor"] >= 1).all()
    assert set(networked.truth.loc[networked.truth["network"] == 0, "role"]) == {""}


def test_strangers_share_too(networked):
    """Some values are had by many who are in no network, and firms are honest: in no network either."""
    honest = networked.truth.loc[networked.truth["network"] == 0, "seller_id"]
    rows = networked.attributes[networked.attributes["seller_id"].isin(honest)]
    assert rows.groupby(["kind", "value"])["seller_id"].nunique().max() > 100
    assert (networked.truth.loc[networked.truth["firm"] > 0, "network"] == 0).all()


def test_the_more_is_missing_the_less_is_seen_of_networks():
    """What members have is left out by the share asked for; sellers outside lose nothing."""
    full, half = (simulate_networks(4, n_sellers=3_000, n_networks=5, missing=share) for share in (0.0, 0.5))
    payouts = [
        one.attributes[one.attributes["kind"] == "payout"].merge(one.truth, on="seller_id") for one in (full, half)
    ]
    planted = [int((frame["network"] > 0).sum()) for frame in payouts]
    assert planted[1] < 0.7 * planted[0]


MATCHES = ["picture_counterfeit_matches", "picture_genuine_matches"]


def test_matches_count_what_was_decided_before_and_of_few_sellers():
    """As counting one by one does: no later decision, none of a picture that many sellers show, counts."""
    rng = np.random.default_rng(1)
    groups, days = rng.integers(0, 12, 900), rng.uniform(-300, 0, 900)
    decisions = pd.DataFrame({"seller": rng.integers(0, 60, 900), "is_counterfeit": rng.random(900) < 0.4})
    decisions["decided_day"] = days + rng.exponential(9, 900)
    decisions = decisions[rng.random(900) < 0.5]
    found = count_matches(groups, days, decisions).to_numpy().tolist()
    for group, day, counted in zip(groups, days, found, strict=True):
        known = decisions[(groups[decisions.index] == group) & (decisions["decided_day"] <= day)]
        n_fakes = int(known["is_counterfeit"].sum())
        tells = known["seller"].nunique() < 20 or 2 * n_fakes > len(known)
        assert counted == ([n_fakes, len(known) - n_fakes] if tells else [0, 0])


def test_pictures_change_nothing_else_and_tell_something_but_not_all(marketplace: Marketplace):
    """All other columns are the same to the bit; a match is more often on a fake, and most fakes have none."""
    pictured = simulate_marketplace(20_000, seed=0, has_pictures=True)
    assert not {*MATCHES, "image_urls"} & {*marketplace.listings}
    pd.testing.assert_frame_equal(pictured.listings[list(marketplace.listings)], marketplace.listings)
    is_fake, has_match = pictured.truth["is_counterfeit"], pictured.listings[MATCHES[0]] > 0
    assert 1.5 * has_match[~is_fake].mean() < has_match[is_fake].mean() < 0.4


def test_drawings_are_told_apart_and_known_again_under_a_banner(engine: Engine, make_scored: Make, tmp_path: Path):
    """Each number gives its own picture, the same each time; it is stored as if it had been fetched, once."""
    names = [
        f"https://pictures.example/{n:016x}-{n % len(GOODS)}-{way}.jpg" for way in (PLAIN, BANNERED) for n in range(14)
    ]
    assert [draw_address(name) for name in names] == [draw_address(name) for name in names]
    said = [make_scored(f"L{n}", seller_id=f"s{n}", image_urls=name) for n, name in enumerate(names)]
    enqueue(engine, [*said, make_scored("other", image_urls="https://a.example/1.jpg")], joins_alike=False, now=NOON)
    assert [store_pictures(engine, tmp_path, NOON) for _ in range(2)] == [28, 0]
    group_pictures(engine, tmp_path, HashIndex())
    groups = read_scalars(engine, select(pictures.c.group_id).order_by(pictures.c.case_id))
    assert (groups, len(set(groups))) == ([*groups[:14], *groups[:14], None], 15)
