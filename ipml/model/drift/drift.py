"""Drift: what has changed since a model was made, in listings, scores, brands and labels.

A check alarms only if its change is both large and beyond chance:

* *Large.* With many listings every difference is beyond chance, so the size decides. For columns it is the population
  stability index, above 0.1 worth watching and above 0.25 an alarm (Siddiqi, Credit Risk Scorecards, 2006), less what
  chance alone adds to it, (bins - 1)(1/n + 1/m) (Yurdakul and Naranjo, Journal of Risk Model Validation 14(4), 2020).
  That index hardly moves when counterfeits double from 5 % to 10 % of all listings, so mean score, label rate and the
  like are compared as ratios: a quarter more or fewer is worth watching, half as many again an alarm, because the work
  of reviewers grows by as much.
* *Beyond chance.* Listings of one seller are alike, so shares are compared by chi-squared with a design effect (Rao and
  Scott, Annals of Statistics 12, 1984) and means by the t law. The share of missing values is also compared alone,
  because it is lost among many bins. Errors are those without a change: the spread of the values and their likeness
  within sellers come from both files together, that is from the reference, and the listings per seller from the later
  file. The later file's own error counts only where it is larger, since it is next to nothing where the file happens to
  hold no counterfeit. The degrees of freedom are effective sellers less one; with fewer than five nothing is compared.
  The chance that a report without any change alarms is 5 %, so twelve monthly reports give less than one false alarm:
  half of it is shared by the checks of scores, labels and the price level, which are few and matter most, half by the
  columns (Bonferroni).

A report is also written as a self-contained page, for a mail or a wiki.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ipml.kit.hostile_text import escape
from ipml.kit.report_page import write_report_page
from ipml.model.drift.reference import (
    WORD_COLUMNS,
    ColumnReference,
    CountedListings,
    DriftReference,
    Floats,
    LabelReference,
    Mean,
    align_extra,
    find_alike,
    watched_columns,
)

Alarm = Literal["none", "watch", "alarm"]
ALARMS: tuple[Alarm, ...] = ("none", "watch", "alarm")

CHANCE = 0.05  # that a report without any change alarms
PSI_LIMITS = (0.1, 0.25)
RATIO_LIMITS = (1.25, 1.5)
NEW_WORD_LIMITS = (0.01, 0.05)  # share of listings
RARE = 0.01  # words in a smaller share of listings are compared together
FEWEST_EXPECTED = 5.0  # independent listings in a bin, or it is joined with others
FEWEST_EXPECTED_PARTED = 2.5  # where values are only parted into missing and known
FEWEST_EFFECTIVE = 5.0  # sellers of like size; with fewer nothing is compared
FEWEST_OF_KIND = 10.0  # of these with counterfeits, and with genuine listings, to compare their order
FEWEST_OF_CURRENCY = 15.0  # of these with prices in it, which are spread widely
SELECTIVE_RATIO = 1.5
FEW_LISTINGS = 100


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """One comparison.

    Attributes
    ----------
    subject : str
        A column, "mean score", "label rate", "calibration", "separation", "price level" or "price level in" a currency.
    measure : str
        Unit of `effect`: "PSI", "ratio" or "new share".
    effect : float
        Size of the change.
    p_value : float
        Probability of as large a change by chance.
    alarm : str
        "none", "watch" or "alarm".
    sentence : str
        The change in words.
    """

    subject: str
    measure: str
    effect: float
    p_value: float
    alarm: Alarm
    sentence: str


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All comparisons, the worst first, and warnings on their interpretation."""

    n_listings: int
    n_effective: float
    checks: tuple[DriftCheck, ...]
    warnings: tuple[str, ...]

    @property
    def alarm(self) -> Alarm:
        """The worst of all checks."""
        return ALARMS[max((ALARMS.index(check.alarm) for check in self.checks), default=0)]

    @property
    def verdict(self) -> str:
        """The alarm in words, or that there are too few sellers."""
        return self.alarm if self.checks else "too few sellers to compare"

    def to_json(self) -> str:
        """Return the report as JSON; a ratio to nothing is null."""
        report = {"alarm": self.alarm, **asdict(self)}
        for check in report["checks"]:
            check["effect"] = check["effect"] if np.isfinite(check["effect"]) else None
        return json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def measure_drift(
    reference: DriftReference,
    listings: pd.DataFrame,
    score: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    price_ratio: ArrayLike | None = None,
) -> DriftReport:
    """Compare listings with those for which the model was made.

    Parameters
    ----------
    reference : DriftReference
        From `reference_of`.
    listings : DataFrame of shape (n_listings, …)
        Canonical columns: all listings of a period, not only the reviewed ones.
    score : array of shape (n_listings,), optional
        The model's probabilities; NaN where it abstained. Without them neither scores nor labels are compared.
    labels : array of shape (n_listings,), optional
        1 for counterfeit, 0 for genuine, NaN or NA where nobody has looked.
    price_ratio : array of shape (n_listings,), optional
        Price over the model's reference price, as for `reference_of`. Prices spread so widely that a change by a fifth
        may hide in them; in the ratio it shows.

    Raises
    ------
    Refused
        There is no listing, lengths differ, or scores and labels are outside 0-1.

    Examples
    --------
    >>> from ipml.model.drift.reference import reference_of
    >>> sellers = [str(number) for number in range(500)]
    >>> then = pd.DataFrame({"seller_id": sellers, "brand": ["Acme", "Nike"] * 250})
    >>> now = then.assign(brand=["Acme"] * 400 + ["Nike"] * 100)
    >>> measure_drift(reference_of(then, None), now).checks[0].sentence
    'brand: Acme went from 50 % to 80 % of listings'
    >>> measure_drift(reference_of(then, None), then).alarm
    'none'
    """
    counted = CountedListings.of(listings, score, labels, price_ratio)
    if min(reference.n_effective, counted.n_effective) < FEWEST_EFFECTIVE:
        return DriftReport(len(listings), counted.n_effective, (), tuple(_warn(reference, counted)))
    watched = watched_columns(listings, reference.price_currency, counted.score, counted.price_ratio)
    columns = align_extra(watched, reference, listings.index)
    of_columns = [
        *_compare_columns(reference, columns, counted),
        *_find_new_words(reference, columns, counted),
    ]
    of_scores = [
        *_compare_scores(reference, counted),
        *_compare_price_level(reference, counted),
        *_compare_currencies(reference, counted),
    ]
    checks = [_set_alarm(measured, CHANCE / 2 / len(group)) for group in (of_columns, of_scores) for measured in group]
    checks.sort(key=lambda check: (-ALARMS.index(check.alarm), check.p_value))
    return DriftReport(len(listings), counted.n_effective, tuple(checks), tuple(_warn(reference, counted)))


@dataclass(frozen=True, slots=True)
class _Measured:
    """A comparison before the alarm is set; `size` is compared with the limits, `effect` is shown."""

    subject: str
    measure: str
    effect: float
    size: float
    limits: tuple[float, float]
    p_value: float
    sentence: str


def _set_alarm(measured: _Measured, limit: float) -> DriftCheck:
    level = sum(measured.size >= bound for bound in measured.limits) if measured.p_value < limit else 0
    return DriftCheck(
        measured.subject, measured.measure, measured.effect, measured.p_value, ALARMS[level], measured.sentence
    )


# Columns


def stability_index(before: Floats, after: Floats, n_before: float, n_after: float) -> float:
    """Return the population stability index, less what chance adds: the sum of (after - before) ln(after / before).

    Half a listing is added to each bin, so that an empty one is no infinity.

    >>> round(stability_index(np.array([0.5, 0.5]), np.array([0.8, 0.2]), 1e6, 1e6), 3)
    0.416
    """
    used = (before > 0) | (after > 0)
    n_bins = int(used.sum())
    p, q = ((shares[used] * n + 0.5) / (n + 0.5 * n_bins) for shares, n in ((before, n_before), (after, n_after)))
    return float(((q - p) * np.log(q / p)).sum() - (n_bins - 1) * (1 / n_before + 1 / n_after))


@dataclass(frozen=True, slots=True)
class _Bins:
    """Shares of the bins of a column, then and now, and the numbers of independent listings behind each."""

    before: Floats
    after: Floats
    n_before: Floats
    n_after: Floats

    @classmethod
    def of(cls, reference: DriftReference, column: ColumnReference, values: Any, counted: CountedListings) -> _Bins:
        n, m, places = reference.n_listings, len(counted.sellers), column.places_of(values)
        n_bins = len(column.shares)
        then = np.array(column.alike) if column.alike else np.ones(n_bins)
        # Listings in one bin only, such as none with a brand, show nothing of how alike those of a seller are.
        now = then if places.min() == places.max() else np.maximum(then, find_alike(places, counted.sellers, n_bins))
        return cls(
            np.array(column.shares),
            np.bincount(places, minlength=n_bins) / m,
            n / (1 + then * (n / reference.n_effective - 1)),
            m / (1 + now * (m / counted.n_effective - 1)),
        )

    @property
    def together(self) -> Floats:
        """The shares over both."""
        shares = self.n_before * self.before + self.n_after * self.after
        return np.asarray(shares / (self.n_before + self.n_after))

    def join(self, is_number: bool) -> _Bins:
        """Join bins with too few expected independent listings: numbers to the next bin, words to one."""
        together = self.together
        expected = np.minimum(self.n_before, self.n_after) * together
        if is_number:
            groups, seen = np.zeros(len(together), dtype=np.intp), 0.0
            for place in range(1, len(together)):
                seen += expected[place - 1]
                is_full = seen >= FEWEST_EXPECTED and expected[place:].sum() >= FEWEST_EXPECTED
                groups[place] = groups[place - 1] + is_full
                seen = 0.0 if is_full else seen
        else:
            is_rare = (together < RARE) | (expected < FEWEST_EXPECTED)
            groups = np.where(is_rare, 0, np.cumsum(~is_rare))
        return self._group(np.unique(groups, return_inverse=True)[1])

    def part_missing(self) -> _Bins:
        """Return two bins, of values and of missing ones; one bin where either is rare."""
        groups = np.zeros(len(self.before), dtype=np.intp)
        groups[-1] = 1
        parted = self._group(groups)
        expected = np.minimum(parted.n_before, parted.n_after) * parted.together
        return parted if expected.min() >= FEWEST_EXPECTED_PARTED else self._group(0 * groups)

    def _group(self, groups: NDArray[np.intp]) -> _Bins:
        weight = np.maximum(self.together, 1e-12)
        sizes = (np.bincount(groups, weight / n) for n in (self.n_before, self.n_after))
        before, after, total = (
            np.asarray(np.bincount(groups, values), dtype=np.float64) for values in (self.before, self.after, weight)
        )
        is_used = before + after > 0
        n_before, n_after = (total[is_used] / size[is_used] for size in sizes)
        return _Bins(before[is_used], after[is_used], n_before, n_after)

    @property
    def n_pooled(self) -> tuple[float, float]:
        """Number of independent listings behind all shares together, then and now."""
        weight = self.together * (1 - self.together)
        if not weight.any():
            return float(self.n_before.min()), float(self.n_after.min())
        before, after = (float(weight.sum() / (weight / n).sum()) for n in (self.n_before, self.n_after))
        return before, after

    def test(self, freedom: float) -> float:
        """Return the probability of such a difference if all listings came from the same shares."""
        together, n_bins = self.together, len(self.before)
        errors = together * (1 / self.n_before + 1 / self.n_after)
        statistic = ((self.before - self.after) ** 2 / errors).sum() / (n_bins - 1)
        return float(stats.f.sf(statistic, n_bins - 1, freedom))


def _compare_columns(
    reference: DriftReference, columns: dict[str, pd.Series[Any]], counted: CountedListings
) -> Iterator[_Measured]:
    for name in reference.columns.keys() & columns.keys():
        column = reference.columns[name]
        before, after = np.array(column.shares), column.shares_of(columns[name])
        if before[-1] == after[-1] == 1:  # missing everywhere, then as now
            continue
        title = f"price in {reference.price_currency}" if name == "price" else name
        sentence = f"{title}: {_largest_move(column, before, after)}"
        every = _Bins.of(reference, column, columns[name], counted)
        partings = every.join(column.kind == "number"), every.part_missing()
        tried = [pair for bins in partings if (pair := _test_bins(bins, reference, counted)) is not None]
        if not tried:
            continue
        sizes, chances = zip(*tried, strict=True)
        size, p_value = max(sizes), min(1.0, len(tried) * min(chances))
        yield _Measured(title, "PSI", size, size, PSI_LIMITS, p_value, sentence)


def _test_bins(bins: _Bins, reference: DriftReference, counted: CountedListings) -> tuple[float, float] | None:
    """Return the stability index and its p-value; None with one bin, or too few sellers."""
    pooled = bins.n_pooled
    known = [min(pair) for pair in zip(pooled, (reference.n_effective, counted.n_effective), strict=True)]
    if len(bins.before) < 2 or min(known) < FEWEST_EFFECTIVE:
        return None
    p_value = bins.test(_freedom(*zip(pooled, known, strict=True)))
    return stability_index(bins.before, bins.after, *pooled), p_value


def _largest_move(column: ColumnReference, before: Floats, after: Floats) -> str:
    moves = np.abs(after - before)
    place = len(moves) - 1 if moves[-1] == moves.max() else int(np.argmax(moves))
    return f"{_name_bin(column, place)} went from {show_share(before[place])} to {show_share(after[place])} of listings"


def _name_bin(column: ColumnReference, place: int) -> str:
    bins = column.bins
    if place == len(bins) + 1:
        return "missing"
    if column.kind == "word":
        return str(bins[place]) if place < len(bins) else "others"
    if not bins:
        return "any value"
    if place == 0:
        return f"up to {bins[0]:.3g}"
    return f"above {bins[-1]:.3g}" if place == len(bins) else f"{bins[place - 1]:.3g} to {bins[place]:.3g}"


def _find_new_words(
    reference: DriftReference, columns: dict[str, pd.Series[Any]], counted: CountedListings
) -> Iterator[_Measured]:
    """Look for brands, categories, … that were not among the frequent ones, in 1 % of the listings and more."""
    for name in reference.columns.keys() & set(WORD_COLUMNS):
        column = reference.columns[name]
        least = min(column.shares[: len(column.bins)], default=0.0) if column.shares[-2] > 0 else 0.0
        counts = columns[name].value_counts()
        counts = counts[~counts.index.isin(column.bins)]
        now = counts / len(columns[name])
        shown_words = now[now >= max(NEW_WORD_LIMITS[0], 2 * least)]
        if shown_words.empty:
            continue
        share = float(shown_words.sum())
        n_sellers = len(np.unique(counted.sellers[(columns[name] == now.index[0]).fillna(False).to_numpy(dtype=bool)]))
        p_value = min(1.0, len(now) * _test_new(n_sellers, least, reference.n_effective, counted.n_effective))
        shown = ", ".join(map(str, shown_words.index[:3])) + (", …" if len(shown_words) > 3 else "")
        sentence = f"{name} has new values: {shown}, together {show_share(share, 1)} of listings"
        yield _Measured(f"new {name}", "new share", share, share, NEW_WORD_LIMITS, p_value, sentence)


def _test_new(n_sellers: int, least: float, n_before: float, n_after: float) -> float:
    """Return the probability that so many sellers have a word now that none had then, or a share `least` of them."""
    none_then = (n_after / (n_before + n_after)) ** n_sellers
    return max(none_then, float(stats.binom.sf(n_sellers - 1, max(round(n_after), n_sellers), least)))


# Scores and labels


def _compare_scores(reference: DriftReference, counted: CountedListings) -> Iterator[_Measured]:
    mean_score = counted.mean_score()
    if reference.mean_score is not None and mean_score is not None and _is_enough(reference.mean_score, mean_score):
        words = "the expected share of counterfeits went"
        yield _compare_means("mean score", words, reference.mean_score, mean_score)
    labels = counted.labels()
    if reference.labels is not None and labels is not None and _is_enough(reference.labels.rate, labels.rate):
        words = "of the listings with a label, the share of counterfeits went"
        yield _compare_means("label rate", words, reference.labels.rate, labels.rate)
        yield _compare_calibration(reference.labels, labels)
        before, after = reference.labels.separation, labels.separation
        if before is not None and after is not None and after.n_effective >= FEWEST_OF_KIND:
            yield _compare_separation(before, after)


def _is_enough(*means: Mean | None) -> bool:
    """Say whether means are there, each of enough sellers."""
    return all(mean is not None and (not mean.n or mean.n_effective >= FEWEST_EFFECTIVE) for mean in means)


def _compare_means(subject: str, words: str, before: Mean, after: Mean) -> _Measured:
    ratio = _ratio(after.value, before.value)
    sentence = f"{words} from {show_share(before.value, 1)} to {show_share(after.value, 1)}"
    return _Measured(subject, "ratio", ratio, _fold_change(ratio), RATIO_LIMITS, _test_means(before, after), sentence)


def _compare_price_level(reference: DriftReference, counted: CountedListings) -> Iterator[_Measured]:
    before, after = reference.price_level, counted.price_level()
    if before is not None and after is not None and _is_enough(before, after):
        ratio = float(np.exp(after.value - before.value))
        words = f"prices went from {np.exp(before.value):.2f} to {np.exp(after.value):.2f} times the reference price"
        sentence = f"{words} of brand and category, in the geometric mean"
        yield _Measured(
            "price level", "ratio", ratio, _fold_change(ratio), RATIO_LIMITS, _test_means(before, after), sentence
        )


def _compare_currencies(reference: DriftReference, counted: CountedListings) -> Iterator[_Measured]:
    """Compare prices in each of several currencies, relative to the usual price of the goods where known.

    A wrong rate or decimal point in one feed moves the mean over all of them only a little.
    """
    levels, prices = counted.price_levels(), counted.mean_prices()
    is_level_known = reference.price_level is not None and counted.price_level() is not None
    if len(reference.prices) < 2 and is_level_known:
        return
    for currency in sorted(reference.prices.keys() & prices.keys()):
        before, after, unit = reference.price_levels.get(currency), levels.get(currency), "times the reference price"
        if before is None or after is None:
            before, after, unit = reference.prices[currency], prices[currency], currency
        if 0 < min(before.n_effective, after.n_effective) < FEWEST_OF_CURRENCY:
            continue
        then, now, ratio = np.exp(before.value), np.exp(after.value), float(np.exp(after.value - before.value))
        sentence = f"prices in {currency} went from {then:,.2f} to {now:,.2f} {unit}, in the geometric mean"
        subject = f"price level in {currency}"
        yield _Measured(
            subject, "ratio", ratio, _fold_change(ratio), RATIO_LIMITS, _test_means(before, after), sentence
        )


def _compare_calibration(before: LabelReference, after: LabelReference) -> _Measured:
    """Compare the ratio of observed to expected counterfeits with that of the reference."""
    then, now = (_ratio(labels.rate.value, labels.rate.value - labels.surplus.value) for labels in (before, after))
    ratio = _ratio(now, then)
    return _Measured(
        "calibration",
        "ratio",
        ratio,
        _fold_change(ratio),
        RATIO_LIMITS,
        _test_means(before.surplus, after.surplus),
        f"for each counterfeit the scores promise there are {now:.2f} among the labels, and were {then:.2f}",
    )


def _compare_separation(before: Mean, after: Mean) -> _Measured:
    """Compare the share of wrongly ordered pairs of a counterfeit and a genuine listing; a fall is no alarm."""
    ratio = _ratio(1 - after.value, 1 - before.value)
    then, now = show_share(1 - before.value, 1), show_share(1 - after.value, 1)
    sentence = f"the chance that a genuine listing scores above a counterfeit went from {then} to {now}"
    return _Measured("separation", "ratio", ratio, ratio, RATIO_LIMITS, _test_means(before, after), sentence)


def show_share(share: float, digits: int = 0) -> str:
    """Return a share in per cent."""
    return f"{100 * share:.{digits}f} %"


def _test_means(before: Mean, after: Mean) -> float:
    """Return the p-value of the difference of means, with the spread and likeness within sellers of both together."""
    errors = [before.error, after.error]
    if before.n and after.n:
        weights = np.array([before.n_effective, after.n_effective])
        share = weights / weights.sum()
        middle = share @ [before.value, after.value]
        spread = np.sqrt(share @ [mean.spread**2 + (mean.value - middle) ** 2 for mean in (before, after)])
        alike = share @ [before.alike, after.alike]
        expected = [
            spread * np.sqrt((1 + alike * (mean.n / mean.n_effective - 1)) / mean.n) for mean in (before, after)
        ]
        errors = [max(pair) for pair in zip(errors, expected, strict=True)]
    error, difference = float(np.hypot(errors[0], errors[1])), abs(after.value - before.value)
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    known = [mean.n_effective for mean in (before, after)]
    freedom = _freedom(*((1 / e**2 if e > 0 else np.inf, n or np.inf) for e, n in zip(errors, known, strict=True)))
    return float(2 * stats.t.sf(difference / error, freedom))


def _freedom(*parts: tuple[float, float]) -> float:
    """Return the degrees of freedom of a pooled error, from sizes and sellers of its parts (Satterthwaite)."""
    variances = [1 / information for information, _ in parts]
    known = [v**2 / max(n - 1, 1) for v, (_, n) in zip(variances, parts, strict=True)]
    return float(sum(variances) ** 2 / sum(known)) if sum(known) > 0 else np.inf


def _ratio(value: float, by: float) -> float:
    return value / by if by > 0 else (1.0 if value == by else float("inf"))


def _fold_change(ratio: float) -> float:
    """Return the factor by which a ratio differs from 1, up or down."""
    return max(ratio, 1 / ratio) if ratio > 0 else float("inf")


def _warn(reference: DriftReference, counted: CountedListings) -> Iterator[str]:
    if min(reference.n_effective, counted.n_effective) < FEWEST_EFFECTIVE:
        yield (
            f"These listings are as good as those of {counted.n_effective:,.1f} equally large sellers, the reference "
            f"as those of {reference.n_effective:,.1f}; nothing is compared below {FEWEST_EFFECTIVE:.0f}."
        )
        return
    if counted.n_effective < FEW_LISTINGS:
        yield (
            f"Few sellers: these listings are as good as those of {counted.n_effective:,.0f} equally large ones, so "
            "that only large changes exceed chance."
        )
    if reference.labelled_share == 1 and counted.labelled_share < 1:
        yield (
            "The reference holds labelled listings only: what people chose to look at may differ from what comes in "
            "without anything having moved."
        )
    if 0 < counted.labelled_share < 1 and counted.score is not None:
        yield _warn_of_selection(counted)


def _warn_of_selection(counted: CountedListings) -> str:
    """Warn if the labelled listings differ from the others."""
    assert counted.score is not None
    is_known = ~np.isnan(counted.y)
    seen, others = (float(np.nanmean(counted.score[mask])) for mask in (is_known, ~is_known))
    share = show_share(counted.labelled_share, 1)
    if _fold_change(_ratio(seen, others)) >= SELECTIVE_RATIO:
        return (
            f"Labels exist for {share} of the listings, whose mean score is {seen:.3f}, against {others:.3f} of the "
            "rest: label rate, calibration and separation speak for what people looked at, not for all listings. "
            "Review some picked at random."
        )
    return f"Labels exist for {share} of the listings; label rate, calibration and separation speak for these."


_STYLE = """
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
td:nth-child(-n+2) { white-space: nowrap; }
th, td { padding-left: .5rem; }
tr.alarm td:first-child { background: #b3261e; color: #fff; }
td:nth-child(3) { min-width: 16rem; }
tr.watch td:first-child { background: #f4c430; color: #000; }
"""


_TABLE = """<div class="scroll"><table>
<thead><tr><th>alarm<th>subject<th>largest move<th class="number">effect<th class="number">by chance</tr></thead>
<tbody>
{rows}
</tbody>
</table></div>"""


def to_html(report: DriftReport, title: str = "Drift") -> str:
    """Return the report as an HTML page; text from listings is escaped."""
    rows = "\n".join(map(_row, report.checks))
    notes = "".join(f"<li>{escape(warning)}</li>" for warning in report.warnings)
    heading = f"{title}: {report.verdict}"
    table = _TABLE.format(rows=rows) if report.checks else ""
    body = f"""<main>
<h1>{escape(heading)}</h1>
<p>{report.n_listings:,} listings, as good as those of {report.n_effective:,.1f} equally large sellers, or better.</p>
<ul>{notes}</ul>
{table}
</main>"""
    return write_report_page(heading, _STYLE, body)


def show_effect(check: DriftCheck) -> str:
    """Return the size of a change with its unit."""
    if check.measure == "ratio":
        return f"× {check.effect:.2f}"
    return f"{check.measure} {check.effect:.2f}"


def _row(check: DriftCheck) -> str:
    return (
        f'<tr class="{check.alarm}"><td>{check.alarm}<td>{escape(check.subject)}<td>{escape(check.sentence)}'
        f'<td class="number">{escape(show_effect(check))}<td class="number">{check.p_value:.2g}</tr>'
    )
