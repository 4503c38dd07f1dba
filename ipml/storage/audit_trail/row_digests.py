"""Row digests: detects rows changed without ipml, by digests of audited columns in the audit trail.

Each audit entry about an audited row holds a digest of each of its audited columns at that time
(`ipml.storage.audit_trail.audit.append_events`). So a row must equal its last entry, and between two entries only
columns that the second may change can differ; `ipml.storage.audit_trail.audited_tables` declares both. Values that
could be guessed from a digest are digested together with others that could not.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from binascii import b2a_base64
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, islice, pairwise
from operator import itemgetter
from types import NoneType
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    bindparam,
    cast,
    literal_column,
    null,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.types import TypeEngine

from ipml.storage.audit_trail.audited_tables import AUDITED, Audited
from ipml.storage.tables import Moment, audit, metadata

PREFIX = "row."
"""Prefix of digests in the payload of an entry: "row.decisions"."""

_GONE = "gone"
_REMOVING = frozenset({"erased", "expired"})  # actions with which a row may go
_BYTES = 9  # 72 bits of SHA-256: twelve letters in base 64, and too many to find another value with the same
_LETTERS = _BYTES * 4 // 3
_SHORT = 100  # longest value, in characters, whose digest is cached
_MOST_NUMBERS = 500  # in one query
_AT_ONCE = 5_000
_MANY = 8  # number of rows from which caching repeated values pays
_TOLD_APART = frozenset((str, int, bool))  # types whose equal values have one spelling, unlike 0.0 and -0.0
_STAMP = re.compile(r'"row\.(\w+)":"([^"]*)"')

RowName = tuple[str, int]
"""Table and number."""


def find_spoken_of(action: str, subject: str, payload: Mapping[str, object]) -> Iterator[RowName]:
    """Yield the audited rows that an audit entry is about.

    >>> list(find_spoken_of("decided", "case:12", {"decision": 5, "verdict": "genuine"}))
    [('cases', 12), ('decisions', 5)]
    """
    noun, _, number = subject.partition(":")
    if number.isdecimal():
        for name in _find_tables(noun, action):
            yield name, int(number)
    for noun, name in _NAMED_WITH.get(action, ()):
        named = payload.get(noun)
        if isinstance(named, int):
            yield name, named


@lru_cache(maxsize=1024)
def _find_tables(noun: str, action: str) -> tuple[str, ...]:
    """Return the audited tables of a noun whose rows an action concerns."""
    return tuple(name for name in _TABLES_CALLED.get(noun, ()) if action not in AUDITED[name].silent)


def name_rows(noun: str, numbers: Iterable[int]) -> list[RowName]:
    """Return the audited rows with a noun and numbers, for entries that concern more rows than they name.

    >>> name_rows("item", [7, 8])
    [('notice_items', 7), ('notice_items', 8)]
    """
    return [(name, number) for number in numbers for name in _TABLES_CALLED.get(noun, ())]


def read_digests(connection: Connection, rows: Iterable[RowName]) -> dict[RowName, str]:
    """Return the present digests of existing rows."""
    asked: dict[str, set[int]] = defaultdict(set)
    for name, number in rows:
        asked[name].add(number)
    digests: dict[RowName, str] = {}
    left = {name: iter(sorted(asked[name])) for name in sorted(asked)}
    while batch := {name: some for name, numbers in left.items() if (some := list(islice(numbers, _MOST_NUMBERS)))}:
        for name, read in _read_rows(connection, batch).items():
            if AUDITED[name].part_of is not None:
                read.sort(key=tuple)  # by number and, as of these tables the columns of the key come first, by key
            digests |= {(name, number): digest for number, digest in _digest_rows(name, read)}
    return digests


def _digest_rows(name: str, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[int, str]]:
    """Yield the digests of many rows of a table by number; repeated values of a column are digested once."""
    audited = AUDITED[name]
    if len(rows) < _MANY or audited.part_of is not None or audited.salt is not None:
        return ((number, _digest_row(audited, texts)) for number, texts in _read_texts(name, rows))
    numbers, *columns = zip(*rows, strict=True)
    return zip(numbers, map("".join, zip(*map(_digest_column, columns), strict=True)), strict=True)


def _digest_column(values: Sequence[Any]) -> list[str]:
    kinds = set(map(type, values)) - {NoneType}
    if len(kinds) > 1 or not kinds <= _TOLD_APART:
        return [_digest_again(_encode(value)) for value in values]
    digests = {value: _digest_again(_encode(value)) for value in set(values)}
    return [digests[value] for value in values]


def _read_rows(connection: Connection, numbers: Mapping[str, Sequence[int]]) -> dict[str, list[Sequence[Any]]]:
    """Return rows of several tables by number, in one query."""
    query, places = _query_together(tuple(numbers))
    rows: dict[str, list[Sequence[Any]]] = {name: [] for name in numbers}
    for row in connection.execute(query, dict(numbers)).all():  # at once, as to fetch one by one takes longer
        rows[row[0]].append(places[row[0]](row))
    return rows


def write_digests(rows: Sequence[RowName], digests: Mapping[RowName, str], action: str) -> Iterator[tuple[str, str]]:
    """Yield the digests of rows as entries of a payload."""
    stamps: dict[str, list[str]] = defaultdict(list)
    for name, number in dict.fromkeys(rows):
        digest = digests.get((name, number), _GONE if action in _REMOVING else "")
        if digest:
            stamps[name].append(f"{number}:{digest}")
    return ((PREFIX + name, " ".join(some)) for name, some in stamps.items())


@dataclass(frozen=True, slots=True)
class RowReport:
    """Result of `check_rows`: a line for each problem, and by table the number of rows older than the digests."""

    problems: tuple[str, ...]
    unchecked: Mapping[str, int] = field(default_factory=dict)


def check_rows(connection: Connection, *, at_most: int = 100, show: Callable[[int], object] | None = None) -> RowReport:
    """Compare every audited row with the audit trail, in one pass and little memory.

    At most `at_most` problems are returned. `show` is called now and then with the number of entries read.
    """
    # Digests of the trail are sorted by row in a temporary file of SQLite.
    with closing(sqlite3.connect("")) as scratch:
        trail = _Trail(scratch)
        trail.read(connection, show)
        unchecked: dict[str, int] = {}
        problems = (line for name in AUDITED for line in _check_table(connection, trail, name, unchecked))
        return RowReport(tuple(islice(problems, at_most)), unchecked)


class _Trail:
    """Digests in the audit trail by table and number."""

    def __init__(self, said: sqlite3.Connection) -> None:
        self._said = said
        self._said.execute("CREATE TABLE said (name TEXT, number INTEGER, sequence INTEGER, action TEXT, digest TEXT)")
        self.first: dict[str, int] = {}
        """Smallest number of a row whose creation is in the trail, by table."""
        self.is_of_older_release = False
        """Whether rows came before the trail held digests."""

    def read(self, connection: Connection, show: Callable[[int], object] | None) -> None:
        query = select(audit.c.sequence, audit.c.action, audit.c.payload).order_by(audit.c.sequence)
        entries = connection.execute(query.execution_options(yield_per=_AT_ONCE))
        for count, part in enumerate(entries.partitions(), 1):
            self._said.executemany("INSERT INTO said VALUES (?, ?, ?, ?, ?)", self._read_some(part))
            if show:
                show(count * _AT_ONCE)

    def _read_some(self, entries: Iterable[Any]) -> Iterator[tuple[str, int, int, str, str]]:
        for sequence, action, payload in entries:
            stamps = _STAMP.findall(payload)
            if not stamps and action in _BEGINNING:
                self.is_of_older_release = True
            for name, stamp in stamps:
                if name not in AUDITED:
                    continue
                begins = action in AUDITED[name].begun
                for part in stamp.split(" "):
                    number, _, digest = part.partition(":")
                    if begins:  # the first of several rows is the created one
                        self.first[name] = min(int(number), self.first.get(name, int(number)))
                        begins = False
                    yield name, int(number), sequence, action, digest

    def of_table(self, name: str) -> Iterator[tuple[int, list[tuple[int, str, str]]]]:
        """Yield number and entries (sequence, action, digest) of each row of a table in order."""
        query = "SELECT number, sequence, action, digest FROM said WHERE name = ? ORDER BY number, sequence"
        for number, some in groupby(self._said.execute(query, (name,)), key=itemgetter(0)):
            yield number, [digest[1:] for digest in some]

    def precedes_digests(self, name: str, number: int) -> bool:
        """Return whether a row without entries is older than the digests."""
        return self.is_of_older_release and 0 < number < self.first.get(name, number + 1)


def _check_table(connection: Connection, trail: _Trail, name: str, unchecked: dict[str, int]) -> Iterator[str]:
    audited = AUDITED[name]
    rows = _read_texts(name, connection.execute(_QUERIES[name].execution_options(yield_per=_AT_ONCE)))
    recorded = trail.of_table(name)
    row, spoken = next(rows, None), next(recorded, None)
    while row is not None or spoken is not None:
        if spoken is None or (row is not None and row[0] < spoken[0]):
            assert row is not None
            if trail.precedes_digests(name, row[0]):
                unchecked[name] = unchecked.get(name, 0) + 1
            else:
                yield f"{name} {row[0]}: the audit trail has no record of it"
            row = next(rows, None)
            continue
        number, entries = spoken
        yield from _check_entries(audited, name, number, entries)
        sequence, _, digest = entries[-1]
        if row is None or row[0] > number:
            if digest != _GONE:
                yield f"{name} {number}: is gone, though audit row {sequence} records it"
        else:
            for column in _differing(audited, digest, _digest_row(audited, row[1])):
                yield f"{name} {number}: {column} is not what audit row {sequence} says"
            row = next(rows, None)
        spoken = next(recorded, None)


def _check_entries(audited: Audited, name: str, number: int, entries: Sequence[tuple[int, str, str]]) -> Iterator[str]:
    """Yield changes between two entries in columns that the second may not change."""
    for (_, _, before), (sequence, action, after) in pairwise(entries):
        if before == after or after == _GONE:
            continue
        for column in _differing(audited, before, after):
            allowed = audited.columns.get(column, ())
            if allowed is not None and action not in allowed:
                yield f"{name} {number}: {column} was changed before audit row {sequence}, which does not change it"


def _differing(audited: Audited, one: str, other: str) -> list[str]:
    if one == other:
        return []
    if _GONE in (one, other):
        return ["every column"]
    length = min(len(one), len(other))  # a declaration may have grown
    places = enumerate(range(0, length, _LETTERS))
    names = list(audited.columns)
    return [names[place] for place, at in places if one[at : at + _LETTERS] != other[at : at + _LETTERS]]


def _read_texts(name: str, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the texts to digest by number; rows of one number must be consecutive."""
    if AUDITED[name].part_of is None:
        yield from ((row[0], [_encode(value) for value in row[1:]]) for row in rows)
        return
    for number, part in groupby(rows, key=itemgetter(0)):
        columns = zip(*(map(_encode, row[1:]) for row in part), strict=True)
        yield number, ["\n".join(texts) for texts in columns]


def _digest_row(audited: Audited, texts: Sequence[str]) -> str:
    """Return the concatenated digests of the columns of a row."""
    if audited.salt is None:
        return "".join(map(_digest_again, texts))
    salt, salted = texts[list(audited.columns).index(audited.salt)], audited.salted
    columns = zip(audited.columns, texts, strict=True)
    return "".join(_digest(f"{salt}\n{text}") if name in salted else _digest_again(text) for name, text in columns)


def _encode(value: object) -> str:
    """Return a value as a text that no other value has.

    >>> _encode(None), _encode(True), _encode(1), _encode(1.0), _encode("1")
    ('n', 'True', '1', '1.0', "'1")
    """
    return f"'{value}" if isinstance(value, str) else "n" if value is None else repr(value)


def _digest(text: str) -> str:
    hashed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return b2a_base64(hashed[:_BYTES], newline=False).decode("ascii")


_digest_short = lru_cache(maxsize=4096)(_digest)


def _digest_again(text: str) -> str:
    return _digest_short(text) if len(text) < _SHORT else _digest(text)


def _key_of(name: str) -> Column[Any]:
    numbered, _ = AUDITED[name].part_of or (name, "")
    (key,) = metadata.tables[numbered].primary_key
    return key


def _query(name: str) -> Select[Any]:
    """Return the query of number and digested columns, with times in microseconds, ordered by number."""
    table, part_of = metadata.tables[name], AUDITED[name].part_of
    columns = [table.c[column] for column in AUDITED[name].columns]
    query = select(
        _key_of(name),
        *(type_coerce(column, BigInteger) if isinstance(column.type, Moment) else column for column in columns),
    )
    if part_of is not None:
        whole, column = metadata.tables[part_of[0]], part_of[1]
        query = query.select_from(table.join(whole, whole.c[column] == table.c[column]))
    return query.order_by(_key_of(name), *(key for key in table.primary_key if key is not _key_of(name)))


@lru_cache(maxsize=256)  # building the query takes longer than running it
def _query_together(names: tuple[str, ...]) -> tuple[Select[Any] | CompoundSelect[Any], dict[str, itemgetter[Any]]]:
    """Return the query of rows of several tables by number, and functions that pick each table's columns."""
    layout, places = _lay_out({name: [column.type for column in _QUERIES[name].selected_columns] for name in names})
    queries = []
    for name in names:
        filled: list[ColumnElement[Any]] = [cast(null(), kind) for kind in layout]
        for place, column in zip(places[name], _QUERIES[name].selected_columns, strict=True):
            filled[place] = column
        labelled = [column.label(f"column_{place}") for place, column in enumerate(filled)]
        query = _QUERIES[name].with_only_columns(literal_column(f"'{name}'"), *labelled, maintain_column_froms=True)
        queries.append(query.where(_key_of(name).in_(bindparam(name, expanding=True))))
    pickers = {name: itemgetter(*(place + 1 for place in places[name])) for name in names}
    if len(queries) == 1:
        return queries[0], pickers
    return union_all(*(query.order_by(None) for query in queries)), pickers


def _lay_out(types: Mapping[str, Sequence[TypeEngine[Any]]]) -> tuple[list[TypeEngine[Any]], dict[str, list[int]]]:
    """Return common column types for several tables, and the places of each table's columns among them."""
    layout: list[TypeEngine[Any]] = []
    places: dict[str, list[int]] = {}
    for name, wanted in types.items():
        places[name] = []
        for kind in wanted:
            fitting = (at for at, field in enumerate(layout) if type(field) is type(kind) and at not in places[name])
            place = next(fitting, len(layout))
            if place == len(layout):
                layout.append(kind)
            places[name].append(place)
    return layout, places


_QUERIES = {name: _query(name) for name in AUDITED}
_TABLES_CALLED: dict[str, list[str]] = defaultdict(list)
_NAMED_WITH: dict[str, list[tuple[str, str]]] = defaultdict(list)
_BEGINNING = frozenset(action for audited in AUDITED.values() for action in audited.begun)
for _name, _audited in AUDITED.items():
    _TABLES_CALLED[_audited.noun].append(_name)
    for _action in _audited.actions:
        _NAMED_WITH[_action].append((_audited.noun, _name))
