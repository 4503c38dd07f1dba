"""Portfolio store: a file of sellers' portfolios, kept from one night to the next.

The file is an .npz archive of plain arrays, read without pickle: the model's version, eight bytes for each listing
added, and the state of each seller. Ids of sellers and listings are stored as hashes only.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.errors import UnreadableFile
from ipml.features.compiled.texts import Texts, hash_texts
from ipml.features.portfolio import SellerPortfolios
from ipml.scoring.scorer import Scorer

if TYPE_CHECKING:
    from ipml.listings.maps.column_maps import ColumnMap
    from ipml.listings.writers import RejectsFile

Keys = NDArray[np.uint64]

_EXPECTED = "a file that `ipml data portfolios` wrote"
_KINDS = {"version": "U", "listings": "u", "keys": "u", "states": "i"}
_STATE_WIDTH = 5


@dataclass
class PortfolioStore:
    """Portfolios that one model made, and which listings are in them.

    Each listing counts once, as it was when it first came: taken in again, changed or not, it makes no difference. The
    listings that the model was trained on are in the portfolios from the start, but are not known by their ids: do not
    take them in.

    Attributes
    ----------
    version : str
        Version of the model, as `Scorer.version`; suspicion is comparable within one model only.
    portfolios : SellerPortfolios
        For `Scorer.score` and `Scorer.score_frame`.
    listings : array of uint64, sorted
        A hash of the id of each listing taken in; eight bytes a listing.

    Examples
    --------
    >>> from ipml.model.pipeline import CounterfeitClassifier
    >>> known = pd.DataFrame({"seller_id": list("abcdefgh"), "title": ["Wool hat", "AAA replica watch"] * 4})
    >>> scorer = Scorer(CounterfeitClassifier(n_folds=2).fit(known, [0, 1] * 4), "example/1")
    >>> store = start_store(scorer)
    >>> night = pd.DataFrame({"listing_id": ["1"], "seller_id": ["s"], "title": ["AAA replica watch"]})
    >>> store.take_in(scorer, night), store.take_in(scorer, night)
    (1, 0)
    """

    version: str
    portfolios: SellerPortfolios
    listings: Keys

    def take_in(self, scorer: Scorer, listings: pd.DataFrame) -> int:
        """Add the listings that are not in the portfolios yet, and return how many these were.

        Parameters
        ----------
        scorer : Scorer
            With the model of the store.
        listings : DataFrame of shape (n_listings, …)
            Checked.
        """
        keys, rows = np.unique(hash_texts(Texts.of(listings["listing_id"])), return_index=True)
        places = np.searchsorted(self.listings, keys)
        is_new = places == np.searchsorted(self.listings, keys, side="right")
        if is_new.any():
            scorer.take_in(listings.iloc[np.sort(rows[is_new])], self.portfolios)
            self.listings = np.insert(self.listings, places[is_new], keys[is_new])
        return int(is_new.sum())


@dataclass(frozen=True)
class TakenIn:
    """How many listings of a file were taken in, how many were in the store before, and how many rows were bad."""

    new: int
    known: int
    rejected: int


def start_store(scorer: Scorer) -> PortfolioStore:
    """Return a store that knows what the model remembers of the sellers it was trained on."""
    return PortfolioStore(scorer.version, scorer.start_portfolios(), np.empty(0, dtype=np.uint64))


def read_store(path: Path, version: str) -> PortfolioStore:
    """Read a store that belongs to a version of a model.

    Raises `UnreadableFile`: the file is missing, cut off, holds something else, or another model made it; nothing in it
    has been run.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _KINDS}
    except OSError as error:
        raise UnreadableFile(path, error.strerror or "no archive of arrays", _EXPECTED) from error
    except (ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise UnreadableFile(path, "no archive of the arrays expected", _EXPECTED) from error
    _check_arrays(arrays, path)
    if (made_by := str(arrays["version"])) != version:
        remedy = "Name that model with --model, or make a new file: ipml data portfolios LISTINGS --out FILE."
        expected = f"some by {version!r}, for models do not suspect alike"
        raise UnreadableFile(path, f"portfolios by the model {made_by[:120]!r}", expected, remedy)
    portfolios = SellerPortfolios()
    portfolios.__setstate__({name: arrays[name] for name in ("keys", "states")})
    return PortfolioStore(version, portfolios, arrays["listings"])


def write_store(store: PortfolioStore, path: Path) -> None:
    """Write a store; a file of that name is replaced once the new one is whole.

    Raises `UnwritableFile`: there is no such folder, or it cannot be written to.
    """
    from ipml.listings.writers import WholeFile

    with WholeFile(path) as partial:
        _write(store, partial)


def update_store(
    scorer: Scorer,
    source: Path,
    path: Path,
    *,
    columns: ColumnMap | None = None,
    rejects: RejectsFile | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
) -> TakenIn:
    """Take the listings of a file into a store, which is made if there is none.

    Parameters
    ----------
    source : Path
        CSV, Parquet or JSON lines.
    path : Path
        The store. It changes once all of the file has been taken in, so a run that failed can simply be repeated. One
        run at a time: of two, the later to end undoes the other.
    columns : ColumnMap, optional
        How the file's columns map to the canonical ones.
    rejects : RejectsFile, optional
        Where bad rows are kept; without it a bad row is an error.
    on_rows : function of int, optional
        Called with the number of rows done, for a progress display.

    Raises
    ------
    UnreadableFile, UnwritableFile, InvalidListings
        Nothing has been changed then.
    """
    from ipml.listings.writers import WholeFile
    from ipml.scoring.batch.file_scoring import read_good_chunks  # needs pyarrow, which services do without

    with WholeFile(path) as partial:
        store = read_store(path, scorer.version) if path.exists() else start_store(scorer)
        counts = TakenIn(0, 0, 0)
        for listings, n_bad in read_good_chunks(source, columns, rejects):
            new = store.take_in(scorer, listings)
            counts = TakenIn(counts.new + new, counts.known + len(listings) - new, counts.rejected + n_bad)
            on_rows(counts.new + counts.known + counts.rejected)
        _write(store, partial)
    return counts


def _write(store: PortfolioStore, path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, version=np.array(store.version), listings=store.listings, **store.portfolios.__getstate__())


def _check_arrays(arrays: dict[str, NDArray[np.generic]], path: Path) -> None:
    """Refuse arrays of other kinds or shapes than those that were written."""
    shapes = {
        "version": (),
        "listings": (arrays["listings"].size,),
        "keys": (arrays["keys"].size,),
        "states": (arrays["keys"].size, _STATE_WIDTH),
    }
    for name, shape in shapes.items():
        array = arrays[name]
        if (
            array.dtype.kind != _KINDS[name]
            or (name != "version" and array.dtype.itemsize != 8)
            or array.shape != shape
        ):
            raise UnreadableFile(path, f"{name} of type {array.dtype} and shape {array.shape}", _EXPECTED)
    if not (arrays["listings"][1:] > arrays["listings"][:-1]).all():  # type: ignore[operator]
        raise UnreadableFile(path, "listings out of order", _EXPECTED)
