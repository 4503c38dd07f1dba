"""What a recipient is told of a network, ready to be written: made by `Disclosure` alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ipml.cooperation.clues.worth import Worth
from ipml.cooperation.network.roles import Role

Cell = str | int | float


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a file; columns that the profile does not allow are not there at all."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A member in the picture."""

    name: str
    role: Role
    n_counterfeit: int


@dataclass(frozen=True, slots=True)
class Edge:
    """A link in the picture, by the names of its ends.

    Attributes
    ----------
    words, most : str
        The three things that say most, with their dates; and the first of them, with how many more there are.
    since : datetime
        Since when both have the first thing that they share.
    is_needed : bool
        Whether it is of the links that are enough to join all who are linked.
    """

    first: str
    second: str
    bits: float
    words: str
    most: str
    since: datetime
    is_needed: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A hypothesis on who the source is."""

    name: str
    belief: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What a recipient is told: numbers, dates, codes of the package, and what the profile allows.

    Attributes
    ----------
    n_unnamed : int
        Members that are counted and not named.
    n_held_back : int
        Listings that count and of which no row is in the tables.
    brands, countries : sequence of (str, int)
        Most frequent first; those of too few sellers are not named.
    """

    number: int
    n_members: int
    n_unnamed: int
    n_confirmed: int
    n_confirmed_members: int
    n_listings: int
    n_restricted: int
    n_penalised: int | None
    n_with_evidence: int
    n_links: int
    first_seen: datetime
    last_seen: datetime
    brands: tuple[tuple[str, int], ...]
    countries: tuple[tuple[str, int], ...]
    grounds: tuple[tuple[str, int], ...]
    notices: tuple[tuple[str, int], ...]
    sources: tuple[Source, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    worth: Worth
    members: Table
    links: Table
    listings: Table
    timeline: Table
    shared: tuple[tuple[str, int], ...]
