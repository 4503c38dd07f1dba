"""Write the pages of `docs/reference/` from the code: `python docs/make_reference.py`, or `--check` to compare only.

A page is a function that returns Markdown; `PAGES` names them all, and the larger ones have a module beside this one.
Nothing on a page depends on the day, the machine, the width of a terminal or the version, so that the same code gives
the same pages: `tests/test_reference.py` holds it.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from reference_commands import make_commands
from reference_http_api import make_http_api
from reference_text import (
    as_code,
    as_sentence,
    escape_html,
    link,
    name_bounds,
    name_type,
    show_default,
    split_docstring,
    write_code,
    write_json,
    write_page,
    write_table,
)
from reference_webhooks import make_webhooks
from sqlalchemy import CheckConstraint, Column, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite
from table_purposes import PURPOSES

from ipml.listings.column_maps import ColumnMap, Source
from ipml.listings.fields import FIELDS, Field, make_json_schema
from ipml.listings.kinds import Kind
from ipml.listings.seller_events import EVENT_FIELDS, HISTORY_COLUMNS
from ipml.settings import Settings
from ipml.storage.tables import metadata

FOLDER = Path(__file__).with_name("reference")
PACKAGE = Path(str(files("ipml")))


# Settings

_SETTING_GROUPS: Mapping[str, Sequence[str]] = {
    "Review database and audit trail": ("database", "anchor", "erased"),
    "Model and training": ("tracking", "model", "most_width", "data", "brands"),
    "Policies": ("policy", "networks"),
    "Outgoing messages": ("webhook", "transparency"),
    "Web console": ("host", "port", "public_url", "lease_minutes", "undo_minutes"),
    "Login": ("session_hours", "idle_minutes", "trusted", "oidc"),
    "Scoring API": ("api", "model_reload_seconds"),
    "Queue": ("near_duplicates", "spread_audit_share", "explore"),
    "Review quality": ("control", "repeat", "audit", "second"),
}
"""For each heading how the names of its settings begin; the longest beginning decides."""


_RULE_KEYS: Mapping[str, str] = {
    "verdict": "the verdict that needs a second person",
    "categories": "only listings of these categories of the marketplace",
    "least_price": "only listings that cost at least this much, in `currency`",
    "currency": "ISO 4217 code of `least_price`",
    "least_seller_sales": "only listings of sellers with at least so many sales",
}
"""What the keys of a rule for second persons mean."""


def make_settings() -> str:
    """Return the page of settings."""
    prefix = Settings.model_config.get("env_prefix", "")
    groups: dict[str, list[str]] = {heading: [] for heading in (*_SETTING_GROUPS, "Other settings")}
    for name in Settings.model_fields:
        groups[_find_group(name)].append(name)
    parts = [
        f"A setting is read once, when a command starts: from the environment variable, else from the file `.env` in "
        f"the working directory, else from the default here. Every variable begins with `{prefix}`. An option of a "
        "command goes before its setting. What is JSON is written on one line."
    ]
    for heading, names in groups.items():
        rows = [_describe_setting(f"{prefix}{name}".upper(), Settings.model_fields[name]) for name in names]
        table = write_table(("Environment variable", "Type", "Default", "Meaning"), rows)
        parts += [f"## {heading}", table] if table else []
    for model in _find_models(Settings):
        parts += [f"## {model.__name__}", _first_paragraph(model), _tabulate_model(model, _RULE_KEYS)]
    about = "Every setting of ipml: its environment variable, type, default and meaning."
    return write_page("Settings", about, parts)


def _find_group(name: str) -> str:
    fits = [
        (len(start), heading)
        for heading, starts in _SETTING_GROUPS.items()
        for start in starts
        if name.startswith(start)
    ]
    return max(fits, default=(0, "Other settings"))[1]


def _describe_setting(variable: str, field: FieldInfo) -> tuple[str, ...]:
    kind = name_type(field.annotation)
    kind = f"JSON: {kind}".replace("table", "object") if kind.startswith(("list", "table")) else kind
    bounds = name_bounds(field)
    return (
        as_code(variable),
        f"{kind}, {bounds}" if bounds else kind,
        show_default(field.default),
        as_sentence((field.description or "").removeprefix("as JSON: ")),
    )


def _find_models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for field in model.model_fields.values():
        for one in (field.annotation, *get_args(field.annotation)):
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield one


def _tabulate_model(model: type[BaseModel], meanings: Mapping[str, str] = MappingProxyType({})) -> str:
    said = {**split_docstring(model), **meanings}
    rows = [
        (
            as_code(name),
            ", ".join(filter(None, (name_type(field.annotation), name_bounds(field)))),
            show_default(field.default if not field.is_required() else None),
            as_sentence(field.description or said.get(name, "")),
        )
        for name, field in model.model_fields.items()
    ]
    return write_table(("Key", "Type", "Default", "Meaning"), rows)


def _first_paragraph(documented: object) -> str:
    text = re.split(r"\n\n?(?:Parameters|Attributes|Examples|Raises|Returns)\n-+\n", inspect.getdoc(documented) or "")[
        0
    ]
    return escape_html(text)


# Columns

_MAP_KEYS: Mapping[str, str] = {
    "name": "name of the map",
    "description": "what it is for, and what should be known of it",
    "separator": "what stands between the cells of a CSV file; one sign",
}
_SOURCE_KEYS: Mapping[str, str] = {
    "column": 'column of the file; "offers.price" goes into nested JSON',
    "first_of": "columns of the file, of which the first one with a value counts",
    "value": "the same value for every listing",
    "row_number": "the value is this text and the number of the row",
    "values": "what a cell becomes, by its text",
    "other": "what a cell becomes that is not among `values`; without it such a cell is a problem",
}
"""Said here where the docstring of the class says it of several keys at once."""


def make_columns() -> str:
    """Return the page of columns and column maps."""
    parts = [
        "## Columns of a listing",
        "A table of listings is CSV, Parquet or JSON lines. Columns may stand in any order, and optional ones may be "
        "absent; columns of other names are refused. A price needs its currency beside it.",
        _tabulate_fields(FIELDS),
        "One listing as a JSON object, as the HTTP API takes it:",
        write_json(make_json_schema()["examples"][0]),
        "## Columns of a seller event",
        "Seller history can be computed from a table of events. An event counts from the moment at which it was known, "
        "so that no score uses what became known later. From the events come the columns "
        + ", ".join(map(as_code, HISTORY_COLUMNS))
        + ".",
        _tabulate_fields(EVENT_FIELDS),
        "## Column maps",
        "A column map is a TOML file that says how the columns of a file become those above; it is given with "
        "`--columns`. `ipml data guess-columns FILE` writes a first one.",
        "### Keys of a column map",
        _tabulate_model(ColumnMap, _MAP_KEYS),
        "### Keys of a source",
        "Under `[columns]`, each column of ipml is given its source: the name of a column of the file, or a table of "
        "these keys. Exactly one of `column`, `first_of`, `value` and `row_number` is there.",
        _tabulate_model(Source, _SOURCE_KEYS),
        "## Column maps that ship with ipml",
    ]
    for path in sorted(PACKAGE.glob("listings/**/*.toml")):
        if {"name", "columns"} <= tomllib.loads(path.read_text("utf-8")).keys():
            parts += [f"### {path.stem}", write_code(path.read_text("utf-8"), "toml")]
    about = "The columns of listings and of seller events, and the keys of a column map that makes them of other files."
    return write_page("Columns", about, parts)


def _tabulate_fields(fields: Sequence[Field]) -> str:
    rows = [
        (
            as_code(field.name),
            str(field.kind),
            "yes" if field.is_required else "no",
            _name_unit(field),
            as_sentence(field.meaning),
            as_sentence(field.expected),
        )
        for field in fields
    ]
    return write_table(("Column", "Type", "Required", "Unit", "Meaning", "Bounds"), rows)


def _name_unit(field: Field) -> str:
    units = {Kind.SHARE: "share, 0–1", Kind.MOMENT: "ISO 8601, any zone", Kind.COUNT: "count"}
    if field.name.endswith("_days"):
        return "days"
    return "`currency`" if field.name == "price" else units.get(field.kind, "")


# Tables


def make_tables() -> str:
    """Return the page of the tables of the review database."""
    rows = [(link(name), PURPOSES.get(name, "")) for name in sorted(metadata.tables)]
    parts = [
        "Where SQLite and PostgreSQL name a type differently, both names are given. A moment is a whole number of "
        "microseconds since 1970 in UTC, a flag true or false (on SQLite 1 or 0). "
        "The tables are no interface: they change with migrations, and what writes to them besides ipml breaks the "
        "audit trail.",
        write_table(("Table", "Purpose"), rows),
    ]
    for name in sorted(metadata.tables):
        parts += [f"## {name}", *_describe_table(metadata.tables[name])]
    return write_page("Tables", "Every table of the review database: its purpose, columns, types and keys.", parts)


def _describe_table(table: Table) -> Iterator[str]:
    yield as_sentence(PURPOSES.get(table.name, ""))
    rows = [
        (
            as_code(column.name),
            _name_column_type(column),
            "yes" if column.nullable else "no",
            _name_keys(column),
            as_sentence(column.doc or ""),
        )
        for column in table.columns
    ]
    yield write_table(("Column", "Type", "Nullable", "Keys", "Meaning"), rows)
    rules = sorted(
        str(one.sqltext) if isinstance(one, CheckConstraint) else f"unique: {', '.join(one.columns.keys())}"
        for one in table.constraints
        if isinstance(one, CheckConstraint) or (isinstance(one, UniqueConstraint) and len(one.columns) > 1)
    )
    indexes = sorted(_describe_index(one) for one in table.indexes)
    yield f"Rules: {', '.join(map(as_code, rules))}." if rules else ""
    yield f"Indexes: {', '.join(map(as_code, indexes))}." if indexes else ""


def _describe_index(index: Any) -> str:
    columns = ", ".join(getattr(one, "name", None) or str(one) for one in index.expressions)
    where = index.dialect_options["sqlite"]["where"]
    return f"{'unique ' if index.unique else ''}({columns}){f' where {where}' if where is not None else ''}"


def _name_column_type(column: Column[Any]) -> str:
    kind = type(column.type).__name__.lower()
    if kind in ("moment", "flag"):
        return kind
    dialects: tuple[Any, ...] = (sqlite, postgresql)
    return " / ".join(dict.fromkeys(str(column.type.compile(dialect=one.dialect())) for one in dialects))


def _name_keys(column: Column[Any]) -> str:
    keys = ["primary"] if column.primary_key else []
    keys += [f"→ {link(one.column.table.name)}" for one in sorted(column.foreign_keys, key=str)]
    return ", ".join([*keys, *(["unique"] if column.unique else [])])


# Policies

_POLICY_TITLES: Mapping[str, tuple[str, str]] = {
    "review": (
        "Ranking policy",
        "What a review is worth, and by when it must be made. `IPML_POLICY_REVIEW` names a copy.",
    ),
    "enforcement": ("Enforcement policy", "What follows from a decision. `IPML_POLICY_ENFORCEMENT` names a copy."),
    "cooperation": ("Cooperation policy", "How others are heard and told. `IPML_POLICY_COOPERATION` names a copy."),
    "model": (
        "Rules of the gate",
        "What a model must show to become champion. `ipml model promote --rules` names a copy.",
    ),
}


def make_policies() -> str:
    """Return the page of the policies that ship with the package."""
    parts = [
        "To change one, copy the file, edit the copy and name it as stated. A key that ipml does not know is refused."
    ]
    for path in find_policies():
        place = path.relative_to(PACKAGE)
        title, meaning = _POLICY_TITLES[place.parts[0]]
        if place.stem == "rules":
            title, meaning = "Rules of networks", "How much a shared detail links two sellers. `--rules` names a copy."
        parts += [
            f"## {title}",
            f"{meaning} The file is `ipml/{place.as_posix()}`.",
            write_code(path.read_text("utf-8"), "toml"),
        ]
    return write_page("Policies", "Every policy that ships with ipml: its file, with comments and usual values.", parts)


def find_policies() -> list[Path]:
    """Return the files of policies in the package, wherever they lie."""
    names, folders = ("ranking", "policy", "enforcement", "cooperation", "rules", "gate"), list(_POLICY_TITLES)
    found = [path for path in PACKAGE.rglob("*.toml") if path.stem in names]
    return sorted(found, key=lambda path: (folders.index(path.relative_to(PACKAGE).parts[0]), path.stem, path))


# All pages

PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": make_settings,
    "commands.md": make_commands,
    "columns.md": make_columns,
    "http-api.md": make_http_api,
    "webhooks.md": make_webhooks,
    "tables.md": make_tables,
    "policies.md": make_policies,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every page, or with --check name those that are outdated; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the reference pages from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is outdated")
    is_check = parser.parse_args(arguments).check
    outdated = []
    for name, make in PAGES.items():
        path, page = FOLDER / name, make()
        if path.exists() and path.read_text("utf-8") == page:
            continue
        outdated.append(name)
        if not is_check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(page, "utf-8")
    for name in outdated:
        print(f"docs/reference/{name}: {'outdated' if is_check else 'written'}")
    return 1 if is_check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
