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

from ipml.listings.column_maps import ColumnMap, Source
from ipml.listings.fields import FIELDS, Field, make_json_schema
from ipml.listings.kinds import Kind
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

PURPOSES: Mapping[str, str] = {
    "appeal_outcomes": "How each appeal was decided, by whom and why.",
    "appeals": "Complaints and counter-notices of sellers against measures, penalties and decisions.",
    "audit": "The audit trail: every action in order, each row chained to the one before by its hash.",
    "automatic_decisions": "Decisions made by a policy without review, and the promise of precision they rest on.",
    "automatic_draws": "Cases drawn at random for people to watch an automatic policy by.",
    "bands": "Parts of the signatures of listings, by which near-duplicates are found.",
    "case_comments": "What reviewers wrote on cases; each is encrypted with the seller's key.",
    "case_texts": "The folded text of each case, in which a search looks.",
    "translations": "Titles as a machine translated them, where the operator names a service for it.",
    "cases": "The review queue: a row for each listing, or version of it, with its score, rank, state and claim.",
    "deadline_events": "What happened to each deadline: begun, paused, extended, expired.",
    "deadlines": "Deadlines, legal and agreed, that run or have run.",
    "referral_outcomes": "What became of each referral, as the recipient said.",
    "referrals": "Referrals: networks of sellers handed to an authority or a rights holder.",
    "decisions": "Verdicts of reviewers and of policies, with ground and moment; rows are only appended.",
    "disclosures": "Of which sellers each referral told its recipient.",
    "enforcement_policies": "Every enforcement policy that was used, by its digest.",
    "erasures": "Sellers whose data was erased, by pseudonym.",
    "evidence": "What each decision rested on, encrypted with the seller's key.",
    "control_cases": "Control cases: cases whose truth is known, to measure reviewers by.",
    "identities": "Which account of an OpenID Connect provider belongs to which user.",
    "jobs": "The timed jobs of `ipml worker`: when each ran last and runs next, and what became of it.",
    "legal_holds": "Records of sellers that must not be deleted for now.",
    "linked_accounts": "Accounts that share much with a penalised seller, and what a lead made of them.",
    "listings": "Each listing as the marketplace submitted it last, with its score.",
    "second_reviews": "Second reviews that are wanted: of which case, by whom, from when.",
    "measure_messages": "Which message in the outbox imposes or lifts which measure.",
    "measure_stakes": "What each measure puts at stake: the seller's loss a day and the harm prevented.",
    "measures": "Measures on listings: imposed, done by the platform, lifted, undone.",
    "notice_items": "The listings that each notice names, and how each stands.",
    "notices": "Notices of rights holders and complaints of consumers.",
    "notifier_appointments": "Who is or was a trusted flagger or an authority, and on what ground.",
    "notifier_steps": "Warnings and suspensions of notifiers, and their end.",
    "notifiers": "Those who give notice, each with a pseudonym and a key.",
    "second_verdicts": "Verdicts of second reviews.",
    "outbox": "Messages that wait for delivery, were delivered, or are dead letters.",
    "penalties": "Penalties of sellers: proposed, imposed, ended.",
    "picture_groups": "Pictures that look the same, by the perceptual hash of the first of them.",
    "pictures": "The pictures of each case: where the listing says that they are, and what was fetched, or why not.",
    "platform_answers": "What the platform answered to each message.",
    "portfolio_listings": "Which listings count in the portfolio of their seller, by the version of the model.",
    "portfolios": "How suspicious the listings of each seller looked to each version of the model, as sums.",
    "promises": "Whether the promised precision of automatic decisions is shown, by brand and over time.",
    "rankings": "Every ranking policy that was put in force, and by whom.",
    "review_queues": "Queues by brand, category and script, with the people who work them.",
    "reversals": "Decisions that were taken back, by whom and why.",
    "screened_pictures": "Pictures of listings that wait for nobody, screened as the policy says, and what matched.",
    "screening_days": "What fetching these cost on each day, and how many were left out.",
    "reference_pictures": "Pictures of goods that are known to be genuine or counterfeit, as they were handed in.",
    "rights_documents": "Documents of rights to a brand, and whether they were accepted.",
    "rights_files": "Files of those documents, encrypted.",
    "seeds": "Seeds by which listings are drawn at random.",
    "seller_languages": "In which language sellers are written to, as a listing of theirs said last.",
    "seller_events": "What happened to sellers: sales, returns, complaints, ratings, as the marketplace submitted it.",
    "seller_keys": "The pseudonym and the key of each seller; without the key nothing of theirs can be read.",
    "seller_list_entries": "Lists of sellers: who is or was authorised, denied or watched, until when.",
    "seller_proposals": "Sellers that a brand says are authorised, and what was made of it.",
    "sessions": "Logins that are open.",
    "sample_cases": "Which cases each sample brought into the queue.",
    "sample_strata": "The strata of each sample, with size and sampling probability.",
    "samples": "Samples: each scored file and day of a stream from which listings were enqueued, and by what rule.",
    "saved_views": "Filters of the list of cases that people gave a name, for themselves or for everybody.",
    "start_views": "With which saved view each person's list begins.",
    "stream_strata": "The strata of each day of a stream, with size so far and sampling probability.",
    "spread_audits": "Near-duplicates that a person reviews although the decision on another would cover them.",
    "statements": "Statements of reasons: the public record, and the letter to the seller, encrypted.",
    "strikes": "Strikes of sellers, each from a decision.",
    "strikes_taken_back": "Strikes that no longer count, and why.",
    "tries": "Failed attempts to log in, to limit how many there are.",
    "user_brands": "Which accounts act for which brand and notifier in the brand portal.",
    "user_sellers": "Which users sell themselves, so that they do not review their own listings.",
    "users": "Who may log in to the web console, and in which role.",
}
"""What each table of the review database is for; a new table gets a line here."""


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

_POLICIES: Mapping[str, tuple[str, str]] = {
    "review/ranking/policy.toml": (
        "Ranking policy",
        "Expected value of a review, deadlines, and intake. `IPML_POLICY_REVIEW` names a copy.",
    ),
    "enforcement/policy.toml": (
        "Enforcement policy",
        "What follows from a decision. `IPML_POLICY_ENFORCEMENT` names a copy.",
    ),
    "cooperation/policy.toml": (
        "Cooperation policy",
        "How others are heard and told. `IPML_POLICY_COOPERATION` names a copy.",
    ),
    "cooperation/networks/rules.toml": (
        "Rules of networks",
        "How much a shared detail links two sellers. `--rules` names a copy.",
    ),
    "model/promotion/gate.toml": (
        "Rules of the gate",
        "What a model must show to become champion. `ipml model promote --rules` names a copy.",
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
