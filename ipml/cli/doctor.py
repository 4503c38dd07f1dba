"""Doctor: checks that everything ipml needs is present, and that its stored data is intact."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from ipml.cli.options import Database, Model, TrailAnchor
from ipml.cli.terminal import open_for_command, show_steps
from ipml.errors import IpmlError, NotFound, UnreadableFile, UnusableSetting

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ipml.storage.audit_trail.audit import Anchor

LIBRARIES = ("scikit-learn", "numpy", "pandas", "pyarrow", "mlflow", "sqlalchemy", "fastapi")
_LITTLE_DISK_GB = 1.0
_MOST_LINES = 20  # on the rows of one database


@dataclass(frozen=True, slots=True)
class Check:
    """One check: subject, state and description."""

    subject: str
    state: Literal["ok", "warning", "problem"]
    words: str


def doctor(database: Database = None, model: Model = None, anchor: TrailAnchor = None) -> None:
    """Check versions, disk, settings, database, audit trail and model; exit code 1 if there is a problem.

    Example: ipml doctor --database sqlite:///ipml.db
    """
    from ipml.storage.audit_trail.audit import Anchor

    kept = Anchor.parse(anchor) if anchor else None
    steps: tuple[Callable[[], Iterator[Check]], ...] = (
        check_versions,
        _check_disk,
        _check_engine,
        _check_settings,
        lambda: check_database(database, kept),
        lambda: _check_lists(database),
        lambda: _check_fairness(database),
        lambda: _check_screening(database),
        lambda: check_model(model),
        check_access,
        check_erased,
    )
    found: list[Check] = []
    with show_steps("Looking …"):
        for step in steps:
            for check in without_traceback(step):
                typer.echo(f"{check.state:<8} {check.subject}: {check.words}")
                found.append(check)
    if any(check.state == "problem" for check in found):
        raise typer.Exit(1)


def without_traceback(step: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """Yield the checks of a step; an unexpected error becomes a check too."""
    try:
        yield from step()
    except Exception as error:
        words = " ".join(f"{error}".split())[:300]
        yield Check("doctor", "problem", f"could not look at everything ({type(error).__name__}): {words}")


def _check_settings() -> Iterator[Check]:
    """Check that every setting is valid and has an effect."""
    from ipml.cli.configuration import find_faults
    from ipml.settings import get_settings

    try:
        faults = list(find_faults(get_settings(), os.environ))
    except UnusableSetting as error:
        yield Check("settings", "problem", str(error))
        return
    for fault in faults:
        yield Check("settings", "problem" if fault.is_problem else "warning", f"{fault.setting}: {fault.words}")
    if not faults:
        yield Check("settings", "ok", "each can be followed, and does something")


def _check_lists(url: str | None) -> Iterator[Check]:
    """Check that the seller lists match the brand file."""
    from ipml.cli.desk.seller import find_unloaded
    from ipml.settings import get_settings
    from ipml.storage.database import reading

    path = get_settings().brands
    if path is None:
        return
    with suppress(IpmlError):  # file and database have their own checks
        with reading(open_for_command(url)) as connection:
            missing, gone = find_unloaded(connection, path, datetime.now(UTC))
        if missing or gone:
            words = f"{missing:,} of IPML_BRANDS are not on them, {gone:,} of them no longer in it"
            yield Check("lists", "warning", f"{words}: `ipml seller lists load` brings them in line")
        else:
            yield Check("lists", "ok", "they match IPML_BRANDS")


def check_erased() -> Iterator[Check]:
    """Check that the list of erased sellers is intact, without which nothing can be restored."""
    from ipml.enforcement.privacy.erased_list import read_erased
    from ipml.settings import get_settings

    path = get_settings().erased
    if path is None:
        return
    try:
        yield Check("erased", "ok", f"{len(read_erased(path).moments):,} names in {path}")
    except NotFound as error:
        yield Check("erased", "warning", str(error))
    except UnreadableFile as error:
        yield Check("erased", "problem", str(error))


def check_versions() -> Iterator[Check]:
    """Check Python, SQLite and the libraries that affect results."""
    import platform
    import sqlite3
    from importlib.metadata import PackageNotFoundError, version

    from ipml.storage.database import has_wal_reset_defect

    yield Check("ipml", "ok", f"{version('ipml')} on Python {platform.python_version()}")
    for name in LIBRARIES:
        try:
            yield Check(name, "ok", version(name))
        except PackageNotFoundError:
            yield Check(name, "problem", "not installed; install ipml anew")
    if has_wal_reset_defect(sqlite3.sqlite_version_info[:3]):
        words = (
            f"{sqlite3.sqlite_version} can, very rarely, lose a commit when several processes write; "
            "3.51.3, 3.50.7 and 3.44.6 cannot, nor can PostgreSQL, which teams should use"
        )
        yield Check("sqlite", "warning", words)
    else:
        yield Check("sqlite", "ok", sqlite3.sqlite_version)


def _check_disk() -> Iterator[Check]:
    """Check the free disk space for models and data."""
    free_gb = shutil.disk_usage(".").free / 1e9
    state: Literal["ok", "warning"] = "ok" if free_gb >= _LITTLE_DISK_GB else "warning"
    yield Check("disk", state, f"{free_gb:,.1f} GB free")


def _check_engine() -> Iterator[Check]:
    """Check that the compiled engine reads a text."""
    try:
        from ipml.features.compiled.folding import fold_texts
        from ipml.features.compiled.texts import Texts

        (read,) = fold_texts(Texts.of(["N\u0456ke  SHOES"])).strings()
    except (ImportError, OSError) as error:
        yield Check("engine", "problem", f"{error}".splitlines()[0])
    else:
        state: Literal["ok", "problem"] = "ok" if read == "nike shoes" else "problem"
        yield Check("engine", state, f"reads texts: {read!r}")


def check_database(url: str | None, anchor: Anchor | None) -> Iterator[Check]:
    """Check the review database: file, tables and audit trail."""
    from ipml.storage.database import find_damage, name_of

    try:
        engine = open_for_command(url)
        damage = find_damage(engine)
    except IpmlError as error:
        is_missing = url is None and "no such file" in str(error)
        yield Check("database", "warning" if is_missing else "problem", str(error))
        return
    yield Check("database", "problem", damage[0]) if damage else Check("database", "ok", f"{name_of(engine)} is sound")
    yield from _check_tables(engine, anchor)
    engine.dispose()


def _check_tables(engine: Engine, anchor: Anchor | None) -> Iterator[Check]:
    from ipml.enforcement.privacy.erasure import find_unswept, list_begun
    from ipml.enforcement.views.overview import find_gaps
    from ipml.settings import get_settings
    from ipml.storage.audit_trail.anchors import check_trail
    from ipml.storage.audit_trail.audit import verify
    from ipml.storage.audit_trail.consistency import find_disagreements, find_risky_settings, server_version
    from ipml.storage.audit_trail.row_digests import check_rows
    from ipml.storage.database import reading, require_revision
    from ipml.storage.tables import REVISION

    settings = get_settings()
    try:
        with reading(engine) as connection:
            report = verify(connection, *([anchor] if anchor else []))
            kept = check_trail(connection, settings.anchors, settings.anchor_key) if settings.anchors else []
            lines = chain(find_disagreements(connection), find_gaps(connection))
            rows = check_rows(connection, at_most=_MOST_LINES)
            disagreements = list(islice(chain(rows.problems, lines), 2 * _MOST_LINES))
            risks = list(find_risky_settings(connection))
            server = server_version(connection)
            found = require_revision(connection)
    except IpmlError as error:
        yield Check("tables", "problem", str(error))
        return
    newest = "the newest" if found == REVISION else f"of a newer release, which lets this one ({REVISION}) go on"
    yield Check("tables", "ok", f"of revision {found}, {newest}")
    if report.is_intact:
        yield Check("audit", "ok", f"{report.anchor.count:,} rows in one chain; keep this anchor: {report.anchor}")
    for problem in report.problems:
        yield Check("audit", "problem", problem)
    yield from _judge_anchors(settings.anchors, kept)
    for problem in disagreements:
        yield Check("rows", "problem", problem)
    for table, count in rows.unchecked.items():
        words = f"{count:,} of {table} are not checkable: written before the audit trail held digests of them"
        yield Check("rows", "warning", words)
    if not disagreements:
        yield Check("rows", "ok", "rows, references and numbering agree with the audit trail")
    yield _check_appeals(engine)
    with reading(engine) as connection:
        if begun := len(list_begun(connection)):
            yield Check(
                "erased", "problem", f"{begun:,} sellers are erased in part: `ipml seller erase --finish` goes on"
            )
        if unswept := len(find_unswept(connection)):
            words = f"{unswept:,} erased sellers have left traces in database files: `ipml seller erase --finish`"
            yield Check("erased", "problem", words)
    for risk in risks:
        yield Check("server", "warning", risk)
    if not risks:
        yield Check("server", "ok", server)
    yield from _check_deliveries(engine)
    yield from _check_jobs(engine)


def _check_jobs(engine: Engine) -> Iterator[Check]:
    """Check that a worker leads and its jobs succeed."""
    from ipml.settings import get_settings
    from ipml.storage.database import reading
    from ipml.storage.jobs import has_leader, list_jobs

    try:
        with reading(engine) as connection:
            listed = list_jobs(connection, get_settings())
    except IpmlError as error:
        yield Check("jobs", "problem", str(error))
        return
    failing = [one for one in listed if one.is_failing]
    for one in failing:
        yield Check("jobs", "warning", f"{one.job.name} {one.words}: {one.state.words if one.state else ''}")
    if not has_leader(engine):
        yield Check("jobs", "warning", "no worker leads: start `ipml worker`, unless cron does what it would")
    elif not failing:
        yield Check("jobs", "ok", "a worker leads, and no job failed when it ran last")


def _check_deliveries(engine: Engine) -> Iterator[Check]:
    """Check that messages are delivered and the platform answers."""
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.enforcement.takedown.measures import count_overdue
    from ipml.settings import get_settings
    from ipml.storage.database import reading
    from ipml.storage.outbox import count_backlog

    now = datetime.now(UTC)
    try:
        hours = load_enforcement_policy(get_settings().policy_enforcement).measures.overdue_hours
        with reading(engine) as connection:
            backlogs, overdue = count_backlog(connection, now), count_overdue(connection, now, hours)
    except IpmlError as error:
        yield Check("delivery", "problem", str(error))
        return
    for backlog in backlogs:
        if backlog.dead:
            words = f"{backlog.dead:,} messages to {backlog.channel} were given up; see the page Deliveries"
            yield Check("delivery", "warning", words)
        if backlog.oldest and now - backlog.oldest > timedelta(hours=1):
            words = f"messages to {backlog.channel} wait since {backlog.oldest:%Y-%m-%d %H:%M}"
            yield Check("delivery", "warning", f"{words}; is `ipml worker` running?")
    if overdue:
        words = f"{overdue:,} without a word of the platform for {hours:g} hours; see `ipml enforce measure list`"
        yield Check("measures", "warning", words)
    waiting = sum(backlog.waiting for backlog in backlogs)
    yield Check("delivery", "ok", f"{waiting:,} messages wait")


def _judge_anchors(path: Path | None, problems: list[str]) -> Iterator[Check]:
    if path is None:
        yield Check(
            "anchors", "warning", "kept nowhere: a trail written anew would not show; name a file in IPML_ANCHORS"
        )
    elif not path.exists():
        yield Check("anchors", "warning", f"{path} is not there; `ipml audit anchor` makes it")
    elif not problems:
        yield Check("anchors", "ok", f"the trail is that of {path}")
    for problem in problems:
        yield Check("anchors", "problem", problem)


def _check_appeals(engine: Engine) -> Check:

    from ipml.enforcement.appeals.appeal import count_overdue
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.settings import get_settings
    from ipml.storage.database import reading

    try:
        with reading(engine) as connection:
            overdue = count_overdue(
                connection, load_enforcement_policy(get_settings().policy_enforcement).appeals, datetime.now(UTC)
            )
    except UnusableSetting as error:
        return Check("appeals", "problem", str(error))
    words = f"{overdue:,} overdue; the page Appeals shows them, `ipml worker` must run" if overdue else "none overdue"
    return Check("appeals", "warning" if overdue else "ok", words)


def _check_fairness(url: str | None) -> Iterator[Check]:
    """Check whether small or new sellers are wronged more often than others."""
    from ipml.enforcement.fairness import find_alarms
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.settings import get_settings
    from ipml.storage.database import reading

    with suppress(IpmlError):  # the database has its own check
        engine = open_for_command(url)
        with reading(engine) as connection:
            for found in find_alarms(connection, load_enforcement_policy(get_settings().policy_enforcement)):
                yield Check("fairness", "problem" if found.state == "alarm" else "ok", found.words)
        engine.dispose()


def _check_screening(url: str | None) -> Iterator[Check]:
    """Check whether the budget leaves screened pictures out."""
    from ipml.review.pictures.screened import read_screening
    from ipml.settings import get_settings
    from ipml.storage.database import reading

    if get_settings().pictures is None:
        return
    with suppress(IpmlError):  # the database has its own check
        with reading(open_for_command(url)) as connection:
            found = read_screening(connection, datetime.now(UTC))
        words = found.words + (": see `[pictures]` of the review policy" if found.left_out else "")
        yield Check("screened pictures", "warning" if found.left_out else "ok", words)


def check_model(source: str | None) -> Iterator[Check]:
    """Load the model as scoring would, with all its checks."""
    from ipml.scoring.scorer import load_model

    try:
        yield Check("model", "ok", load_model(source).version)
    except NotFound as error:
        yield Check("model", "warning" if source is None else "problem", str(error))
    except IpmlError as error:
        yield Check("model", "problem", str(error))


def check_access() -> Iterator[Check]:
    """Check whether the settings grant access too widely."""
    from ipml.settings import get_settings
    from ipml.web.server import check_login_settings, find_exposure

    settings = get_settings()
    try:
        check_login_settings(settings)
        exposed = find_exposure(settings, settings.host)
    except IpmlError as error:
        yield Check("login", "problem", str(error))
        return
    ways = ["password", *["provider"] * bool(settings.oidc_issuer), *["proxy"] * bool(settings.trusted_header)]
    yield Check("login", "ok", f"by {', '.join(ways)}")
    for words in exposed:
        yield Check("address", "warning", words)
    if not exposed:
        yield Check("address", "ok", f"the page listens on {settings.host}")
