"""When terms end: a table for each profile, reckoned by hand with a calendar.

Each row: the event (in the zone of the profile), the stage, and the last day of the term.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import pytest
from dateutil.easter import easter
from hypothesis import given
from hypothesis import strategies as st

from ipml.enforcement.deadlines import terms
from ipml.enforcement.deadlines.terms import Length, TermCounting, find_end, find_zone, load_calendar, load_profile
from ipml.errors import UnusableSetting

WINDOW, DECISION, HOLDER, LONGER, LATEST = "complaint window", "decision", "holder", "longer", "latest"

EU = [
    # Six months on a working day: 31 August has no 31 February; 28 February 2025 is a Friday.
    ("2024-08-31 12:00", WINDOW, "2025-02-28"),
    ("2027-08-31 12:00", WINDOW, "2028-02-29"),  # The same in a leap year: 29 February 2028 is a Tuesday.
    ("2024-02-29 23:59", WINDOW, "2024-08-29"),  # From the leap day: 29 August 2024 is a Thursday.
    # 28 February + 6 months is 28 August, not the last day of August; a Wednesday in 2024.
    ("2024-02-28 00:00", WINDOW, "2024-08-28"),
    ("2024-09-15 09:00", WINDOW, "2025-03-17"),  # A Saturday (15 March 2025) moves to the Monday.
    # A Sunday moves to the Monday, that is Easter Monday (21 April 2025), so to the Tuesday.
    ("2024-10-20 09:00", WINDOW, "2025-04-22"),
    ("2024-07-01 09:00", WINDOW, "2025-01-02"),  # New Year's Day 2025 (Wednesday) moves to the 2nd.
    ("2024-06-25 09:00", WINDOW, "2024-12-26"),  # Christmas 2024 is a Wednesday; in Belgium the 26th is a working day.
    # Saturday 1 November 2025 (All Saints) moves over Sunday to Monday the 3rd.
    ("2025-05-01 09:00", WINDOW, "2025-11-03"),
    # Across the end of summer time (27 October 2024) and its beginning (30 March 2025): the day counts, not the hours.
    ("2024-09-30 23:30", WINDOW, "2025-03-31"),
    ("2025-03-29 23:30", WINDOW, "2025-09-29"),
    # 23:30 UTC on 14 January is 00:30 of the 15th in Brussels: 15 July 2026 is a Wednesday.
    ("2026-01-15 00:30", WINDOW, "2026-07-15"),
    ("2025-01-21 10:00", DECISION, "2025-02-04"),  # Fourteen days: from Tuesday 21 January 2025 to Tuesday 4 February.
    # Fourteen days that end on Ascension (29 May 2025, Thursday) move to the Friday.
    ("2025-05-15 10:00", DECISION, "2025-05-30"),
]
CHINA = [
    ("2025-03-03 10:00", HOLDER, "2025-03-18"),  # Fifteen days: from Monday 3 March 2025 to Tuesday 18 March.
    # Fifteen days from 15 January 2025 end on 30 January, in Spring Festival (28 January to 4 February): 5 February.
    ("2025-01-15 10:00", HOLDER, "2025-02-05"),
    # From 18 September 2025 to 3 October, in the week of the National Day (1 to 8 October): 9 October, a Thursday.
    ("2025-09-18 10:00", HOLDER, "2025-10-09"),
    # To Sunday 28 September 2025, which is worked in exchange: the term ends there.
    ("2025-09-13 10:00", HOLDER, "2025-09-28"),
    ("2025-01-24 10:00", HOLDER, "2025-02-08"),  # To Saturday 8 February 2025, worked in exchange.
    ("2025-03-07 10:00", HOLDER, "2025-03-24"),  # To an ordinary Saturday, 22 March 2025: Monday the 24th.
    ("2025-03-22 10:00", HOLDER, "2025-04-07"),  # To Sunday 6 April 2025, in Qingming (4 to 6 April): Monday the 7th.
    # In the leap year: 14 February 2024 + 15 days is 29 February, a Thursday.
    ("2024-02-14 10:00", HOLDER, "2024-02-29"),
    # Twenty working days from Friday 10 January 2025: 13-17 (5), 20-24 (10), Sunday 26 (11), 27 (12),
    # 5-7 February (15), Saturday 8 (16), 10-13 (20).
    ("2025-01-10 10:00", LONGER, "2025-02-13"),
    # Twenty working days from Friday 12 September 2025: 15-19 (5), 22-26 (10), Sunday 28 to 30 (13), 9-11 October (16),
    # 13-16 (20).
    ("2025-09-12 10:00", LONGER, "2025-10-16"),
    # Twenty working days from Monday 2 February 2026: 3-6 (4), 9-13 (9), Saturday 14 (10), 24-27 (14),
    # Saturday 28 (15), 2-6 March (20).
    ("2026-02-02 10:00", LONGER, "2026-03-06"),
    ("2026-02-10 10:00", WINDOW, "2026-08-10"),  # Six months: 10 August 2026 is a Monday.
]
US = [
    # Ten business days from Monday 3 March 2025: to Monday 17 March; fourteen to Friday 21 March.
    ("2025-03-03 10:00", HOLDER, "2025-03-17"),
    ("2025-03-03 10:00", LATEST, "2025-03-21"),
    # Over Thanksgiving: from Friday 14 November 2025: 17-21 (5), 24-26 (8), 28 (9), 1 December (10); 2-5 (14).
    ("2025-11-14 10:00", HOLDER, "2025-12-01"),
    ("2025-11-14 10:00", LATEST, "2025-12-05"),
    # Over Christmas and New Year: from Friday 19 December 2025: 22-24 (3), 26 (4), 29-31 (7), 2 January (8), 5-6 (10).
    ("2025-12-19 10:00", HOLDER, "2026-01-06"),
    # Received on a Saturday (28 June 2025): 30 June to 3 July (4), 7-11 (9), 14 (10).
    ("2025-06-28 10:00", HOLDER, "2025-07-14"),
    # 4 July 2026 is a Saturday, observed on Friday the 3rd. From Friday 26 June: 29 June to 2 July (4), 6-10 (9),
    # 13 (10).
    ("2026-06-26 10:00", HOLDER, "2026-07-13"),
    # New Year's Day 2028 is a Saturday, observed on 31 December 2027; Christmas 2027 on the 24th. From Thursday
    # 16 December 2027: 17 (1), 20-23 (5), 27-30 (9), 3 January (10).
    ("2027-12-16 10:00", HOLDER, "2028-01-03"),
    # Over the leap day: from Thursday 17 February 2028: 18 (1), 22-25 (5; 21 is Washington's Birthday), 28 February to
    # 3 March (10).
    ("2028-02-17 10:00", HOLDER, "2028-03-03"),
    # Over the beginning of summer time (9 March 2025): from Friday 7 March to Friday 21 March.
    ("2025-03-07 10:00", HOLDER, "2025-03-21"),
]
PLATFORM = [
    # Four days, whatever they are: over a weekend, the leap day, New Year.
    ("2025-03-06 10:00", "counter-notice window", "2025-03-10"),
    ("2025-03-05 10:00", "counter-notice window", "2025-03-09"),
    ("2024-02-26 10:00", HOLDER, "2024-03-01"),
    ("2025-02-26 10:00", HOLDER, "2025-03-02"),
    ("2025-12-30 10:00", HOLDER, "2026-01-03"),
    ("2025-01-01 00:00", WINDOW, "2025-07-01"),
    ("2024-08-31 10:00", WINDOW, "2025-02-28"),
]
TABLES = {"eu": EU, "china": CHINA, "us": US, "platform": PLATFORM}


def test_a_term_ends_on_the_day_a_person_reckons():
    """Weekends, holidays, days worked in exchange, the leap day and deadline changes are counted as a lawyer would."""
    rows = [(name, *row) for name, rows in TABLES.items() for row in rows]
    assert {row: reckon(*row) for row in rows} == {row: row[-1] for row in rows}


def reckon(name, event, stage, _):
    """Return the last day of a term."""
    profile = load_profile(name)
    holder = profile.holder
    length = {LONGER: holder and holder.longer, LATEST: holder and holder.latest}.get(stage)
    since = datetime.fromisoformat(event).replace(tzinfo=profile.counting.zone)
    return str(profile.find_end(length or profile.stage(stage).length, since).last_day)


def test_a_term_ends_with_its_last_day_where_it_is():
    """Midnight is that of the place, in summer and winter, also where clocks change at midnight."""
    ends = {
        ("Europe/Brussels", "2025-03-29"): "2025-03-29 23:00",  # the last midnight of winter time
        ("Europe/Brussels", "2025-03-30"): "2025-03-30 22:00",  # a day of 23 hours
        ("Europe/Brussels", "2024-10-27"): "2024-10-27 23:00",  # a day of 25 hours
        ("America/New_York", "2025-03-09"): "2025-03-10 04:00",
        ("America/New_York", "2025-11-02"): "2025-11-03 05:00",
        ("Asia/Shanghai", "2025-02-05"): "2025-02-05 16:00",
        ("America/Santiago", "2024-09-07"): "2024-09-08 04:00",  # clocks skip from 24:00 to 01:00
        ("Africa/Cairo", "2024-10-31"): "2024-10-31 22:00",  # 23:00 comes twice: the day ends after the second
    }
    for (zone, last_day), ends_at in ends.items():
        counting = TermCounting(find_zone(zone), load_calendar("none"))
        event = datetime.fromisoformat(f"{last_day} 12:00").replace(tzinfo=counting.zone) - timedelta(days=3)
        end = find_end(Length(days=3), event, counting)
        assert (str(end.last_day), f"{end.ends_at:%Y-%m-%d %H:%M}", end.ends_at.tzinfo) == (last_day, ends_at, UTC)


def test_a_term_holds_two_working_days():
    """Two days from Friday end on Tuesday (1182/71, 3(5)); a term of hours knows no midnight and no Sunday."""
    end = load_profile("eu").find_end(Length(days=2), datetime(2025, 3, 14, 12, tzinfo=UTC))
    assert str(end.last_day) == "2025-03-18"
    since = datetime(2025, 3, 29, 20, 30, tzinfo=UTC)
    assert load_profile("eu").find_end(Length(hours=24), since).ends_at == since + timedelta(hours=24)


def test_what_is_not_published_yet_is_said():
    """A Chinese term of 2027 is provisional as long as its holidays are not known; one of 2026 is not."""
    china = load_profile("china")
    ends = [china.find_end(Length(days=15), datetime(year, 3, 2, tzinfo=UTC)) for year in (2026, 2027)]
    assert [end.is_provisional for end in ends] == [False, True]


@given(
    st.sampled_from(sorted(TABLES)),
    st.datetimes(datetime(2024, 1, 1), datetime(2029, 6, 1), timezones=st.just(UTC)),
    st.one_of(
        st.builds(Length, months=st.integers(1, 12)),
        st.builds(Length, days=st.integers(1, 60)),
        st.builds(Length, working_days=st.integers(1, 30)),
    ),
)
def test_terms_are_never_shorter_than_they_say(name, since, length):
    """A later event never ends earlier, a longer term never either, and the day of the event is not counted."""
    profile = load_profile(name)
    end = profile.find_end(length, since)
    assert end.last_day > since.astimezone(profile.counting.zone).date()
    assert profile.find_end(length, since + timedelta(hours=7)).ends_at >= end.ends_at
    assert profile.find_end(length, since, 2).ends_at >= end.ends_at
    if length.days:
        assert end.ends_at - since >= timedelta(days=length.days) - timedelta(hours=1)


def test_feasts_that_move_are_where_easter_puts_them():
    """Easter Monday, Ascension and Whit Monday are reckoned once more by a library."""
    for name, after in {"be": {1, 39, 50}, "de": {1, 39, 50}, "fr": {1, 39, 50}, "ie": {1}}.items():
        days = load_calendar(name).holidays
        assert all(easter(year) + timedelta(days=n) in days for year in range(2024, 2031) for n in after), name


def test_weekend_days_are_worked_only_in_exchange():
    """Every Chinese day worked in exchange is on a weekend, and no holiday; every US holiday is on a weekday."""
    china, us = load_calendar("cn"), load_calendar("us")
    assert all(day.isoweekday() > 5 and day not in china.holidays for day in china.worked)
    assert all(day.isoweekday() < 6 for day in us.holidays)
    assert len(us.holidays) == 7 * 11


def test_a_marketplace_keeps_profiles_of_its_own(tmp_path):
    """A file in one's own folder is a profile; one with less than six months, or an unknown one, is refused."""
    text = Path(terms.__file__).with_name("profiles").joinpath("platform.toml").read_text(encoding="utf-8")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "ours.toml").write_text(text.replace('zone = "UTC"', 'zone = "Asia/Tokyo"'), "utf-8")
    (tmp_path / "profiles" / "mean.toml").write_text(text.replace("months = 6", "months = 5"), "utf-8")
    assert load_profile("ours", tmp_path).counting.zone.key == "Asia/Tokyo"
    with pytest.raises(UnusableSetting, match="china, eu, platform, us"):
        load_profile("atlantis")
    with pytest.raises(UnusableSetting, match="six months"):
        load_profile("mean", tmp_path)


def test_a_machine_without_time_zones_is_told_what_it_lacks(monkeypatch):
    """Where the table of time zones is missing, the one line says how to get it."""

    def find_none(name):
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(terms, "ZoneInfo", find_none)
    with pytest.raises(UnusableSetting, match="pip install tzdata"):
        terms.find_zone("Europe/Brussels")
