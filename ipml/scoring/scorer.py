"""Scorer: takes listings, returns calibrated probabilities with reasons."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.errors import UntrustedModel, first_line
from ipml.features.columns import ListingColumns
from ipml.features.goods import brand_table, listing_brands
from ipml.features.images import ImageVectors
from ipml.features.portfolio import EarlierOfEach, SellerPortfolios, listing_moment, listing_moments
from ipml.kit.scripts import name_script
from ipml.listings.brands import load_brands
from ipml.listings.schema import frame_to_listings, validate_record
from ipml.model.calibration import is_too_wide
from ipml.model.compiled_stage import HAS_NO_PLAIN_LETTERS, IS_UNFAMILIAR, StageScores
from ipml.model.familiarity import Familiarity, ListingSample
from ipml.model.labels import find_counterfeit_column
from ipml.model.model_file import load_by_settings
from ipml.model.online import CalibratedScore, OnlineClassifier
from ipml.model.pipeline import CounterfeitClassifier
from ipml.records import (
    NONE_EARLIER,
    EarlierListings,
    Listing,
    Problem,
    ScoredListing,
    Unlike,
)
from ipml.scoring.judgement import (
    CAUSES,
    HARDLY_READ,
    NO_LETTERS,
    NONE_UNREAD,
    TOO_UNCERTAIN,
    UNKNOWN_WORDS,
    UNMET,
    UNREAD,
    CalibratedScores,
    Explained,
    Unread,
)
from ipml.scoring.reasons import TITLE, Explainer
from ipml.settings import Settings, get_settings

SCORE_COLUMNS = ("score", "score_low", "score_high", "log_odds", "abstained", "warning", "model_version")
ORIGIN_COLUMNS = ("model_digest", "earlier_listings", "earlier_suspicion")
"""Inputs of a score besides the listing: the model file, and the seller's earlier listings."""

Floats = NDArray[np.float64]
_log = logging.getLogger(__name__)


_UNEXPLAINED = Explained()


class Scorer:
    """A loaded model that scores listings: one at a time, or a frame at once. Threads may share it.

    A score depends on the listing and on earlier listings of its seller, never on the others in the batch, so it is the
    same alone, in any batch and in any order. Portfolios of sellers are those that the model remembers from training,
    or those given. A service keeps its own portfolios, scores each listing as it arrives, and then adds it to them.

    Parameters
    ----------
    classifier : CounterfeitClassifier
        Fitted.
    version : str
        Name and version, part of every score: "ipml/3f2a9c…".
    most_width : float or None, default=None
        The model abstains if the 90 % interval of the probability is wider than this; by default never.
    digest : str or None, default=None
        SHA-256 of the model file, also part of every score.

    Raises
    ------
    UntrustedModel
        The label of counterfeits is unknown, so a high score might mean a genuine listing.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcdefgh"), "title": ["Wool hat", "AAA replica watch"] * 4})
    >>> scorer = Scorer(CounterfeitClassifier(n_folds=2).fit(listings, [0, 1] * 4), "example/1")
    >>> scored = scorer.score({"listing_id": "1", "seller_id": "s", "title": "AAA replica watch"})
    >>> round(scored.score, 1), next(reason.sentence for reason in scored.reasons if reason.feature == "words.replica")
    (0.9, 'Says it is a replica: “replica”')

    Listings that arrive one after another score as all of them do at once in the order of time:

    >>> offers = [("ann", "AAA replica watch"), ("bob", "Wool hat"), ("ann", "Wool hat"), ("ann", "Leather belt")]
    >>> moments = pd.date_range("2024-05-01", periods=4, freq="D", tz="UTC")
    >>> arrived = pd.DataFrame(offers, columns=["seller_id", "title"]).assign(listing_id="1", listed_at=moments)
    >>> portfolios, one_by_one = scorer.start_portfolios(), []
    >>> for row in range(len(arrived)):
    ...     listing = arrived.iloc[[row]]
    ...     one_by_one += scorer.score_frame(listing, portfolios)["score"].tolist()
    ...     scorer.take_in(listing, portfolios)
    >>> np.allclose(one_by_one, scorer.classifier.predict_proba(arrived)[:, 1], rtol=0, atol=1e-9)
    True
    """

    def __init__(
        self,
        classifier: CounterfeitClassifier,
        version: str,
        most_width: float | None = None,
        digest: str | None = None,
    ) -> None:
        self.classifier = classifier
        self.version = version
        self.most_width = most_width
        self.digest = digest
        self._prepare()

    def __reduce__(self) -> tuple[type[Scorer], tuple[CounterfeitClassifier, str, float | None, str | None]]:
        """Pickle the constructor's arguments only; derived values are computed again in the other process."""
        return type(self), (self.classifier, self.version, self.most_width, self.digest)

    def _prepare(self) -> None:
        """Check the classifier, and derive from it what scoring needs."""
        try:
            find_counterfeit_column(self.classifier)
        except ValueError as error:
            expected = "a model that knows which of its labels is that of counterfeits"
            raise UntrustedModel(self.version, first_line(error), expected, "Fit it again, with pos_label.") from error
        self._explainer = Explainer(self.classifier)
        self._currencies = {"", None}

    def score(
        self,
        listing: Listing | Mapping[str, Any],
        portfolios: SellerPortfolios | None = None,
        *,
        others: EarlierListings = NONE_EARLIER,
        explain: bool = True,
    ) -> ScoredListing:
        """Return one listing with its score, and why.

        Parameters
        ----------
        listing : Listing or mapping
            A mapping is checked against the schema first.
        portfolios : SellerPortfolios, optional
            Portfolios of sellers; by default those that the model remembers from training.
        others : EarlierListings, optional
            Other earlier listings of its seller.
        explain : bool, default=True
            Whether to give reasons and highlights.

        Raises
        ------
        InvalidListings
            The mapping breaks the rules of the schema; the error names every field at fault.
        """
        record = listing if isinstance(listing, Listing) else validate_record(listing)
        self._report_currencies((record.currency,))
        known = self.classifier.portfolios_ if portfolios is None else portfolios
        before = known.known(record.seller_id, listing_moment(record))
        earlier = EarlierListings(before.n + others.n, before.suspicion + others.suspicion)
        if not explain and (judged := self._calibrate_one(record, earlier)):
            return self._assemble_one(record, judged, _UNEXPLAINED, earlier, self._weigh_one(record, judged))
        columns = ListingColumns.of_one(record, self.classifier.reading)
        if explain:
            stage_scores, _ = self.classifier.first_stage.explain(columns)
            if judged := self._calibrate_one(record, earlier, stage_scores):
                (explained,) = self._explain(columns.with_readings(stage_scores.readings), [earlier])
                return self._assemble_one(record, judged, explained, earlier, self._weigh_one(record, judged))
        return self._assemble([record], self._calibrate(columns, known, [others], explain=explain), explain)[0]

    def score_records(
        self,
        listings: Sequence[Listing],
        portfolios: SellerPortfolios | None = None,
        sample: ListingSample | None = None,
        *,
        others: Sequence[EarlierListings] | None = None,
        explain: bool = False,
    ) -> list[ScoredListing]:
        """Return checked listings with their scores, some hundreds at once; as `score` and `explain_frame` do.

        Parameters
        ----------
        portfolios, sample
            As for `score_frame`.
        others : sequence of EarlierListings, optional
            As for `score`, of each listing.
        explain : bool, default=False
            Whether to give reasons and highlights.
        """
        columns = ListingColumns.of_records(listings, self.classifier.reading)
        return self._assemble(list(listings), self._calibrate(columns, portfolios, others, sample, explain), explain)

    def score_frame(
        self,
        listings: pd.DataFrame,
        portfolios: SellerPortfolios | None = None,
        sample: ListingSample | None = None,
    ) -> pd.DataFrame:
        """Return the columns of `SCORE_COLUMNS` and `ORIGIN_COLUMNS`, indexed as the listings are.

        Parameters
        ----------
        listings : DataFrame of shape (n_listings, …)
            Checked listings, as `ipml.listings.schema.check_listings` returns them.
        portfolios : SellerPortfolios, optional
            Portfolios of sellers; by default those that the model remembers from training.
        sample : ListingSample, optional
            Collects the listings, so that `find_unlike` can report how the batch differs from the training data.
        """
        judged = self._calibrate(ListingColumns(listings, self.classifier.reading), portfolios, sample=sample)
        return pd.DataFrame(
            {
                "score": judged.score,
                "score_low": judged.low,
                "score_high": judged.high,
                "log_odds": judged.log_odds,
                "abstained": judged.abstained(),
                "warning": judged.warned(),
                "model_version": pd.Series(self.version, index=listings.index, dtype="str"),
                "model_digest": pd.Series(self.digest, index=listings.index, dtype="str"),
                "earlier_listings": judged.known.n,
                "earlier_suspicion": judged.known.suspicion,
            },
            index=listings.index,
            copy=False,
        )

    def explain_frame(
        self,
        listings: pd.DataFrame,
        portfolios: SellerPortfolios | None = None,
        sample: ListingSample | None = None,
    ) -> list[ScoredListing]:
        """Return each listing of a checked frame with its score and reasons; for the few that people will read."""
        records = list(frame_to_listings(listings))
        columns = ListingColumns(listings, self.classifier.reading)
        judged = self._calibrate(columns, portfolios, sample=sample, explain=True)
        return self._assemble(records, judged, explain=True)

    @property
    def caveat(self) -> str:
        """Why the same listing may get another score later, in brackets; empty if it cannot."""
        return ""

    @property
    def reads_vectors(self) -> bool:
        """Whether the model was trained with vectors of pictures or texts."""
        return bool(self._vectors)

    @property
    def _vectors(self) -> list[ImageVectors]:
        return [of for of in self._explainer.extractors.values() if isinstance(of, ImageVectors)]

    def find_problems(self, listings: pd.DataFrame | Sequence[Listing]) -> list[Problem]:
        """Return a problem for each checked listing that this model cannot read: a vector of another length.

        Scoring raises InvalidListings for such listings; callers that separate bad rows check before.
        """
        if not self.reads_vectors:
            return []
        if isinstance(listings, pd.DataFrame):
            columns = ListingColumns(listings)
        else:
            columns = ListingColumns.of_records(listings)
        return [problem for vectors in self._vectors for problem in vectors.find_problems(columns)]

    @property
    def familiarity(self) -> Familiarity | None:
        """Statistics of usual listings; None in models of older releases."""
        return getattr(self.classifier, "familiarity_", None)

    def find_unlike(self, sample: ListingSample) -> tuple[Unlike, ...]:
        """Return how the listings of a sample differ from those of training.

        Empty if they do not differ, if there are fewer than 30, or if the model has no statistics.
        """
        return () if self.familiarity is None else self.familiarity.find_unlike(sample)

    def start_portfolios(self) -> SellerPortfolios:
        """Return new portfolios that begin with those that the model remembers from training."""
        return self.classifier.portfolios_.copy()

    def take_in(self, listings: pd.DataFrame | Listing, portfolios: SellerPortfolios) -> None:
        """Add scored listings to portfolios, so that they count for later listings of the same sellers.

        Parameters
        ----------
        listings : DataFrame of shape (n_listings, …), or Listing
            Checked. The order of additions makes no difference to the result.
        """
        columns = ListingColumns.of_one(listings) if isinstance(listings, Listing) else ListingColumns.of(listings)
        sellers = columns.names("seller_id").strings()
        portfolios.add(sellers, self.classifier.suspicion(columns), listing_moments(columns))

    def weigh(self, listings: pd.DataFrame) -> list[float | None]:
        """Return the weight of each listing of a checked frame in a portfolio: `ScoredListing.suspicion`."""
        columns = ListingColumns.of(listings)
        return self._weigh(columns, self.classifier.suspicion(columns))

    @cached_property
    def _online(self) -> OnlineClassifier:
        return OnlineClassifier(self.classifier)

    def _calibrate_one(
        self, listing: Listing, earlier: EarlierListings, stage_scores: StageScores | None = None
    ) -> CalibratedScore | None:
        """Return what the model says of one listing; None where `_calibrate` has to, as for those it abstains from."""
        if self.familiarity is not None and self.familiarity.is_unread(listing.title):
            return None
        judged = self._online.calibrate_with_bounds(listing, earlier.share, stage_scores)
        if judged and self.most_width is not None and judged.high - judged.low > self.most_width:
            return None
        return judged

    def _report_currencies(self, currencies: Iterable[str | None]) -> None:
        """Log each currency once in which no price can be compared; such a price counts as none."""
        for currency in currencies:
            if currency in self._currencies:
                continue
            self._currencies.add(currency)
            price = self._explainer.extractors.get("price")
            if currency and price is not None and not price.knows_currency(currency):
                told = "prices in %s count as none: found no rate and no price learnt; expected a rate in the brands"
                _log.warning(told, currency)

    def _calibrate(
        self,
        columns: ListingColumns,
        portfolios: SellerPortfolios | None,
        others: Sequence[EarlierListings] | None = None,
        sample: ListingSample | None = None,
        explain: bool = False,
    ) -> CalibratedScores:
        classifier, known = self.classifier, self._find_earlier(columns, portfolios, others)
        self._report_currencies(columns.names("currency").names)
        stage = classifier.first_stage
        stage_scores = stage.explain(columns)[0] if explain else stage.score(columns)
        columns = columns.with_readings(stage_scores.readings)
        unread = self._find_unread(columns, stage_scores)
        log_odds = classifier.second_stage_.log_odds(stage_scores.log_odds, known.shares)
        self._leave_out_titles(columns, unread, log_odds)
        score, low, high = classifier.calibrate_with_bounds(columns, log_odds)
        self._widen(columns, unread, log_odds, low, high)
        causes = self._abstain(columns, stage_scores, low, high, unread)
        alone = classifier.listing_calibration_.probability(stage_scores.log_odds)
        judged = CalibratedScores(columns, known, log_odds, score, low, high, alone, causes, unread)
        return self._conclude(judged, sample)

    def _find_earlier(
        self, columns: ListingColumns, portfolios: SellerPortfolios | None, others: Sequence[EarlierListings] | None
    ) -> EarlierOfEach:
        """Return what is known of the earlier listings of each seller; parameters as of `score_records`."""
        portfolios = self.classifier.portfolios_ if portfolios is None else portfolios
        known = portfolios.known_of_each(columns.raw("seller_id"), listing_moments(columns))
        return known if others is None else known.with_others(others)

    def _conclude(self, judged: CalibratedScores, sample: ListingSample | None) -> CalibratedScores:
        """Return what is judged without what the model abstains from, taken into a sample."""
        judged.leave_out()
        if sample is not None and self.familiarity is not None:
            brands = listing_brands(judged.columns, self.classifier.brand_table)
            self.familiarity.add_to_sample(judged.columns, brands, judged.score, sample)
        return judged

    def _find_too_wide(self, low: Floats, high: Floats) -> NDArray[np.int8]:
        """Return the number in `CAUSES` of listings with an interval wider than the operator wants, 0 for others."""
        causes = np.zeros(len(low), dtype=np.int8)
        if self.most_width is not None:
            causes[is_too_wide(low, high, self.most_width)] = CAUSES.index(TOO_UNCERTAIN)
        return causes

    def _find_unread(self, columns: ListingColumns, stage_scores: StageScores) -> Unread:
        """Return the listings with titles that cannot be read."""
        if self.familiarity is None or not self.familiarity.knows_scripts:
            return NONE_UNREAD
        scripts = self.familiarity.find_unread(columns)
        says, says_nothing = self._part_by_words(columns, np.array(list(scripts), dtype=np.intp))
        warnings = {row: HARDLY_READ.format(name_script(scripts[row])) for row in says}
        warnings |= {row: UNREAD.format(name_script(scripts[row])) for row in says_nothing}
        strange = np.flatnonzero(stage_scores.found & IS_UNFAMILIAR)
        _, unmet = self._part_by_words(columns, strange[~np.isin(strange, list(scripts))])
        names = self.familiarity.name_scripts(columns.raw("title").take(np.array(unmet, dtype=np.intp)))
        named = zip(unmet, map(name_script, names), strict=True)
        others = {row: UNMET.format(name) for row, name in named if name != "Latin"}
        return Unread(warnings | others, [*says_nothing, *others])

    def _part_by_words(self, columns: ListingColumns, rows: NDArray[np.intp]) -> tuple[list[int], list[int]]:
        """Return the rows of which the title has a word that is known, and those of which it has none."""
        if not len(rows):
            return [], []
        knows_a_word = self.classifier.spelling_.know_a_word(columns.cut(rows).folded("title"))
        return rows[knows_a_word].tolist(), rows[~knows_a_word].tolist()

    def _leave_out_titles(self, columns: ListingColumns, unread: Unread, log_odds: Floats) -> None:
        """Take out of log-odds what n-grams add of which none is known: some seem so by chance, as they are hashed."""
        if not unread.says_nothing:
            return
        rows = np.array(unread.says_nothing, dtype=np.intp)
        _, parts = self.classifier.first_stage.explain(columns.cut(rows))
        of_titles = parts[:, self._explainer.features_of(TITLE)].sum(axis=1)
        log_odds[rows] -= self.classifier.second_stage_.slope_ * of_titles

    def _widen(self, columns: ListingColumns, unread: Unread, log_odds: Floats, low: Floats, high: Floats) -> None:
        """Move the bounds of listings with unread titles as far as titles moved them in training."""
        if not unread.warnings or self.familiarity is None:
            return
        rows = np.array(list(unread.warnings), dtype=np.intp)
        cut = columns.cut(rows)
        for bound in self.familiarity.title_bounds_.tolist():
            _, moved_low, moved_high = self.classifier.calibrate_with_bounds(cut, log_odds[rows] + bound)
            low[rows], high[rows] = np.minimum(low[rows], moved_low), np.maximum(high[rows], moved_high)

    def _abstain(
        self, columns: ListingColumns, stage_scores: StageScores, low: Floats, high: Floats, unread: Unread
    ) -> NDArray[np.int8]:
        """Return the number in `CAUSES` of why each listing cannot be judged; 0 where it can.

        One known word is enough: a title must not fall silent by strange words that are added. A title in a script
        that was not learnt is no cause: all else that is known is judged, with wide bounds.
        """
        causes = self._find_too_wide(low, high)
        strange = np.flatnonzero(stage_scores.found & IS_UNFAMILIAR)
        _, silent = self._part_by_words(columns, strange[~np.isin(strange, list(unread.warnings))])
        causes[silent] = CAUSES.index(UNKNOWN_WORDS)
        bare = np.flatnonzero(stage_scores.found & HAS_NO_PLAIN_LETTERS)
        titles = columns.cut(bare).folded("title").strings() if len(bare) else []
        for row, title in zip(bare.tolist(), titles, strict=True):
            if not any(map(str.isalnum, title)):
                causes[row] = CAUSES.index(NO_LETTERS)
        return causes

    def _explain(
        self, columns: ListingColumns, earlier: list[EarlierListings], unread: Unread = NONE_UNREAD
    ) -> list[Explained]:
        base_rate, explained = self._explainer.base_rate, self._explainer.explain(columns, earlier, unread.says_nothing)
        ranges = self._explainer.extractors["price"].price_ranges(columns)
        return [
            Explained(said.reasons, said.highlights, prices, said.description_highlights, said.read_as, base_rate)
            for prices, said in zip(ranges, explained, strict=True)
        ]

    def _assemble(self, listings: list[Listing], judged: CalibratedScores, explain: bool) -> list[ScoredListing]:
        explained, earlier = [_UNEXPLAINED] * len(listings), judged.earlier()
        if explain and listings:
            explained = self._explain(judged.columns, earlier, judged.unread)
        numbers = zip(
            *(column.tolist() for column in (judged.log_odds, judged.score, judged.low, judged.high, judged.alone)),
            strict=True,
        )
        causes = [CAUSES[cause] for cause in judged.causes.tolist()]
        weights = self._weigh(judged.columns, judged.alone)
        rows = zip(listings, numbers, explained, earlier, causes, weights, strict=True)
        assembled = [
            self._assemble_one(listing, CalibratedScore(*of_listing), said, known, suspicion)
            if cause is None
            else self._assemble_silent(listing, cause, said, known, suspicion)
            for listing, of_listing, said, known, cause, suspicion in rows
        ]
        for row, warning in judged.unread.warnings.items():
            assembled[row] = replace(assembled[row], warning=warning)
        return assembled

    def _assemble_silent(
        self,
        listing: Listing,
        cause: str,
        explained: Explained,
        earlier: EarlierListings,
        suspicion: float | None,
    ) -> ScoredListing:
        silent = ScoredListing(listing, None, None, (), (), explained.price_range, self.version, cause)
        return replace(silent, **self._origin(earlier), suspicion=suspicion)

    def _assemble_one(
        self,
        listing: Listing,
        judged: CalibratedScore,
        explained: Explained,
        earlier: EarlierListings,
        suspicion: float | None,
    ) -> ScoredListing:
        return ScoredListing(
            listing=listing,
            score=judged.score,
            log_odds=judged.log_odds,
            reasons=explained.reasons,
            highlights=explained.highlights,
            price_range=explained.price_range,
            model_version=self.version,
            score_low=judged.low,
            score_high=judged.high,
            description_highlights=explained.description_highlights,
            read_as=explained.read_as,
            base_rate=explained.base_rate,
            suspicion=suspicion,
            **self._origin(earlier),
        )

    def _weigh(self, columns: ListingColumns, alone: Floats) -> list[float | None]:
        """Return the weight of each listing in the portfolio of its seller, by its own suspicion."""
        sellers = columns.names("seller_id").strings()
        return self.classifier.portfolios_.weigh_later(sellers, alone, listing_moments(columns))

    def _weigh_one(self, listing: Listing, judged: CalibratedScore) -> float | None:
        remembered = self.classifier.portfolios_
        return remembered.weigh_later_one(listing.seller_id, judged.alone, listing_moment(listing))

    def _origin(self, earlier: EarlierListings) -> dict[str, Any]:
        return {
            "model_digest": self.digest,
            "earlier_listings": float(earlier.n),
            "earlier_suspicion": earlier.suspicion,
        }


def load_model(
    source: str | Path | None = None, settings: Settings | None = None, *, allow_version_mismatch: bool = False
) -> Scorer:
    """Load a model for scoring, after checking that it is whole, unchanged and made of nothing but known parts.

    Parameters
    ----------
    source : str or Path, optional
        A model folder, or a name in the registry: "models:/ipml@champion", "models:/ipml/3"; by default the model of
        the settings (`IPML_MODEL`).
    settings : Settings, optional
        By default those of the environment.
    allow_version_mismatch : bool, default=False
        Load even if made with other versions of Python or of the libraries.

    Raises
    ------
    NotFound, UntrustedModel
        Nothing of the model has been run then.
    UnreadableFile, UnusableSetting
        `IPML_BRANDS` names no brand file. A model keeps the brands that it was trained with; a warning says so where
        the file names others.
    """
    settings = settings or get_settings()
    source = str(source or settings.model)
    if source.startswith("models:"):
        from ipml.model.tracking import resolve_model  # MLflow is loaded only for its registry

        source = str(resolve_model(source, settings.tracking, settings.trusted_models))
    loaded = load_by_settings(source, settings, allow_version_mismatch=allow_version_mismatch)
    if settings.brands and brand_table(load_brands(settings.brands)) != loaded.classifier.brand_table:
        told = "%s scores with the brands it was trained with, which are not those of IPML_BRANDS (%s): train it again"
        _log.warning(told, loaded.card.full_version, settings.brands)
    return make_scorer(loaded.classifier, loaded.card.full_version, settings.most_width, loaded.digest)


def make_scorer(classifier: Any, version: str, most_width: float | None = None, digest: str | None = None) -> Scorer:
    """Return what scores with a loaded classifier, ipml's own or an external one; parameters as of `Scorer`."""
    if isinstance(classifier, CounterfeitClassifier):
        return Scorer(classifier, version, most_width, digest)
    from ipml.scoring.external import ExternalScorer  # it is a scorer itself

    return ExternalScorer(classifier, version, most_width, digest)


def _load_pyfunc(path: str) -> Any:
    """Load a model for MLflow's scoring, such as `mlflow models serve`: it looks for a function of this name."""
    from ipml.model.tracking.flavor import FlavorModel

    return FlavorModel(load_model(path).score_frame)
