"""Tables: rows sorted, searched and paged by the address, without scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query

from ipml.errors import Refused
from ipml.web.console.case_list import NO_NUL

PAGE_SIZE = 50
_MOST_PAGES = 100_000

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class TableQuery:
    """The query of a table: column to sort by ("-" before it for descending), words, and page from 1."""

    sort: str = ""
    words: str = ""
    page: int = 1

    @property
    def order(self) -> str:
        """Name of the column to sort by, or ""."""
        return self.sort.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        """Whether the largest value comes first."""
        return self.sort.startswith("-")


def _read_query(
    sort: Annotated[str, Query(pattern="^-?[a-z_]{0,40}$")] = "",
    words: Annotated[str, Query(max_length=200, pattern=NO_NUL)] = "",
    page: Annotated[int, Query(ge=1, le=_MOST_PAGES)] = 1,
) -> TableQuery:
    return TableQuery(sort, words.strip(), page)


AskedTable = Annotated[TableQuery, Depends(_read_query)]


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column of a table, with its name in addresses and its title.

    `sort_by` returns the value of a row to sort by; rows with None come last. Without it a database sorts the rows, or
    the column cannot be sorted by. Numbers are aligned right and sorted from the largest. `css` is a class of the head.
    """

    name: str
    title: str
    sort_by: Callable[[Row], Any] | None = None
    is_number: bool = False
    css: str = ""
    is_sortable: bool = True


@dataclass(frozen=True, slots=True)
class TablePage(Generic[Row]):
    """One page of a table: its rows, and the addresses of its other views.

    `n` counts the rows found on all pages. `kept` are other fields of the address, such as a state or dates; `usual` is
    the default order.
    """

    columns: Sequence[Column[Row]]
    rows: Sequence[Row]
    n: int
    query: TableQuery
    kept: Mapping[str, str] = field(default_factory=dict)
    usual: str = ""
    size: int = PAGE_SIZE

    @property
    def sort(self) -> str:
        """The current order, as in addresses."""
        return self.query.sort or self.usual

    @property
    def n_pages(self) -> int:
        """Number of pages, at least one."""
        return max(1, -(-self.n // self.size))

    @property
    def first(self) -> int:
        """Place of the first row on this page, from 1."""
        return (self.query.page - 1) * self.size + 1

    @property
    def choices(self) -> list[tuple[str, str]]:
        """Each order, as in addresses and in words."""
        return [
            (sign + one.name, f"{one.title}, {words}")
            for one in self.columns
            if one.is_sortable
            for sign, words in (("", "ascending"), ("-", "descending"))
        ]

    def direction_of(self, column: Column[Row]) -> str:
        """Return the value of `aria-sort` for the head of a column."""
        if self.sort.removeprefix("-") != column.name:
            return "none"
        return "descending" if self.sort.startswith("-") else "ascending"

    def sort_address(self, column: Column[Row]) -> str:
        """Return the address of the table sorted by a column, reversed if it is already."""
        first = "-" if column.is_number else ""
        turned = {"none": first, "ascending": "-", "descending": ""}[self.direction_of(column)]
        return self.address(sort=turned + column.name)

    def address(self, **changes: object) -> str:
        """Return the address of another view of the table, on the first page unless a page is given."""
        now: dict[str, object] = {"sort": self.query.sort, "words": self.query.words}
        fields = {**self.kept, **now, **changes}
        said = {name: value for name, value in fields.items() if value != "" and (name, value) != ("page", 1)}
        return "?" + urlencode(said)


def check_order(query: TableQuery, columns: Sequence[Column[Any]]) -> None:
    """Raise Refused if a table has no such order."""
    names = [one.name for one in columns if one.is_sortable]
    if query.sort and query.order not in names:
        raise Refused("sort", repr(query.sort), f'one of {", ".join(names)}, or "-" and one of them')


def page_rows(
    rows: Sequence[Row],
    columns: Sequence[Column[Row]],
    query: TableQuery,
    *,
    text_of: Callable[[Row], str] = str,
    kept: Mapping[str, str] | None = None,
    usual: str = "",
    size: int = PAGE_SIZE,
) -> TablePage[Row]:
    """Return the requested page of a table; equal rows keep their order. Raises Refused for an unknown column.

    `text_of` returns the text of a row that must contain all words, in any case; `usual` is the default order ("" keeps
    that of `rows`).

    >>> columns = [Column("name", "Name", lambda row: row[0]), Column("n", "Cases", lambda row: row[1], is_number=True)]
    >>> page = page_rows([("Ana", 3), ("Bo", None), ("Cy", 9)], columns, TableQuery("-n"))
    >>> page.rows, page.direction_of(columns[1]), page.sort_address(columns[1])
    ([('Cy', 9), ('Ana', 3), ('Bo', None)], 'descending', '?sort=n')
    """
    check_order(query, columns)
    words = query.words.casefold().split()
    found = [row for row in rows if all(word in text_of(row).casefold() for word in words)] if words else list(rows)
    asked = query.sort or usual
    value_of = next((one.sort_by for one in columns if one.name == asked.removeprefix("-")), None)
    if value_of is not None:
        known = [row for row in found if value_of(row) is not None]
        unknown = [row for row in found if value_of(row) is None]
        found = sorted(known, key=value_of, reverse=asked.startswith("-")) + unknown
    start = (query.page - 1) * size
    return TablePage(columns, found[start : start + size], len(found), query, kept or {}, usual, size)
