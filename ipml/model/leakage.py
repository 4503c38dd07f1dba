"""What in a table of labelled listings gives the label away: columns, texts and moments that will not be there later.

A model that learns from such a column looks brilliant until it is used. The audit reads any table, before or after
its columns are mapped, and asks how well one column, or a few together, predict the label: across sellers, and across
listings drawn at random. Its limits are ours, set so that ordinary columns pass: on two real marketplaces no number or
category reached a third of the way from chance to perfection across sellers, and what did was the label in disguise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from ipml.errors import Refused
from ipml.features.normalisation import fold_text
from ipml.listings.seller_events import HISTORY_COLUMNS, history_as_of
from ipml.model.drift import Mean
from ipml.model.drift.drift import show_share
from ipml.model.evaluation.metrics import average_precision

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]

COARSE = {"max_leaf_nodes": 8, "min_samples_leaf": 10}  # learns what holds in general
FINE = {"max_leaf_nodes": 500, "min_samples_leaf": 2}  # learns single sellers by heart
PRIOR_LISTINGS = 5.0  # a value's share of counterfeits is drawn towards the overall one as by so many listings
TEXT_FEATURES = 1 << 16


@dataclass(frozen=True, slots=True)
class Folds:
    """The same listings parted twice: at random, and by seller.

    Attributes
    ----------
    random, by_seller : tuple of (train, test)
        Positions; `by_seller` is empty where there are no sellers, or too few.
    """

    random: tuple[Fold, ...]
    by_seller: tuple[Fold, ...]

    @classmethod
    def of(cls, y: Flags, sellers: NDArray[np.object_] | None, n_folds: int = 5, seed: int = 0) -> Folds:
        """Part the listings into `n_folds`, or as many as there are sellers of either kind, two at least."""
        per_class = min(int(y.sum()), int((~y).sum()))
        random = StratifiedKFold(min(n_folds, per_class), shuffle=True, random_state=seed).split(y, y)
        if sellers is None:
            return cls(tuple(random), ())
        usable = min(n_folds, *(len(set(sellers[is_kind])) for is_kind in (y, ~y)))
        if usable < 2:
            return cls(tuple(random), ())
        by_seller = StratifiedGroupKFold(usable, shuffle=True, random_state=seed).split(y, y, sellers)
        return cls(tuple(random), tuple(by_seller))


def predict_by(column: pd.Series[Any], y: Flags, folds: tuple[Fold, ...], *, fine: bool) -> float:
    """Return the average precision, mean over the folds, of a prediction from one column alone.

    Numbers and moments are split by a small tree, in which missing is a value of its own; words are looked up: the
    share of counterfeits among the listings with the same word.

    Examples
    --------
    >>> y = np.array([True, False] * 20)
    >>> folds = Folds.of(y, None).random
    >>> predict_by(pd.Series(np.where(y, 5.0, 1.0)), y, folds, fine=False)
    1.0
    """
    if is_word_column(column):
        codes = pd.factorize(column)[0] + 1
        return _mean_precision(y, (_look_up(codes, y, *fold) for fold in folds), folds)
    values = np.column_stack(_rank(as_numbers(column)))
    return _predict_by_tree(values, y, folds, FINE if fine else COARSE)


def predict_by_all(columns: pd.DataFrame, y: Flags, folds: tuple[Fold, ...]) -> float:
    """Return the average precision, mean over the folds, of a prediction that knows listings only by these values.

    It looks up the whole combination: what it finds in random folds and not across sellers is who sells.
    """
    codes = columns.groupby(list(columns.columns), dropna=False).ngroup().to_numpy()
    return _mean_precision(y, (_look_up(codes, y, *fold) for fold in folds), folds)


def predict_quickly(table: pd.DataFrame, y: Flags, folds: tuple[Fold, ...]) -> float:
    """Return the average precision, mean over the folds, of a linear model on all columns; quick rather than good."""
    values = csr_matrix(hstack([_encode(table[name]) for name in table.columns]))
    values = values[:, np.unique(values.indices)]  # of the hashed columns few occur
    scores = []
    for train, test in folds:
        learner = LogisticRegression(C=1.0, max_iter=200, tol=1e-3).fit(values[train], y[train])
        scores.append(learner.decision_function(values[test]))
    return _mean_precision(y, iter(scores), folds)


def is_word_column(column: pd.Series[Any]) -> bool:
    """Say whether a column holds words, not numbers or moments; numbers spelt out, as in CSV, are numbers.

    Examples
    --------
    >>> is_word_column(pd.Series(["1", "2.5", None])), is_word_column(pd.Series(["red", "1"]))
    (False, True)
    """
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return False
    known = column.dropna()
    return bool(pd.to_numeric(known, errors="coerce").isna().any())


def is_text_column(column: pd.Series[Any]) -> bool:
    """Say whether a column holds texts: words that hardly ever come twice, and several at a time.

    Examples
    --------
    >>> is_text_column(pd.Series(["red bag, new", "wool hat, grey"])), is_text_column(pd.Series(["a1", "a2"]))
    (True, False)
    """
    known = column.dropna()
    if known.empty or not is_word_column(column):
        return False
    texts = known.astype("str")
    return bool(known.nunique() > 0.5 * len(known) and texts.str.contains(" ", regex=False).mean() > 0.5)


def as_numbers(column: pd.Series[Any]) -> Floats:
    """Return a column of numbers, or of moments as days, as floats; NaN where missing."""
    if pd.api.types.is_datetime64_any_dtype(column):
        moments = pd.to_datetime(column, utc=True)
        return np.asarray((moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1), dtype=float)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _predict_by_tree(values: Floats, y: Flags, folds: tuple[Fold, ...], limits: dict[str, int]) -> float:
    scores = []
    for train, test in folds:
        tree = DecisionTreeClassifier(random_state=0, **limits).fit(values[train], y[train])
        scores.append(tree.predict_proba(values[test])[:, -1])
    return _mean_precision(y, iter(scores), folds)


def _look_up(codes: NDArray[Any], y: Flags, train: NDArray[np.intp], test: NDArray[np.intp]) -> Floats:
    size = int(codes.max()) + 1
    listings = np.bincount(codes[train], minlength=size)
    counterfeits = np.bincount(codes[train], y[train], minlength=size)
    shares = (counterfeits + PRIOR_LISTINGS * y[train].mean()) / (listings + PRIOR_LISTINGS)
    return np.asarray(shares[codes[test]])


def _mean_precision(y: Flags, scores: Iterator[Floats], folds: tuple[Fold, ...]) -> float:
    """Average over folds, for scores of different folds need not be on one scale."""
    parts = [average_precision(y[test], score) for (_, test), score in zip(folds, scores, strict=True) if y[test].any()]
    return float(np.mean(parts))


def _encode(column: pd.Series[Any]) -> csr_matrix:
    if is_text_column(column):
        return HashingVectorizer(n_features=TEXT_FEATURES).transform(column.astype("str").fillna("").tolist())
    if is_word_column(column):
        words = column.astype("str").fillna("").to_numpy(dtype=object)[:, np.newaxis]
        return csr_matrix(OneHotEncoder(min_frequency=3, handle_unknown="ignore").fit_transform(words))
    return csr_matrix(np.column_stack(_rank(as_numbers(column))))


def _rank(numbers: Floats) -> tuple[Floats, Floats]:
    """Return the rank of each number in 0-1, half where it is missing, and 1 where it is; any unit gives the same."""
    ranks = pd.Series(numbers).rank(method="dense").to_numpy()
    most = np.nanmax(ranks, initial=1.0)
    return np.nan_to_num(ranks / most, nan=0.5), np.isnan(numbers).astype(float)


Kind = Literal["outcome name", "too good", "one class", "names sellers", "damaged text", "copies", "moments", "split"]
KINDS = get_args(Kind)
MOST_LISTINGS = 20_000  # from which the checks learn that fit models; more would tell the same, later
MOST_OF_SELLER = 2_000  # of these, while others have any: one seller alone says nothing of the others
FEWEST_OF_KIND = 100  # of these, if there are so many: with fewer, no check says anything

TOO_GOOD = 0.5  # of the way from the share of counterfeits to an average precision of 1
MEMORY_GAP = 0.15  # average precision lost across sellers
MEMORY_SHARE = 2 / 3  # of what one column seemed to know beyond chance, lost across sellers
ONE_CLASS_SHARE = 0.05  # of the other class filled, where this class never is
COPIED_SHARE = 0.05  # of listings whose text another seller has too
DAMAGE_RATIO = 2.0
DAMAGE_CHANCE = 0.05  # few columns are tested, and damage is never worth learning from
ONE_CLASS_CHANCE = 0.01

_OUTCOMES = re.compile(
    r"^(?:fakes?|counterfeits?|infring\w*|fraud\w*|refund\w*|chargebacks?|ban|bans|banned|block|blocked|suspend\w*|"
    r"takedowns?|removed?|removal|deleted?|delisted?|decisions?|verdicts?|resolution|resolved|moderat\w*|rejected|"
    r"status|outcome|labell?e?d?|appeal\w*|confiscat\w*|seiz\w*|test_?purchase)$"
)
_DAMAGE = re.compile("\ufffd|[\u0080-\u009f]|[ÃÂ][\u0080-\u00bf]|â€|Ð[\u0080-\u00bf]")
_OURS = frozenset({"is_counterfeit", "labelled_at", "label_weight", "label_probability", "listing_id", "seller_id"})


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that gives the label away.

    Attributes
    ----------
    kind : str
        One of "outcome name", "too good", "one class", "names sellers", "damaged text", "copies", "moments", "split".
    column : str
        Where; several names in a row, or "" where the table as a whole is at fault.
    sentence : str
        What was found, and why it misleads.
    """

    kind: Kind
    column: str
    sentence: str


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """All that was found, and what could not be looked at."""

    n_listings: int
    n_counterfeit: int
    leaks: tuple[Leak, ...]
    notes: tuple[str, ...]


def audit_leakage(
    table: pd.DataFrame,
    y: ArrayLike,
    *,
    sellers: ArrayLike | None = None,
    listings: pd.DataFrame | None = None,
    events: pd.DataFrame | None = None,
    leave_out: Sequence[str] = (),
    seed: int = 0,
) -> LeakageReport:
    """Look for what gives the label away in a table of labelled listings.

    Parameters
    ----------
    table : DataFrame of shape (n_listings, …)
        Any columns, canonical or as a marketplace has them.
    y : array of shape (n_listings,)
        True or 1 where the listing is counterfeit; both kinds, ten of each at least.
    sellers : array of shape (n_listings,), optional
        Who offers each listing; the column `seller_id` of the table where none is given. Without sellers half of the
        checks are left out, and the report says so.
    listings : DataFrame of shape (n_listings, …), optional
        The same listings in canonical columns, whose moments and counts are checked; the table itself where none are
        given.
    events : DataFrame, optional
        Seller events, from which the history in `listings` is computed anew.
    leave_out : sequence of str
        Columns not to look at, such as the label and the ids.
    seed : int, default=0

    Raises
    ------
    Refused
        Lengths differ, or there are not ten listings of each kind.

    Examples
    --------
    >>> y = np.array([True, False] * 30)
    >>> table = pd.DataFrame({"price": range(60), "refunds": 3 * y, "seller_id": np.arange(60) // 2 * 2 + y})
    >>> for leak in audit_leakage(table, y).leaks:
    ...     print(leak.kind, "|", leak.sentence)
    outcome name | refunds: called like something that is known only once the listing was judged
    too good | refunds: alone it predicts the label of unseen sellers with average precision 1.00, where 0.50 is chance
    """
    truth = _check(table, y)
    if sellers is None and "seller_id" in table:
        sellers = table["seller_id"]
    ids = None if sellers is None else np.asarray(sellers, dtype=object)
    columns = _columns_to_audit(table, leave_out)
    leaks = [*_find_outcome_names(columns), *_find_one_class(columns, truth)]
    rows = _draw(ids, truth, seed)
    leaks += _learn(columns.iloc[rows], truth[rows], None if ids is None else ids[rows], leaks, seed)
    canonical = (table if listings is None else listings).reset_index(drop=True)
    leaks += _find_wrong_moments(canonical)
    if events is not None:
        leaks += _find_later_history(canonical, events)
    leaks.sort(key=lambda leak: KINDS.index(leak.kind))
    return LeakageReport(len(table), int(truth.sum()), tuple(leaks), tuple(_note(columns, truth, ids, len(rows))))


def _columns_to_audit(table: pd.DataFrame, leave_out: Sequence[str]) -> pd.DataFrame:
    """Return the columns in which listings differ; nested cells, as JSON may have them, as texts."""
    columns = table.drop(columns=[name for name in table if name in _OURS or name in leave_out])
    is_nested = columns.map(lambda cell: isinstance(cell, list | dict | np.ndarray)).any()
    nested = columns.columns[is_nested]
    columns[nested] = columns[nested].map(str)
    return columns.loc[:, columns.nunique(dropna=False) > 1].reset_index(drop=True)


def _draw(sellers: Any, y: Flags, seed: int) -> NDArray[np.intp]:
    """Return the positions of all listings, or of `MOST_LISTINGS`: those of sellers drawn at random.

    A large seller's listings are drawn from, and a kind that is rare is not left out.
    """
    order = np.random.default_rng(seed).permutation(len(y))
    if len(y) <= MOST_LISTINGS:
        return np.arange(len(y))
    turn = np.arange(len(y))
    if sellers is not None:
        codes, _ = pd.factorize(sellers[order])  # sellers numbered in the order in which they are drawn
        nth = pd.Series(codes).groupby(codes).cumcount().to_numpy()
        turn = np.where(nth < MOST_OF_SELLER, codes, len(y) + nth)
    for kind in (y[order], ~y[order]):
        turn[np.flatnonzero(kind)[:FEWEST_OF_KIND]] = -1
    return np.sort(order[np.argsort(turn, kind="stable")[:MOST_LISTINGS]])


def _learn(columns: pd.DataFrame, y: Flags, sellers: Any, known: list[Leak], seed: int) -> list[Leak]:
    """Look for what only predictions bring to light, column by column and then together."""
    folds = Folds.of(y, sellers, seed=seed)
    good = list(_find_too_good(columns, y, folds))
    if not folds.by_seller:
        return good
    innocent = columns.drop(columns=list({leak.column for leak in (*known, *good)}))
    return [
        *good,
        *_find_seller_names(innocent, y, sellers, folds),
        *_find_damage(innocent, y, sellers),
        *_find_copies(innocent, sellers),
        *_find_flattering_split(innocent, y, folds),
    ]


def _check(table: pd.DataFrame, y: ArrayLike) -> Flags:
    truth = np.asarray(y).astype(float)
    if truth.shape != (len(table),):
        raise Refused("Cannot compare", f"{truth.shape} labels for {len(table)} listings", "a label for each listing")
    if not np.isin(truth, (0.0, 1.0)).all() or min(truth.sum(), (1 - truth).sum()) < 10:
        raise Refused(
            "Cannot compare",
            f"{int((truth == 1).sum())} counterfeit and {int((truth == 0).sum())} genuine of {len(truth)} listings",
            "ten of each at least, and no other label",
        )
    return np.asarray(truth == 1, dtype=bool)


# Columns


def _find_outcome_names(columns: pd.DataFrame) -> Iterator[Leak]:
    for name in map(str, columns):
        words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
        if any(_OUTCOMES.match(word.lower()) for word in words):
            sentence = f"{name}: called like something that is known only once the listing was judged"
            yield Leak("outcome name", name, sentence)


def _find_too_good(columns: pd.DataFrame, y: Flags, folds: Folds) -> Iterator[Leak]:
    parted = folds.by_seller or folds.random
    whose = "unseen sellers" if folds.by_seller else "listings drawn at random"
    limit = y.mean() + TOO_GOOD * (1 - y.mean())
    for name in columns:
        if is_text_column(columns[name]):
            continue
        precision = predict_by(columns[name], y, parted, fine=False)
        if precision >= limit:
            sentence = f"{name}: alone it predicts the label of {whose} with average precision {precision:.2f}, where "
            yield Leak("too good", str(name), sentence + f"{y.mean():.2f} is chance")


def _find_one_class(columns: pd.DataFrame, y: Flags) -> Iterator[Leak]:
    """Find columns filled for one class only, where the other class is filled too often for that to be chance."""
    for name in columns:
        is_filled = columns[name].notna().to_numpy()
        for kind, mask, others in (("counterfeit", y, ~y), ("genuine", ~y, y)):
            share = is_filled[others].mean()
            chance = (1 - share) ** mask.sum()
            if not is_filled[mask].any() and share >= ONE_CLASS_SHARE and chance < ONE_CLASS_CHANCE:
                sentence = f"{name}: never filled for {kind} listings, and for {show_share(share)} of the others"
                yield Leak("one class", str(name), sentence)


def _find_seller_names(columns: pd.DataFrame, y: Flags, sellers: Any, folds: Folds) -> Iterator[Leak]:
    """Find columns, and then all that a seller's listings have in common together, that predict who sells."""
    shared = []
    for name in columns:
        if is_text_column(columns[name]):
            continue
        if columns[name].groupby(sellers).nunique(dropna=False).eq(1).mean() > 0.9 and _repeats(sellers):
            shared.append(name)
        seen, unseen = (predict_by(columns[name], y, part, fine=True) for part in (folds.random, folds.by_seller))
        if seen - unseen >= max(MEMORY_GAP, MEMORY_SHARE * (seen - y.mean())):
            yield Leak("names sellers", str(name), _say_memory(f"{name}: it predicts", seen, unseen))
    shared = [name for name in shared if columns[name].nunique() > 2]
    if len(shared) > 1:
        seen, unseen = (predict_by_all(columns[shared], y, part) for part in (folds.random, folds.by_seller))
        if seen - unseen >= MEMORY_GAP:
            names = ", ".join(map(str, shared))
            subject = f"{names}: the same in all listings of a seller; together they predict"
            yield Leak("names sellers", names, _say_memory(subject, seen, unseen))


def _say_memory(subject: str, seen: float, unseen: float) -> str:
    return (
        f"{subject} with average precision {seen:.2f} where sellers are on both sides, but {unseen:.2f} where they "
        "are not: it tells who sells, not what"
    )


def _repeats(sellers: Any) -> bool:
    """Say whether sellers have several listings at all, so that what they share can be seen."""
    return len(sellers) >= 1.5 * len(set(sellers))


# Texts


def _find_damage(columns: pd.DataFrame, y: Flags, sellers: Any) -> Iterator[Leak]:
    """Find texts damaged on their way into the file, more often for one class: the file was made from two sources."""
    codes = pd.factorize(sellers)[0]
    for name in columns:
        if not is_word_column(columns[name]):
            continue
        damaged = columns[name].astype("str").str.contains(_DAMAGE).fillna(False).to_numpy(dtype=float)
        fake, genuine = (Mean.of(np.asarray(damaged[mask]), codes[mask]) for mask in (y, ~y))
        error = np.hypot(fake.error, genuine.error)
        less, more = sorted((fake.value, genuine.value))
        if error > 0 and more >= DAMAGE_RATIO * less and 2 * stats.norm.sf((more - less) / error) < DAMAGE_CHANCE:
            sentence = (
                f"{name}: letters damaged in encoding (such as U+FFFD) in {show_share(fake.value)} of counterfeit and "
            )
            sentence += f"{show_share(genuine.value)} of genuine listings: it tells how the file was made"
            yield Leak("damaged text", str(name), sentence)


def _find_copies(columns: pd.DataFrame, sellers: Any) -> Iterator[Leak]:
    """Find texts that several sellers have, numbers and the order of words aside: no split by seller parts them."""
    for name in columns:
        if not is_text_column(columns[name]):
            continue
        keys = columns[name].astype("str").map(_text_key, na_action="ignore")
        keys = keys.where(keys.str.count(" ") >= 2)  # three words at least
        n_sellers = pd.Series(sellers).groupby(keys).transform("nunique")
        share = float((n_sellers > 1).mean())
        if share >= COPIED_SHARE:
            sentence = f"{name}: {show_share(share)} of the listings have a text that another seller has too, so that "
            yield Leak("copies", str(name), sentence + "a split by seller leaves copies on both sides")


def _text_key(text: str) -> str:
    """Return the words of a text, each once and in order, without numbers.

    Examples
    --------
    >>> _text_key("New: Bag no. 12, bag!")
    'bag new no'
    """
    return " ".join(sorted(set(re.findall(r"[^\W\d_]+", fold_text(text)))))


def _find_flattering_split(columns: pd.DataFrame, y: Flags, folds: Folds) -> Iterator[Leak]:
    if columns.empty:
        return
    seen, unseen = (predict_quickly(columns, y, part) for part in (folds.random, folds.by_seller))
    if seen - unseen >= MEMORY_GAP:
        sentence = (
            f"A random split flatters: a quick model reaches average precision {seen:.2f} on it, and {unseen:.2f} "
        )
        yield Leak("split", "", sentence + "across sellers; split by seller")


# Moments


_IMPOSSIBLE = (
    ("listing_sales", "seller_sales", "sold more than its seller"),
    ("listing_returns", "seller_returns", "came back more often than all goods of its seller"),
)


def _find_wrong_moments(listings: pd.DataFrame) -> Iterator[Leak]:
    """Find listings as they stood after their label, or after what their other columns say."""
    for later, earlier, what in (
        ("observed_at", "labelled_at", "observed after the label was known, and may show its consequences"),
        ("listed_at", "observed_at", "observed before they were listed"),
    ):
        count = int((listings[later] > listings[earlier]).sum()) if {later, earlier} <= {*listings} else 0
        if count:
            yield Leak("moments", later, f"{later}: {count:,} listings were {what}")
    for part, whole, what in _IMPOSSIBLE:
        count = int((listings[part] > listings[whole]).sum()) if {part, whole} <= {*listings} else 0
        if count:
            sentence = f"{whole}: in {count:,} rows a listing {what}: the two columns are of different moments"
            yield Leak("moments", whole, sentence)


def _find_later_history(listings: pd.DataFrame, events: pd.DataFrame) -> Iterator[Leak]:
    """Find history that counts more than was known when the listing was observed."""
    known = history_as_of(events, listings)
    for name in HISTORY_COLUMNS:
        if name not in listings or name in ("seller_rating", "seller_age_days"):
            continue
        count = int((listings[name] > known[name]).fillna(False).sum())
        if count:
            sentence = f"{name}: in {count:,} rows more than the events known by observed_at"
            yield Leak("moments", name, sentence)


def _note(columns: pd.DataFrame, y: Flags, sellers: Any, n_learnt: int) -> Iterator[str]:
    if sellers is None or min(len(set(sellers[y])), len(set(sellers[~y]))) < 2:
        yield (
            "No sellers, or one of a kind only: whether columns name sellers, texts are damaged or copied, or a random "
            "split flatters could not be seen."
        )
    if n_learnt < len(columns):
        yield f"Predictions were tried on {n_learnt:,} listings of sellers drawn at random."
    if not any(is_text_column(columns[name]) for name in columns):
        yield "No column of texts was found."
