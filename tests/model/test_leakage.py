"""What in a table of labelled listings gives the label away."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from ipml.errors import Refused
from ipml.listings.seller_events import history_as_of
from ipml.model.leakage import audit_leakage
from ipml.model.leakage.prediction import Folds, predict_from_column

pytestmark = pytest.mark.slow

N = 600
WORDS = ["".join(letters) for letters in product("abc", "eiou", "lmnr", "ao")]


@pytest.fixture
def y() -> np.ndarray:
    """Return labels: a fifth counterfeit, all listings of a seller alike."""
    return np.arange(N) // 10 % 5 == 0


@pytest.fixture
def table() -> pd.DataFrame:
    """Return listings of sixty sellers that say nothing of the label."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "shop": [f"shop-{number // 10}" for number in range(N)],
            "name": [" ".join(rng.choice(WORDS, 6)) + f" no {number}" for number in range(N)],
            "price": rng.lognormal(3, 1, N),
            "colour": rng.choice(["red", "blue", "green"], N),
        }
    )


def find(table: pd.DataFrame, y: np.ndarray, **options: object) -> list[tuple[str, str]]:
    """Return the kind and column of each leak."""
    report = audit_leakage(table, y, sellers=table["shop"], leave_out=["shop"], **options)
    return [(leak.kind, leak.column) for leak in report.leaks]


def test_an_innocent_table_has_no_leak(table, y):
    """Nor do lists, infinities, gaps or moments make one; an audit changes nothing, and half of it needs sellers."""
    before = table.copy()
    assert find(table, y) == []
    pd.testing.assert_frame_equal(table, before)
    assert audit_leakage(table.drop(columns="shop"), y).notes[0].startswith("No sellers")
    odd = table.assign(
        tags=[["new"], ["used", "old"]] * (N // 2),
        ratio=[np.inf, 1.0, -np.inf] * (N // 3),
        flag=pd.Series([True, None, False] * (N // 3), dtype="boolean"),
        day=pd.date_range("2026-01-01", periods=N, tz="UTC")[np.random.default_rng(0).permutation(N)],
        empty=np.nan,
    )
    assert find(odd, y) == []
    found = find(table.assign(listing_sales=5, seller_sales=np.arange(N) % 7 + 1), y)
    assert ("moments", "seller_sales") in found


def test_columns_that_name_or_predict_the_outcome_are_found(table, y):
    """Whole words however joined, returns being ordinary; a number, a gap, a word, or a word with some noise."""
    names = ["item_count_fake_returns7", "isBanned", "refunds", "moderation_note", "Status", "removed_at", "BLOCKED"]
    others = ["bandage", "item_count_returns7", "brand", "rating_1_count", "blocky", "urban"]
    found = find(table.assign(**dict.fromkeys([*names, *others], table["price"] % 7)), y)
    assert found == [("outcome name", name) for name in names]
    noise = np.random.default_rng(1).uniform(-1, 1, N)
    words = np.where(y, "x", "z")
    columns = {"number": 1.0 + 4 * y + noise, "gap": np.where(y, np.nan, noise), "word": words}
    columns["noisy"] = np.where(np.abs(noise) > 0.9, "z", words)
    assert {("too good", name) for name in columns} <= set(find(table.assign(**columns), y))


def test_what_tells_how_the_file_was_made_is_found(table, y):
    """A column filled and letters damaged for one class, if too often for chance, and texts of several sellers."""
    some = np.random.default_rng(1).random(N) < 0.1
    assert find(table.assign(extra=np.where(some & y, 1.0, np.nan)), y) == [("one class", "extra")]
    extra = pd.Series(np.nan, index=table.index)
    extra.iloc[np.flatnonzero(~y)[:5]] = 1.0
    assert find(table.assign(extra=extra), y) == []
    drawn = np.random.default_rng(1).random(N)
    of_one, of_both = (
        find(table.assign(name=table["name"].where(drawn >= share, table["name"] + " caf\ufffd")), y)
        for share in (np.where(y, 0.05, 0.5), 0.3)
    )
    assert ("damaged text", "name") in of_one
    assert of_both == []
    copies = [f"Warm {number} wool hat" if number % 2 else f"hat WOOL warm no. {number}" for number in range(N)]
    names = table["name"].where(np.arange(N) % 10 > 0, pd.Series(copies))
    assert ("copies", "name") in find(table.assign(name=names), y)


def test_columns_that_name_sellers_are_found(table, y):
    """A number or a range for each; values that sellers share name nobody, but together they flatter a random split."""
    seller, rng = np.arange(N) // 10, np.random.default_rng(3)
    order, country, kind = rng.permutation(60), rng.integers(0, 8, 60), rng.choice(["new", "used"], 60)
    number = order[seller] * 7919 % 10_007
    for column in (number, number + rng.random(N)):
        assert ("names sellers", "shop_number") in find(table.assign(shop_number=column), y)
    assert ("split", "") in find(table.assign(shop_word=table["shop"]), y)
    shared = {"level": order[seller] % 8, "trust": order[seller] // 8}
    assert {kind for kind, _ in find(table.assign(**shared), y)} == {"split"}
    assert find(table.assign(country=country[seller], kind=kind[seller]), y & (rng.random(N) < 0.7)) == []
    few = table.head(100).assign(country=seller[:100] % 8 // 3, kind=seller[:100] // 2 % 2)
    assert find(few, (few["country"] == 1) & (few["kind"] == 1)) == []


@pytest.mark.parametrize("seed", range(3))
def test_words_flags_and_pairs_that_know_the_label_are_found(table, y, seed):
    """However few of the counterfeits they mark; words of the trade, weak signs and marks of whole sellers are none."""
    rng = np.random.default_rng(seed)
    drawn, coin, number = rng.random(N), rng.random(N) < 0.5, 2 * rng.integers(0, 999, N)
    for words, kind in ((" [removed by moderator]", "too good"), (" under review", "one-sided")):
        is_meant = y if kind == "too good" else y & (drawn < 0.6)
        texts = table.assign(name=table["name"].where(~is_meant, table["name"] + words))
        leak = audit_leakage(texts, y, sellers=table["shop"], leave_out=["shop"]).leaks[0]
        assert (leak.kind, leak.column) == (kind, "name")
        assert all(word in leak.sentence for word in words.strip(" []").split())
    for columns, found in (
        ({"flag": y & (drawn < 0.3)}, "flag"),
        ({"flag": drawn < np.where(y, 0.5, 0.02)}, "flag"),
        ({"extra": np.where(drawn < np.where(y, 0.3, 0.005), drawn, np.nan)}, "extra"),
        ({"copy": y ^ (drawn < 0.1)}, "copy"),
        ({"one": coin, "two": coin ^ y}, "one, two"),
        ({"code": number + y}, "code (odd or even)"),
        ({f"sign{at}": y ^ (rng.random(N) < 0.3) for at in range(40)}, ""),
    ):
        leaks = find(table.assign(**columns), y)
        assert {kind for kind, column in leaks if column == found} & {"too good", "one-sided", "one class"}
    honest = {"name": table["name"].where(~y | (drawn > 0.5), table["name"] + " replica rolex"), "code": number // 3}
    honest["gtin"] = np.where(~y & (drawn < 0.4), drawn, np.nan)
    honest["brand"] = np.where(y & (drawn < 0.3), "Rolex", rng.choice(["Acme", "Nike"], N))
    honest |= {"weak": drawn < np.where(y, 0.4, 0.2), "shop_flag": rng.random(60)[np.arange(N) // 10] < 0.1}
    assert find(table.assign(**honest, flag=coin, make=rng.integers(0, np.where(y, 4, 10))), y) == []


@pytest.fixture(scope="module")
def labelled(market) -> pd.DataFrame:
    """Return some labelled listings of the small marketplace, without their long texts."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()]
    return labelled.drop(columns=["title", "description"]).head(500).reset_index(drop=True)


def find_moments(labelled: pd.DataFrame, **options: object) -> dict[str, str]:
    """Return what was found of moments, by column."""
    leaks = audit_leakage(labelled, labelled["is_counterfeit"].astype(bool), **options).leaks
    return {leak.column: leak.sentence for leak in leaks if leak.kind == "moments"}


def test_listings_and_history_of_after_the_label_are_found(labelled, market):
    """They may show its consequences; the simulator's own history was known, and is not suspected."""
    late = labelled.assign(observed_at=labelled["labelled_at"] + pd.Timedelta(days=1))
    sentence = find_moments(late)["observed_at"]
    assert sentence.startswith("observed_at: 500 listings were observed after the label was known")
    assert find_moments(labelled, events=market.events) == {}
    later = history_as_of(market.events, labelled.assign(observed_at=labelled["observed_at"] + pd.Timedelta(days=180)))
    found = find_moments(labelled.assign(seller_sales=later["seller_sales"]), events=market.events)
    assert "more than the events known by observed_at" in found["seller_sales"]
    observed = labelled["observed_at"]
    later = labelled.assign(checked_at=(observed + pd.Timedelta("1h")).astype(str), ends_at=observed)
    later["valid_until"] = later["auction_ends_on"] = observed + pd.Timedelta("30D")
    assert find_moments(later) == {
        "checked_at": "checked_at: 500 of 500 moments are after observed_at, when nobody could know them "
        "(rows 1, 2, 3, …)"
    }


def test_rows_that_cannot_be_right_are_numbered(labelled):
    """Opposite labels of one listing, labels of the future, labels from before the listing, and one seller of most."""
    early = labelled["listed_at"] - pd.Timedelta("1D")
    changes = {"labelled_at": labelled["labelled_at"].where(labelled.index != 6, early)}
    twice = pd.concat([labelled.assign(**changes), labelled.iloc[[3, 8]]], ignore_index=True)
    y = twice["is_counterfeit"].to_numpy(dtype=bool)
    y[500:] ^= True
    twice["seller_id"] = twice["seller_id"].where(twice.index % 3 == 1, "shop")
    sentences = {
        leak.sentence for leak in audit_leakage(twice, y, as_of=twice["labelled_at"].nlargest(3).iloc[2]).leaks
    }
    assert any("labels are of after" in sentence and "2 labels" in sentence for sentence in sentences)
    assert "4 rows have the opposite label of another row of the same listing (rows 4, 9, 501, …)" in sentences
    assert any(sentence.endswith("labelled before they were listed (row 7)") for sentence in sentences)
    assert any("of the listings are of one seller, shop" in sentence for sentence in sentences)


def test_labels_that_allow_no_audit_are_refused(table, y):
    """Ten of each at least; that sets unseen sellers apart; and trees ask only which number is larger."""
    for labels in ([1] * N, [0] * N, [0] * (N - 9) + [1] * 9, [0, 1], [2] * N):
        with pytest.raises(Refused, match="Cannot compare"):
            audit_leakage(table, labels)
    sellers = table["shop"].to_numpy(dtype=object)
    for train, test in Folds.of(y, sellers).by_seller:
        assert set(sellers[train]).isdisjoint(sellers[test])
    folds, price = Folds.of(y, None).random, table["price"] + 20 * y
    assert len({predict_from_column(price * unit, y, folds, fine=True).precision for unit in (1, 128)}) == 1


def test_on_the_ozon_sample_fake_returns_are_found(real_data):
    """They may be known only after the decision; nothing else is suspected."""
    table = pd.read_csv(real_data / "ozon_sample.csv")
    report = audit_leakage(table, table["resolution"], sellers=table["SellerID"], leave_out=["resolution", "SellerID"])
    assert [leak.column for leak in report.leaks] == [f"item_count_fake_returns{days}" for days in (7, 30, 90)]


def test_on_the_dark_net_goods_vendor_columns_and_damage_are_found(real_data):
    """Level and trust flatter a random split, though many vendors share them; U+FFFD shows how the file was made."""
    table = pd.read_csv(real_data / "darknet_goods_2017.csv")
    label, vendor = "counterfeit_goods", "vendor"
    report = audit_leakage(table, table[label], sellers=table[vendor], leave_out=[label, vendor])
    found = {(leak.kind, leak.column) for leak in report.leaks}
    assert {("split", "vendor_level, trust_level"), ("damaged text", "title"), ("split", "")} <= found
    assert {("too good", "category"), ("too good", "subcategory")} <= found


def test_of_very_many_listings_whole_sellers_are_drawn(table, y, monkeypatch):
    """The report says of how many; names and gaps are looked for in all of them."""
    monkeypatch.setattr("ipml.model.leakage.leakage.MOST_LISTINGS", 300)
    report = audit_leakage(table.assign(refunds=2 * y), y, sellers=table["shop"], leave_out=["shop"])
    assert report.n_listings == N
    assert "Predictions were tried on 300 listings of sellers drawn at random." in report.notes
    assert [leak.kind for leak in report.leaks] == ["outcome name", "too good"]


def test_one_large_seller_hides_nothing(monkeypatch):
    """However large sellers are and however rare a kind is, a full draw is looked at, and a perfect leak is found."""
    monkeypatch.setattr("ipml.model.leakage.leakage.MOST_LISTINGS", 400)
    monkeypatch.setattr("ipml.model.leakage.leakage.MOST_OF_SELLER", 40)
    for seed, rare in product(range(3), (0.1, 0.01)):
        rng = np.random.default_rng(seed)
        sellers = np.where(rng.random(3_000) < 0.3, "market", rng.integers(0, 500, 3_000).astype(str))
        y = rng.random(3_000) < rare
        report = audit_leakage(pd.DataFrame({"signal": 3 * y}), y, sellers=sellers, seed=seed)
        assert ("too good", "signal") in [(leak.kind, leak.column) for leak in report.leaks]
        assert "Predictions were tried on 400 listings of sellers drawn at random." in report.notes
