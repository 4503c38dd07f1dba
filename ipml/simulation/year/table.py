"""The figures of a simulated year beside the historical ones, and where its time and memory went, as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ipml.simulation.year.account import Takedowns, Work
from ipml.simulation.year.gangs import Gangs
from ipml.simulation.year.noted import Noted
from ipml.simulation.year.plan import HISTORY, N_DAYS, Plan
from ipml.simulation.year.spent import Stations
from ipml.simulation.year.year import Lived

_NOT_GIVEN = "not given"


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the account: what history gives, what that is at the plan's scale, and what the simulated year gave."""

    name: str
    history: str
    scaled: str
    simulated: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Handed:
    """Networks that were found, on how many of them clues were built, and on how many brands."""

    gangs: Gangs
    n_clues: int
    n_brands: int


def make_figures(plan: Plan, lived: Lived, taken: Takedowns, work: Work, noted: Noted, handed: Handed) -> list[Figure]:
    """Return the figures of a year."""
    return [
        *_list_found(plan, lived, taken, work),
        *_list_wrong(taken, work),
        *_list_pace(taken, work),
        *_list_notices(noted),
        *_list_handed(handed),
    ]


def write_table(figures: Sequence[Figure]) -> str:
    """Return the figures as a table.

    Examples
    --------
    >>> print(write_table([Figure("gangs", "43", "43", "41", "of 43 planted")]))
    figure  history  at this scale  simulated  note
    gangs   43       43             41         of 43 planted
    """
    head = ("figure", "history", "at this scale", "simulated", "note")
    rows = [head, *((one.name, one.history, one.scaled, one.simulated, one.note) for one in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def write_stations(stations: Stations, lived: Lived) -> str:
    """Return where time and memory went; what is made and scored elsewhere happens at the same time as the rest."""
    spent = sorted(stations.spent.items(), key=lambda one: -one[1].processor)
    lines = ["station                       processor s    wall s"]
    lines += [f"{name:<30}{one.processor:>10.1f}{one.wall:>10.1f}" for name, one in spent]
    total = sum(one.processor for _, one in spent)
    lines.append(f"{'all':<30}{total:>10.1f}{lived.seconds:>10.1f}")
    own, beside, alone = (peak / 2**20 for peak in (lived.peak, lived.peak_beside, lived.peak_alone))
    lines.append(
        f"\nMemory at most: {own:,.0f} MiB for the programme and {beside:,.0f} MiB beside it for making and scoring "
        f"listings, together {own + beside:,.0f} MiB; {alone:,.0f} MiB for networks and reports after that."
    )
    return "\n".join(lines)


def _list_found(plan: Plan, lived: Lived, taken: Takedowns, work: Work) -> Iterator[Figure]:
    n_listings, n_fakes = len(lived.truth), lived.truth.n_fakes
    n_days = plan.last_day + 1
    days = f"of {lived.n_sellers:,} sellers" + ("" if n_days == N_DAYS else f", in {n_days} of {N_DAYS} days")
    yield Figure("listings that went past the model", _NOT_GIVEN, f"{plan.n_listings:,}", f"{n_listings:,}", days)
    yield Figure("counterfeit among them", _NOT_GIVEN, f"{plan.n_fakes:,}", f"{n_fakes:,}", "the truth")
    scaled = f"{HISTORY['handled'] * plan.scale:,.0f}"
    yield Figure(
        *("infringing listings handled", f"{HISTORY['handled']:,}", scaled, f"{taken.right:,}"),
        f"{_share(taken.right, n_fakes)} of the counterfeit ones",
    )
    is_done = _share(taken.done, taken.right + taken.wrong)
    yield Figure("of them deleted", "all", "all", is_done, "the platform said that it was done")
    yield Figure("put back though counterfeit", _NOT_GIVEN, "", f"{taken.right_lifted:,}", "on appeal, or in error")
    unfound = n_fakes - taken.right
    yield Figure(
        *("counterfeit and never taken down", _NOT_GIVEN, "", f"{unfound:,}"),
        f"the model passed over {lived.unfound:,} at first; reviewers found {work.missed:,} genuine",
    )
    yield Figure(
        *("members penalised", f"{HISTORY['penalised']:,}", f"{HISTORY['penalised'] * plan.scale:,.0f}"),
        *(f"{work.penalised:,}", f"of {lived.n_offenders:,} who offer counterfeits; {_spell(work.penalties)}"),
    )
    yield Figure("brands among the takedowns", _NOT_GIVEN, "", f"{taken.brands}")


def _list_wrong(taken: Takedowns, work: Work) -> Iterator[Figure]:
    n_taken = taken.right + taken.wrong
    yield Figure(
        "WRONGFUL TAKEDOWNS: listings", _NOT_GIVEN, "", f"{taken.wrong:,}", f"{_share(taken.wrong, n_taken)} of all"
    )
    yield Figure("  put back", _NOT_GIVEN, "", f"{taken.wrong - taken.wrong_standing:,}", "after an appeal")
    yield Figure(
        "  still down at the end", _NOT_GIVEN, "", f"{taken.wrong_standing:,}", "nobody complained, or in vain"
    )
    yield Figure("WRONGFUL TAKEDOWNS: sellers", _NOT_GIVEN, "", f"{taken.wronged_sellers:,}")
    yield Figure("  penalised for nothing", _NOT_GIVEN, "", f"{work.wrongly_penalised:,}", "no strike was right")


def _list_pace(taken: Takedowns, work: Work) -> Iterator[Figure]:
    n_taken = taken.right + taken.wrong
    yield Figure("precision of takedowns", _NOT_GIVEN, "", _share(taken.right, n_taken))
    hours = "" if taken.median_hours is None else f"{taken.median_hours:.0f} hours"
    yield Figure("median time to takedown", _NOT_GIVEN, "", hours, "from when the listing was first seen")
    before = "" if taken.before_first_sale is None else f"{taken.before_first_sale:.1%}"
    yield Figure("before the first sale", _NOT_GIVEN, "", before, "of those of which sales are known")
    yield Figure(
        *("taken down without a person", _NOT_GIVEN, "", _share(taken.automatic, n_taken)),
        f"{taken.automatic_wrong:,} of {taken.automatic:,} wrongly"
        if taken.automatic
        else "the policy leaves all to people",
    )
    n_appeals = sum(work.appeals.values())
    granted = _share(work.appeals.get("granted", 0), n_appeals)
    yield Figure("appeals", _NOT_GIVEN, "", f"{n_appeals:,}", f"{granted} granted; {_spell(work.appeals)}")
    yield Figure("cases decided", _NOT_GIVEN, "", f"{work.decided:,}", f"{work.waiting:,} still wait")
    yield Figure("messages delivered", _NOT_GIVEN, "", f"{work.messages.get('delivered', 0):,}", _spell(work.messages))


def _list_notices(noted: Noted) -> Iterator[Figure]:
    yield Figure("notices", _NOT_GIVEN, "", f"{noted.notices:,}", _spell(noted.kinds))
    yield Figure("  listings noted", _NOT_GIVEN, "", f"{noted.items:,}", f"{noted.right:,} counterfeit in truth")
    yield Figure("  of them taken down", _NOT_GIVEN, "", f"{noted.taken_down:,}", f"{noted.taken_down_wrong:,} wrongly")
    judged = noted.states.get("upheld", 0) + noted.states.get("rejected", 0)
    upheld = _share(noted.states.get("upheld", 0), judged)
    yield Figure("  upheld", _NOT_GIVEN, "", upheld, f"of {judged:,} that were judged; {_spell(noted.states)}")
    warned = f"{noted.steps.get('warn', 0):,} warned before"
    yield Figure("notifiers suspended", _NOT_GIVEN, "", f"{noted.steps.get('suspend', 0):,}", warned)


def _list_handed(handed: Handed) -> Iterator[Figure]:
    gangs = handed.gangs
    quality = f"pairs: F1 {gangs.f1:.2f}, precision {gangs.precision:.2f}, recall {gangs.recall:.2f}"
    yield Figure("gangs", f"{HISTORY['gangs']}", f"{gangs.planted}", f"{gangs.found}", quality)
    yield Figure("clues for the police", _NOT_GIVEN, "", f"{handed.n_clues:,}", "one on each network that has enough")
    brands = f"{HISTORY['brands']}"
    yield Figure("brands in the clues", brands, brands, f"{handed.n_brands}")
    yield Figure(
        *("suspects", f"{HISTORY['suspects']}", f"{HISTORY['suspects'] * gangs.planted // HISTORY['gangs']}"),
        *(f"{gangs.members:,}", "accounts in these networks; how many people is not known"),
    )
    value = f"90 % of each between bounds that sum to {gangs.value_low} and {gangs.value_high}"
    yield Figure("value of what they sold", f"{HISTORY['value']:,} yuan", "", str(gangs.value), value)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _spell(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()) if number) or "none"
