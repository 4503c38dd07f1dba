"""What others told the platform, what it told them, and what machines and people had to do with it."""

from __future__ import annotations

from ipml.cooperation.reports.chapters.finding import draw_outcomes, rate_quantity
from ipml.cooperation.reports.figures import Figures
from ipml.cooperation.reports.noticed import NOTIFIERS, STATES, STEPS, Noticed
from ipml.cooperation.reports.spans import ALL
from ipml.cooperation.reports.tables import Columns, Quantity, Row, Section, Table, Unit, hours
from ipml.cooperation.reports.takedowns import SOURCES, total
from ipml.review.quality.rates import count_rate

_SETTLED = ("upheld", "rejected", "undecided", "not found")


def write_notices(notices: Noticed) -> Section:
    """Return the chapter on notices and on who gave them without reason."""
    table, steps = notice_table(notices), _step_table(notices)
    return Section(
        "notices",
        "Notices of others",
        "Rights holders, trusted flaggers, consumers and authorities tell the platform of listings. Each listing of "
        "a notice is decided on for itself; the notice is settled when the last of them is. Who often gives notice "
        "without reason is warned, and then suspended for a time.",
        (
            *notice_quantities(notices),
            Quantity(
                "trusted_notices",
                "of these by trusted flaggers",
                notices.received("trusted flagger"),
                "count",
                "Article 22.",
            ),
            Quantity("warned", "Notifiers warned", notices.taken("warn"), "count", "Article 23(2) and (3)."),
            Quantity("suspended", "Notifiers suspended", notices.taken("suspend"), "count", "Article 23(2)."),
        ),
        (table, steps),
        (draw_outcomes(_state_table(notices), "Listings of notices by what came of them"),)
        if notices.listings()
        else (),
        "Digital Services Act, Articles 15(1)(b), 16, 22, 23",
    )


def notice_quantities(notices: Noticed) -> tuple[Quantity, ...]:
    """Return how many notices came, how many listings they named, and what became of these."""
    settled = sum(notices.listings(state=state) for state in _SETTLED)
    upheld = count_rate(notices.listings(state="upheld"), settled)
    span = notices.spans.get(ALL)
    return (
        Quantity("notices", "Notices", notices.received(), "count"),
        Quantity("notice_listings", "Listings in them", notices.listings(), "count"),
        Quantity(
            "notice_upheld",
            "Listings found counterfeit on notice",
            upheld.share if upheld else None,
            "share",
            f"Of {settled:,} that were decided on.",
            upheld.low if upheld else None,
            upheld.high if upheld else None,
            settled,
        ),
        Quantity("notice_overturned", "of these taken back since", notices.overturned, "count"),
        Quantity("notice_time", "From notice to decision, median", hours(span.median) if span else None, "hours"),
    )


def notice_table(notices: Noticed) -> Table:
    """Return notices and their listings by who gave notice."""
    rows: list[Row] = []
    for notifier in (*NOTIFIERS, None):
        span = notices.spans.get(notifier or ALL)
        counts = [notices.listings(notifier, state) for state in STATES]
        rows.append(
            (notifier or "all", notices.received(notifier), *counts, sum(counts), hours(span.median) if span else None)
        )
    states: Columns = tuple((f"listings {state}", "count") for state in STATES)
    columns: Columns = (
        ("notifier", ""),
        ("notices", "count"),
        *states,
        ("listings", "count"),
        ("median time", "hours"),
    )
    return Table("notifiers", "Notices by who gave them", columns, tuple(rows))


def write_machines(figures: Figures) -> Section:
    """Return the chapter on automated means."""
    rows = []
    for source in (*SOURCES, None):
        counts = [total(figures.measures, source=source, automatic=automatic) for automatic in (True, False)]
        rows.append((source or "all", *counts, sum(counts), counts[0] / sum(counts) if sum(counts) else None))
    columns: Columns = (
        ("source", ""),
        ("without a person", "count"),
        ("by a person", "count"),
        ("all", "count"),
        ("share without", "share"),
    )
    table = Table("automation", "Measures with and without a person", columns, tuple(rows))
    share = rows[-1][-1]
    by_way = {part.way: part for part in figures.precision}
    return Section(
        "automation-and-people",
        "What machines did, and people",
        "A model orders the queue and gives its reasons; it decides nothing. Without a person acts only a written "
        "policy, brand by brand, as long as cases drawn from those it would act on prove the precision it promises; "
        "it is withdrawn at once when they speak against it. Whatever it does can be appealed, and a person decides.",
        (
            Quantity(
                "automatic_share", "Measures without a person", share, "share", "Of all measures against listings."
            ),
            rate_quantity("policy_precision", "Precision of the policy", by_way["policy"]),
            rate_quantity("spread_precision", "Precision of what was repeated for near-duplicates", by_way["spread"]),
            Quantity(
                "reviewers", "People who reviewed", figures.people.n, "count", "At least one verdict in the period."
            ),
            Quantity(
                "review_hours",
                "Hours in which they did",
                figures.people.hours,
                "count",
                "An hour counts where a verdict fell in it.",
            ),
            Quantity(
                "statements", "Statements of reasons", figures.statements.issued, "count", "To sellers, Article 17."
            ),
            Quantity(
                "statements_stated",
                "of these for the transparency database",
                figures.statements.stated,
                "count",
                "Article 24(5).",
            ),
            Quantity("statements_delivered", "of these delivered there", figures.statements.delivered, "count"),
            Quantity(
                "orders", "Orders of authorities", None, "count", "Articles 9 and 10: ipml keeps no record of them."
            ),
            Quantity("clues", "Clues handed to authorities", *_tell_clues(figures)),
        ),
        (table,),
        (),
        "Digital Services Act, Articles 15(1)(a) and (e), 17, 24(5), 42(2)",
    )


def _step_table(notices: Noticed) -> Table:
    rows: tuple[Row, ...] = tuple((who, *(notices.steps.get((who, step), 0) for step in STEPS)) for who in NOTIFIERS)
    names = {"warn": "warned", "suspend": "suspended", "lift": "lifted again"}
    return Table(
        "steps", "Steps against notifiers", (("notifier", ""), *((names[step], "count") for step in STEPS)), rows
    )


def _state_table(notices: Noticed) -> Table:
    rows = tuple((state, notices.listings(state=state)) for state in STATES)
    return Table("states", "What came of the listings in notices", (("state", ""), ("listings", "count")), rows)


def _tell_clues(figures: Figures) -> tuple[int | None, Unit, str]:
    if figures.clues is None:
        return None, "count", "The database keeps no clues."
    return figures.clues.made, "count", f"{figures.clues.received:,} of them were signed for."
