"""Online scoring: the model that a service scores with, replaced by newer versions while requests go on.

A request takes the model once and keeps it to its end, so one model gives the whole answer. A newer model, from a
folder or from the registry, is loaded and checked beside the one in use and replaces it in one step; a refused one
changes nothing. Portfolios of sellers belong to one model and are loaded together with it.
"""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Any, ClassVar, Protocol

import pandas as pd

from ipml.errors import InvalidListings, IpmlError, UnreadableFile, UntrustedModel
from ipml.features.portfolio import SellerPortfolios
from ipml.listings.frames import as_frame
from ipml.listings.schema import check_listings, check_records, listings_to_frame, validate_record
from ipml.model.familiarity import FEW, ListingSample
from ipml.model.model_file.folder import MAX_BYTES, find_folder
from ipml.records import NONE_EARLIER, EarlierListings, Listing, ScoredListing, Unlike
from ipml.scoring.portfolio_store import read_store
from ipml.scoring.rescoring import portfolios_of
from ipml.scoring.scorer import Scorer, load_model
from ipml.settings import Settings, get_settings


class _ModelSource(Protocol):
    """Where models come from.

    Attributes
    ----------
    seconds : float
        How often it is looked at when scores are asked for: what a look costs is not to be felt in any of them.
    """

    seconds: ClassVar[float]

    def identify(self) -> object:
        """Return an identifier of the present model, without loading it."""

    def load(self, seen: Any, /) -> Scorer:
        """Load the model that was seen, after all checks."""


def _make_source(source: str, settings: Settings) -> _ModelSource:
    """Return where models come from.

    >>> from ipml.settings import DEFAULT_SETTINGS
    >>> _make_source("models/shoes", DEFAULT_SETTINGS).path
    PosixPath('models/shoes')
    """
    return _Registry(source, settings) if source.startswith("models:") else _Folder(Path(source), settings)


@dataclass(frozen=True)
class _Folder:
    seconds: ClassVar[float] = 0.5

    path: Path
    settings: Settings

    def identify(self) -> object:
        folder = find_folder(self.path)
        files = [folder / name for name in MAX_BYTES if (folder / name).exists()]
        # The folder's own time as well: what has to go before a model is trusted may be a foreign file.
        return folder.stat().st_mtime_ns, list(map(_tell_apart, files))

    def load(self, _seen: object) -> Scorer:
        return load_model(self.path, self.settings)


@dataclass(frozen=True)
class _Registry:
    seconds: ClassVar[float] = 30.0

    uri: str
    settings: Settings

    def identify(self) -> object:
        from ipml.model.tracking import find_model  # MLflow is loaded only for its registry

        return find_model(self.uri, self.settings.tracking)

    def load(self, seen: Any) -> Scorer:
        from ipml.model.tracking import resolve_model

        # By its number: the alias may have moved since it was looked at.
        folder = resolve_model(seen.uri, self.settings.tracking, self.settings.trusted_models)
        try:
            return load_model(folder, self.settings)
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # a service would fill the disk with one copy after another


def _tell_apart(path: Path) -> object:
    """Return an identifier of a file's present content, without reading it; None for no file.

    >>> _tell_apart(Path("no/such/file")) is None
    True
    """
    try:
        facts = path.stat()
    except OSError:
        return None
    return path.name, facts.st_ino, facts.st_size, facts.st_mtime_ns


# The files are at fault, so that it is of no use to load them again until something of them changes.
_REFUSALS = (UntrustedModel, UnreadableFile)
_MOST_ALONE = (
    12  # so many are scored as quickly one by one as together, and are too few to tell in what they are unlike
)
_WARM_UP = Listing("warm-up", "warm-up", "Leather bag", description="Worn twice.", price=40.0, currency="EUR")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelInUse:
    """One loaded model; nothing of it changes.

    Attributes
    ----------
    portfolios : SellerPortfolios or None
        Portfolios of sellers; without a store, those that the model remembers from training.
    loaded_at : datetime
        Since when it is here.
    """

    scorer: Scorer
    portfolios: SellerPortfolios | None = None
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def version(self) -> str:
        """Name and version, as every score carries them."""
        return self.scorer.version

    def score_many(self, listings: Sequence[Mapping[str, Any]], explain: bool = False) -> list[ScoredListing]:
        """Check and score listings, in their order.

        Parameters
        ----------
        listings : sequence of mapping
            As `ipml.listings.schema.validate_record` takes them.
        explain : bool, default=False
            Whether to give reasons, highlights and the price range.

        Raises
        ------
        InvalidListings
            Some break the rules of the schema; all are named, with rows counted from 1.
        """
        return self.score_batch(listings, explain)[0]

    def score_batch(
        self, listings: Sequence[Mapping[str, Any]], explain: bool = False
    ) -> tuple[list[ScoredListing], tuple[Unlike, ...]]:
        """Return what `score_many` does, and in what the listings are unlike those the model was trained on."""
        return self.score_records(self.check(listings), explain)

    def check(self, listings: Sequence[Mapping[str, Any]]) -> list[Listing]:
        """Return listings as records; InvalidListings, as for `score_many`, where some break the rules."""
        return check_records(listings)

    def score_records(
        self, records: Sequence[Listing], explain: bool = False, others: Sequence[EarlierListings] | None = None
    ) -> tuple[list[ScoredListing], tuple[Unlike, ...]]:
        """Return what `score_batch` does, of listings that were checked.

        Parameters
        ----------
        others : sequence of EarlierListings, optional
            Earlier listings of each seller besides those in the model and the portfolios.
        """
        if problems := self.scorer.find_problems(records):
            raise InvalidListings(problems)
        if len(records) <= _MOST_ALONE and (not explain or len(records) < 2):
            pairs = zip(records, others or [NONE_EARLIER] * len(records), strict=True)
            return [self.scorer.score(one, self.portfolios, others=known, explain=explain) for one, known in pairs], ()
        sample = ListingSample() if len(records) >= FEW else None  # of fewer nothing is said
        scored = self.scorer.score_records(records, self.portfolios, sample, others=others, explain=explain)
        return scored, () if sample is None else self.scorer.find_unlike(sample)

    def explain_again(self, scored: ScoredListing) -> ScoredListing:
        """Return a listing that this model has scored, with reasons, by what was known of its seller then."""
        return self.scorer.score(scored.listing, portfolios_of(scored))


class ServedModel:
    """A model that is looked for anew, and replaced as a whole. Threads may share it.

    Parameters
    ----------
    source : str or Path
        As `ipml.scoring.scorer.load_model` takes it.
    settings : Settings
        Name the registry, and how to load a model.
    portfolios : Path, optional
        Portfolios as `ipml data portfolios` wrote them with that model. The file is only read, and again once the
        file has changed. No model is put in use but the one that it belongs to.

    Attributes
    ----------
    n_reloads, n_failures : int
        How often a model took its place, the first one not counted, and how often one could not be loaded.
    failure : str or None
        Why the last look brought no model, or None where all is well.

    Examples
    --------
    >>> from ipml.settings import DEFAULT_SETTINGS
    >>> model = ServedModel("no/such/folder", DEFAULT_SETTINGS)
    >>> model.refresh(), model.current(), model.n_failures
    (False, None, 1)
    """

    def __init__(self, source: str | Path, settings: Settings, portfolios: Path | None = None) -> None:
        self.source = source = str(source)
        self.n_reloads = self.n_failures = 0
        self.failure: str | None = None
        self._source = _make_source(source, settings)
        self._portfolios = portfolios
        self._current: ModelInUse | None = None
        self._loaded: object = None
        self._refused: object = None
        self._refreshing = Lock()
        self._next_look = -math.inf

    def current(self) -> ModelInUse | None:
        """Return the model in use, or None where none could be loaded yet; take it once for all of a request."""
        return self._current

    def take(self) -> ModelInUse:
        """Return the model in use, after putting a newer one in its place where there is one.

        For callers that nothing watches for. A folder is looked at twice a second at most, the registry twice a minute.
        While one thread loads, the others go on with the model in use; so do all where the newer one cannot be loaded,
        which is logged.

        Raises `IpmlError`: no model is in use yet, and none can be loaded.
        """
        in_use = self._current
        if in_use is None:
            self._refreshing.acquire()
        elif monotonic() < self._next_look or not self._refreshing.acquire(blocking=False):
            return in_use
        try:
            self._refresh(is_forced=self._current is None)
        except Exception as error:
            if self._current is None:
                raise
            self._note(_describe(error))
        finally:
            self._next_look = monotonic() + self._source.seconds
            self._refreshing.release()
        assert self._current is not None
        return self._current

    def refresh(self, *, is_forced: bool = False) -> bool:
        """Look for another model, load and check it, and put it in use; return whether that was done.

        An error is counted, stored in `failure` and logged in one line; the model in use stays.

        Parameters
        ----------
        is_forced : bool, default=False
            Load what is there even if nothing of it has changed.
        """
        with self._refreshing:
            try:
                return self._refresh(is_forced)
            except Exception as error:  # whatever a broken model raises must not end the service
                self._note(_describe(error))
                return False

    def _refresh(self, is_forced: bool) -> bool:
        seen = self._source.identify(), None if self._portfolios is None else _tell_apart(self._portfolios)
        if seen == self._refused and not is_forced:
            return False
        if seen == self._loaded and not is_forced:
            self._refused = self.failure = None
            return False
        try:
            loaded = self._load(seen[0])
        except _REFUSALS:
            self._refused = seen
            raise
        self._loaded, self._refused, self.failure = seen, None, None
        before, self._current = self._current, loaded
        if before is None or before is loaded:
            return before is None
        if before.version == loaded.version:
            _log.info("scoring by %s with newer portfolios", loaded.version)
            return True
        self.n_reloads += 1
        _log.info("scoring by %s from now on, no longer by %s", loaded.version, before.version)
        return True

    def _load(self, seen: object) -> ModelInUse:
        """Load the model, and what is known of sellers; where nothing is another, what is in use stays."""
        scorer = self._source.load(seen)
        kept = self._current
        is_kept = kept is not None and kept.version == scorer.version
        if kept is not None and is_kept:
            scorer = kept.scorer  # of which nothing has to be built anew
        if self._portfolios is None:
            return kept if kept is not None and is_kept else _warm(ModelInUse(scorer))
        return _warm(ModelInUse(scorer, read_store(self._portfolios, scorer.version).portfolios))

    def _note(self, failure: str) -> None:
        self.n_failures += 1
        if failure != self.failure:
            kept = f"scoring by {self._current.version} as before" if self._current else "no model to score with"
            _log.warning("model not loaded, %s: %s", kept, failure)
        self.failure = failure


def _describe(error: Exception) -> str:
    return str(error)[:1_000] if isinstance(error, IpmlError) else repr(error)[:200]


def _warm(model: ModelInUse) -> ModelInUse:
    """Score once in each way, so that whatever is built at first use is there before the first request."""
    for explain in (False, True):
        model.scorer.score(_WARM_UP, model.portfolios, explain=explain)
    model.scorer.score_records([_WARM_UP, _WARM_UP], model.portfolios, explain=True)
    return model


class Watch:
    """A thread that refreshes a model at intervals, and at once where it is asked to.

    `ask` may be called by a signal handler.
    """

    def __init__(self, model: ServedModel, seconds: float) -> None:
        self._model, self._seconds = model, seconds
        self._asked: SimpleQueue[bool] = SimpleQueue()  # its put, unlike an Event's set, may interrupt itself
        self._thread = Thread(target=self._run, name="model watch", daemon=True)

    def ask(self) -> None:
        """Have the model loaded anew now, by the thread."""
        self._asked.put(True)

    def _run(self) -> None:
        while True:
            try:
                goes_on = self._asked.get(timeout=self._seconds or None)
            except Empty:
                self._model.refresh()
                continue
            if not goes_on:
                return
            self._model.refresh(is_forced=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def end(self) -> None:
        """Have the thread end; a model that it is loading is not waited for."""
        self._asked.put(False)


@contextmanager
def watching(model: ServedModel, seconds: float) -> Iterator[Watch]:
    """Keep a model fresh within a block."""
    watch = Watch(model, seconds)
    watch.start()
    try:
        yield watch
    finally:
        watch.end()


def score_listings(
    listings: pd.DataFrame | Iterable[Listing | Mapping[str, Any]], model: Scorer | str | Path | None = None
) -> list[ScoredListing]:
    """Score listings and say why, in their order.

    A model that is named stays loaded. A folder that was replaced is noticed within a second, another champion in the
    registry within a minute; all of an answer is by one model.

    Parameters
    ----------
    listings : DataFrame, or iterable of Listing or mapping
        A frame, of polars or pyarrow, too, has the canonical columns. All are checked against the schema first.
    model : Scorer, str or Path, optional
        A loaded model, or what `load_model` takes; the settings are those of the environment.

    Raises
    ------
    InvalidListings
        Some listing breaks the rules of the schema; all problems are named.
    """
    scorer = model if isinstance(model, Scorer) else _served(model and str(model)).take().scorer
    listings = as_frame(listings)
    if not isinstance(listings, pd.DataFrame):
        listings = listings_to_frame(item if isinstance(item, Listing) else validate_record(item) for item in listings)
    return scorer.explain_frame(check_listings(listings)) if len(listings) else []


@lru_cache(maxsize=4)
def _served(source: str | None) -> ServedModel:
    settings = get_settings()
    return ServedModel(source or settings.model, settings)
