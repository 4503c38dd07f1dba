"""The part of the audit trail that concerns a case, as it goes into a package.

Each line is a row of the trail, with the number of the row before it in the package (`after`) and a digest of the line
(`check`), so that a changed, dropped, added or moved line can be named. The name of a person is withheld unless asked
for: such a row cannot be hashed again by who does not know the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from ipml.enforcement.evidence.content import canonical, sha256
from ipml.enforcement.evidence.keeping import is_person, name_in_papers
from ipml.errors import SellerErased
from ipml.review.cases import subject_of
from ipml.storage.tables import audit, cases, metadata, outbox, to_microseconds

_NOUNS = ("evidence", "measure", "statement", "strike", "penalty", "appeal", "clock")
_WITHHELD = "person"


def subjects_of_cases(connection: Connection, case_ids: Sequence[int]) -> list[str]:
    """Return what the audit trail calls some cases and all that followed from them: "case:12", "measure:3".

    That is whatever names a case, what refers to that (a penalty to a strike), and the messages about any of it.

    Parameters
    ----------
    case_ids : sequence of int
        No more than some hundred.
    """
    subjects, found = [subject_of(case_id) for case_id in case_ids], {cases.name: list(case_ids)}
    for table in metadata.sorted_tables:  # those that are referred to come first
        key = next(iter(table.primary_key.columns))
        noun = key.name.removesuffix("_id")
        if noun not in _NOUNS:
            continue
        ways = [
            each.parent.in_(found[each.column.table.name])
            for each in table.foreign_keys
            if each.column.table.name in found
        ]
        found[table.name] = list(connection.scalars(select(key).where(or_(*ways)).order_by(key))) if ways else []
        subjects += [f"{noun}:{number}" for number in found[table.name]]
    messages = select(outbox.c.message_id).where(outbox.c.subject.in_(subjects)).order_by(outbox.c.message_id)
    return subjects + [f"message:{number}" for number in connection.scalars(messages)]


def read_rows(connection: Connection, subjects: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows about some subjects as the trail hashes them, in order."""
    query = select(audit).where(audit.c.subject.in_(list(subjects))).order_by(audit.c.sequence)
    return [as_hashed(row) for row in connection.execute(query)]


def as_hashed(row: Row[Any]) -> dict[str, Any]:
    """Return a row of the trail with the columns that its hash is of, and the hash."""
    return {**row._asdict(), "at": to_microseconds(row.at)}


def write_lines(rows: Iterable[dict[str, Any]], names: dict[str, str]) -> str:
    """Return rows as the lines of a package; `names` says what persons are called in it who are not to be named."""
    lines, after = [], 0
    for row in rows:
        veiled = {"actor": names[row["actor"]], "withheld": True} if row["actor"] in names else {}
        line = {**row, **veiled, "after": after}
        lines.append(canonical({**line, "check": sha256(canonical(line).encode("ascii"))}) + "\n")
        after = row["sequence"]
    return "".join(lines)


def veil_actors(connection: Connection, pseudonym: str, rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return what each person among the actors is called in papers on a seller; "person" once the seller was erased."""
    actors = sorted({row["actor"] for row in rows if is_person(row["actor"])})
    try:
        return {actor: name_in_papers(connection, pseudonym, actor) for actor in actors}
    except SellerErased:
        return dict.fromkeys(actors, _WITHHELD)
