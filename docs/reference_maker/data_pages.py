"""The pages on what ipml reads and stores: settings, columns, tables, policies. Each function returns a page."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import CheckConstraint, Column, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite

from ipml.listings.fields import FIELDS, Field, make_json_schema
from ipml.listings.kinds import Kind
from ipml.listings.maps.column_maps import ColumnMap, Source
from ipml.listings.seller_events import EVENT_FIELDS, HISTORY_COLUMNS
from ipml.settings import Settings
from ipml.storage.tables import metadata
from reference_maker.markdown import (
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
"""Meaning of the keys of a rule for second persons."""


def make_settings() -> str:
    """Return the page of settings."""
    prefix = Settings.model_config.get("env_prefix", "")
    groups: dict[str, list[str]] = {heading: [] for heading in (*_SETTING_GROUPS, "Other settings")}
    for name in Settings.model_fields:
        groups[_find_group(name)].append(name)
    parts = [
        f"A setting is read once, when a command starts: from the environment variable, else from the file `.env` in "
        f"the working directory, else from the default here. Every variable begins with `{prefix}`. An option of a "
        "command goes before its setting. JSON is written on one line."
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
    meanings = {**split_docstring(model), **meanings}
    rows = [
        (
            as_code(name),
            ", ".join(filter(None, (name_type(field.annotation), name_bounds(field)))),
            show_default(field.default if not field.is_required() else None),
            as_sentence(field.description or meanings.get(name, "")),
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
    "description": "its purpose, and facts worth knowing",
    "separator": "separator of the cells of a CSV file; one character",
}
_SOURCE_KEYS: Mapping[str, str] = {
    "column": 'column of the file; "offers.price" goes into nested JSON',
    "first_of": "columns of the file, of which the first one with a value counts",
    "value": "the same value for every listing",
    "row_number": "the value is this text and the number of the row",
    "values": "new value of a cell, by its text",
    "other": "new value of cells that are not among `values`; without it such a cell is a problem",
}
"""Meanings for keys that the docstring of the class describes together."""


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
        "so that no score uses later knowledge. The events give the columns "
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

PURPOSES: Mapping[str, str] = {
    "appeal_outcomes": "Outcomes of appeals, with person and reason.",
    "appeals": "Complaints and counter-notices of sellers against measures, penalties and decisions.",
    "audit": "The audit trail: every action in order, each row chained to the one before by its hash.",
    "automatic_decisions": "Decisions made by a policy without review, and the precision guarantee they rest on.",
    "automatic_draws": "Cases drawn at random that people review to check an automatic policy.",
    "bands": "Parts of the signatures of listings, by which near-duplicates are found.",
    "case_comments": "Comments of reviewers on cases; each is encrypted with the seller's key.",
    "inbox_messages": "Messages to people about their work: mentions, escalations, appeals, differing second reviews.",
    "case_texts": "The folded text of each case, for searching.",
    "translations": "Machine translations of titles, if the operator names a service for them.",
    "cases": "The review queue: a row for each listing, or version of it, with its score, rank, state and claim.",
    "deadline_events": "Events of each deadline: begun, paused, extended, expired.",
    "deadlines": "Legal and agreed deadlines, running or over.",
    "referral_outcomes": "Outcome of each referral, as reported by its recipient.",
    "referrals": "Referrals: networks of sellers handed to an authority or a rights holder.",
    "decisions": "Verdicts of reviewers and of policies, with ground and moment; rows are only appended.",
    "disclosures": "Sellers whose data each referral disclosed to its recipient.",
    "enforcement_policies": "Every enforcement policy used, by its digest.",
    "erasures": "Sellers whose data was erased, by pseudonym.",
    "evidence": "Evidence for each decision, encrypted with the seller's key.",
    "changes": "Assignments, snoozes, control cases, queues and list entries that people can undo, for some days.",
    "control_cases": "Control cases: cases of known truth, which measure reviewers.",
    "identities": "Accounts of OpenID Connect providers, with the user each belongs to.",
    "jobs": "The timed jobs of `ipml worker`: last run with its result, and next run.",
    "legal_holds": "Records of sellers that must not be deleted for now.",
    "linked_accounts": "Accounts that share much with a penalised seller, and a lead's verdict on them.",
    "listings": "The latest version of each listing that the marketplace submitted, with its score.",
    "second_reviews": "Second reviews to be done: case, reviewer, earliest moment.",
    "measure_messages": "Messages in the outbox that impose or lift measures.",
    "measure_stakes": "Estimated costs of each measure: the seller's loss a day and the harm prevented.",
    "measures": "Measures on listings: imposed, applied by the platform, lifted, undone.",
    "notice_items": "The listings that each notice names, with their state.",
    "notice_templates": "Texts of notices that a brand reuses, encrypted.",
    "notices": "Notices of rights holders and complaints of consumers.",
    "notifier_appointments": "Trusted flaggers and authorities, present and former, with the ground of appointment.",
    "notifier_steps": "Warnings and suspensions of notifiers, and their end.",
    "notifiers": "Notifiers, each with a pseudonym and a key.",
    "second_verdicts": "Verdicts of second reviews.",
    "outbox": "Messages that wait for delivery, were delivered, or are dead letters.",
    "penalties": "Penalties of sellers: proposed, imposed, ended.",
    "picture_groups": "Pictures that look the same, by the perceptual hash of the first of them.",
    "pictures": "The pictures of each case: address, and the fetched copy or the reason why there is none.",
    "picture_proposals": "Pictures of known goods that a brand proposes, and the answer.",
    "platform_answers": "Answers of the platform to each message.",
    "portfolio_listings": "Listings that count in the portfolio of their seller, by the version of the model.",
    "portfolios": "Sums of listing scores of each seller, by the version of the model.",
    "promises": "State of the precision guarantee of automatic decisions, by brand and over time.",
    "rankings": "Every ranking policy that was put in force, with its author.",
    "review_queues": "Queues by brand, category and script, with the people who work them.",
    "reversals": "Decisions that were taken back, with person and reason.",
    "screened_pictures": "Pictures of listings outside the queue, screened by the policy, and their matches.",
    "screening_days": "Cost of fetching these on each day, and how many were left out.",
    "reference_pictures": "Pictures of goods known to be genuine or counterfeit.",
    "rights_documents": "Documents of rights to a brand, and their acceptance.",
    "rights_files": "Files of those documents, encrypted.",
    "seeds": "Seeds for drawing listings at random.",
    "seller_languages": "Language for writing to each seller, from their latest listing.",
    "seller_events": "Events of sellers: sales, returns, complaints, ratings, as the marketplace submitted them.",
    "seller_keys": "The pseudonym and the key of each seller; without the key none of their data can be read.",
    "seller_list_entries": "Lists of sellers: authorised, denied or watched, with start and end.",
    "seller_proposals": "Sellers that a brand proposes as authorised, and the answer.",
    "sessions": "Open logins.",
    "sample_cases": "Cases that each sample brought into the queue.",
    "sample_strata": "The strata of each sample, with size and sampling probability.",
    "samples": "Samples: each scored file and day of a stream from which listings were enqueued, with the rule.",
    "note_templates": "Texts that fill the note of a verdict, by ground.",
    "saved_views": "Named filters of the list of cases, personal or shared.",
    "start_views": "The saved view with which each person's list opens.",
    "stream_strata": "The strata of each day of a stream, with size so far and sampling probability.",
    "spread_audits": "Near-duplicates that a person reviews although the decision on another would cover them.",
    "statements": "Statements of reasons: the public record, and the letter to the seller, encrypted.",
    "strikes": "Strikes of sellers, each from a decision.",
    "strikes_taken_back": "Strikes that no longer count, with the reason.",
    "tries": "Failed attempts to log in, for limiting their number.",
    "user_brands": "Accounts that act for a brand and notifier in the brand portal.",
    "user_sellers": "Users who also sell, so that they do not review their own listings.",
    "users": "Users of the web console, with their role.",
}
"""Purpose of each table of the review database; a new table gets a line here."""


def make_tables() -> str:
    """Return the page of the tables of the review database."""
    rows = [(link(name), PURPOSES.get(name, "")) for name in sorted(metadata.tables)]
    parts = [
        "Where SQLite and PostgreSQL name a type differently, both names are given. A moment is a whole number of "
        "microseconds since 1970 in UTC, a flag true or false (on SQLite 1 or 0). "
        "The tables are no interface: they change with migrations, and any other program that writes to them breaks "
        "the audit trail.",
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

_POLICIES: Mapping[str, tuple[str, str]] = {
    "review/ranking/policy.toml": (
        "Ranking policy",
        "Expected value of a review, and its deadline. `IPML_POLICY_REVIEW` names a copy.",
    ),
    "enforcement/policy.toml": (
        "Enforcement policy",
        "Actions that follow from a decision. `IPML_POLICY_ENFORCEMENT` names a copy.",
    ),
    "cooperation/policy.toml": (
        "Cooperation policy",
        "Rules of notices, referrals and reports. `IPML_POLICY_COOPERATION` names a copy.",
    ),
    "cooperation/networks/rules.toml": (
        "Rules of networks",
        "Weight of each detail that two sellers share. `--rules` names a copy.",
    ),
    "model/promotion/gate.toml": (
        "Rules of the gate",
        "Requirements for a model to become champion. `ipml model promote --rules` names a copy.",
    ),
}


def make_policies() -> str:
    """Return the page of the policies that ship with the package."""
    parts = [
        "To change one, copy the file, edit the copy and name it as stated. A key that ipml does not know is refused."
    ]
    for place, (title, meaning) in _POLICIES.items():
        text = (PACKAGE / place).read_text("utf-8")
        parts += [f"## {title}", f"{meaning} The file is `ipml/{place}`.", write_code(text, "toml")]
    return write_page("Policies", "Every policy that ships with ipml: its file, with comments and usual values.", parts)
