"""What is known of sellers survives in a file: each listing counts once, for one model, whole or not at all."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipml.errors import InvalidListings, UnreadableFile, UnwritableFile
from ipml.features.portfolio import SellerPortfolios
from ipml.listings.schema import check_listings
from ipml.listings.writers import RejectsFile, write_listings
from ipml.scoring.batch import file_scoring
from ipml.scoring.portfolio_store import PortfolioStore, TakenIn, read_store, start_store, update_store, write_store
from ipml.scoring.scorer import Scorer

BAD = "listing_id,seller_id,title,price,currency\n1,s,Bag,9.5,EUR\n2,s,Belt,9;5,EUR\n3,s,Wool hat,1.0,EUR\n"


@pytest.fixture(scope="module")
def nights(market) -> pd.DataFrame:
    """Checked listings of a few sellers, later than all that the model was trained on."""
    listings = check_listings(market.listings.tail(60)).reset_index(drop=True)
    moments = pd.date_range("2030-01-01", periods=60, freq="h", tz="UTC")
    return listings.assign(listed_at=moments, seller_id=[f"new-{number % 7}" for number in range(60)])


def content(store: PortfolioStore) -> tuple[str, list[int], dict[int, list[int]]]:
    """Return all that a store holds, the sellers in no order."""
    state = store.portfolios.__getstate__()
    sellers = dict(zip(state["keys"].tolist(), state["states"].tolist(), strict=True))
    return store.version, store.listings.tolist(), sellers


def take_all(scorer: Scorer, *parts: pd.DataFrame) -> PortfolioStore:
    """Return a store that has taken in some listings, a part after the other."""
    store = start_store(scorer)
    for part in parts:
        store.take_in(scorer, part)
    return store


@given(st.lists(st.lists(st.integers(0, 59), max_size=12), max_size=4))
def test_a_listing_counts_once_however_often_and_in_whatever_order_it_comes(scorer, nights, parts):
    """Repeats within a night and on later nights make no difference, nor do nights in another order."""
    store = take_all(scorer, *(nights.iloc[part] for part in parts))
    distinct = sorted({row for part in parts for row in part})
    assert content(store) == content(take_all(scorer, nights.iloc[distinct]))
    assert len(store.listings) == len(distinct)


def test_a_listing_that_comes_again_changed_counts_as_it_was(scorer, nights):
    """A seller who makes a listing harmless afterwards is not cleared by that."""
    changed = nights.assign(title="Wool hat")
    assert content(take_all(scorer, nights, changed)) == content(take_all(scorer, nights))


def test_a_store_knows_the_sellers_the_model_was_trained_on(scorer):
    """It begins with what the model remembers of them, and changes nothing of that."""
    store = start_store(scorer)
    assert len(store.portfolios) == len(scorer.classifier.portfolios_) > 0
    assert store.listings.size == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=30).filter(lambda version: "\0" not in version),
    st.dictionaries(st.integers(0, 2**64 - 1), st.tuples(*[st.integers(-(2**63), 2**63 - 1)] * 5), max_size=5),
    st.sets(st.integers(0, 2**64 - 1), max_size=5),
)
def test_what_is_written_is_read_back(tmp_path, version, sellers, listings):
    """Any version, any state of any seller, any listing."""
    portfolios = SellerPortfolios()
    portfolios.__setstate__(
        {
            "keys": np.array(list(sellers), dtype=np.uint64),
            "states": np.array(list(sellers.values()), dtype=np.int64).reshape(-1, 5),
        }
    )
    store = PortfolioStore(version, portfolios, np.array(sorted(listings), dtype=np.uint64))
    write_store(store, tmp_path / "store.npz")
    assert content(read_store(tmp_path / "store.npz", version)) == content(store)


def test_the_same_store_gives_the_same_bytes_without_ids(scorer, nights, tmp_path):
    """A copy can be told from a change; sellers and listings are kept as hashes."""
    for name in "ab":
        write_store(take_all(scorer, nights), tmp_path / name)
    written = (tmp_path / "a").read_bytes()
    assert written == (tmp_path / "b").read_bytes()
    assert not any(name.encode() in written for name in [*nights["seller_id"], *nights["listing_id"]])


def test_portfolios_of_another_model_are_refused(scorer, tmp_path):
    """Both models are named, and what to do."""
    write_store(start_store(scorer), tmp_path / "store.npz")
    with pytest.raises(UnreadableFile, match=r"by the model 'market/1'; expected some by 'market/2'"):
        read_store(tmp_path / "store.npz", "market/2")


class Touch:
    """What leaves a mark if it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def archive(**arrays: object) -> bytes:
    """Return an archive of arrays, of which some differ from those of an empty store."""
    empty = {"version": np.array("m/1"), "listings": np.empty(0, np.uint64), "keys": np.empty(0, np.uint64)}
    empty |= {"states": np.empty((0, 5), np.int64)}
    stream = io.BytesIO()
    np.savez(stream, **{name: array for name, array in (empty | arrays).items() if array is not None})
    return stream.getvalue()


def bytes_by(write: Callable[[io.BytesIO], object]) -> bytes:
    """Return what is written to a stream."""
    write(stream := io.BytesIO())
    return stream.getvalue()


def zip_of(name: str, text: bytes) -> bytes:
    """Return an archive with one entry."""
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as entries:
        entries.writestr(name, text)
    return stream.getvalue()


ONE_KEY = np.array([1], np.uint64)
NO_STORES = (
    *(b"", b"PK\x03\x04", b"listing_id,seller_id\n", bytes_by(lambda stream: np.save(stream, np.array([1, 2])))),
    *(archive()[:200], archive()[:-30], archive(states=None)),
    *(archive(version=np.array(7)), archive(version=np.array(["m/1"]))),
    *(archive(listings=np.array(numbers, np.uint64)) for numbers in ([3, 2], [1, 1], [[0]])),
    *(archive(listings=np.array([1.0, 2.0])), archive(keys=ONE_KEY)),
    archive(keys=ONE_KEY, states=np.zeros((1, 4), np.int64)),
    archive(keys=ONE_KEY, states=np.zeros((1, 5), np.int32)),
    *(zip_of("version.npy", b"no array"), zip_of("version", b"no array")),
)


def test_what_is_no_store_is_refused(tmp_path, subtests):
    """Cut off, of another kind or shape, out of order, missing: one line says what was expected."""
    path = tmp_path / "store.npz"
    with pytest.raises(UnreadableFile, match=r"store\.npz: found No such file"):
        read_store(path, "m/1")
    for number, written in enumerate(NO_STORES):
        path.write_bytes(written)
        with subtests.test(number), pytest.raises(UnreadableFile, match="a file that `ipml data portfolios` wrote"):
            read_store(path, "m/1")


def test_nothing_in_a_store_is_ever_run(tmp_path):
    """An object hidden in any of its arrays is refused before it is made."""
    hidden = np.array([Touch(tmp_path / "MARKER")], dtype=object)
    for name in ("version", "listings", "keys", "states"):
        (tmp_path / "store.npz").write_bytes(archive(**{name: hidden}))
        with pytest.raises(UnreadableFile):
            read_store(tmp_path / "store.npz", "m/1")
        assert not (tmp_path / "MARKER").exists()


def test_files_are_taken_in_one_after_the_other(scorer, nights, tmp_path, monkeypatch):
    """In chunks; the first makes the store, which holds the listings of all; what comes again is counted as known."""
    for name, part in {"first": nights[:40], "second": nights[20:]}.items():
        write_listings(part, tmp_path / f"{name}.parquet")
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 7)
    store, told = tmp_path / "store.npz", list[int]()
    assert update_store(scorer, tmp_path / "first.parquet", store, on_rows=told.append) == TakenIn(40, 0, 0)
    assert (len(told), told[-1]) == (6, 40)
    assert update_store(scorer, tmp_path / "second.parquet", store) == TakenIn(20, 20, 0)
    assert content(read_store(store, "market/1")) == content(take_all(scorer, nights))


def test_a_run_that_fails_leaves_the_store_as_it_was(scorer, nights, tmp_path, monkeypatch):
    """No part of anything stays behind; with a file for bad rows the good ones are taken in."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 1)
    store, shop = tmp_path / "store.npz", tmp_path / "shop.csv"
    write_store(take_all(scorer, nights), store)
    before = store.read_bytes()
    shop.write_text(BAD)
    with pytest.raises(InvalidListings):
        update_store(scorer, shop, store)
    assert store.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"shop.csv", "store.npz"}
    with RejectsFile(tmp_path / "rejects.csv") as rejects:
        assert update_store(scorer, shop, store, rejects=rejects) == TakenIn(2, 0, 1)


def test_where_a_store_cannot_be_written_nothing_is_scored(scorer, nights, tmp_path):
    """Better known before hours of work than after."""
    write_listings(nights, tmp_path / "nights.parquet")
    told: list[int] = []
    with pytest.raises(UnwritableFile):
        update_store(scorer, tmp_path / "nights.parquet", tmp_path / "no" / "store.npz", on_rows=told.append)
    assert told == []
