"""`ipml audit`: is the record of who did what whole, and anchors of it that are kept elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database, open_for_command

if TYPE_CHECKING:
    from ipml.storage.anchors import SignedAnchor
    from ipml.storage.audit import Anchor

app = typer.Typer(
    no_args_is_help=True,
    help="""Check the audit trail, and keep signed anchors of it outside the database.

    Example: ipml audit verify
    """,
)


@app.command()
def verify(
    database: Database = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|COUNT:HASH",
            help="A file of anchors, or one as it was printed; as often as you like. By default the file IPML_ANCHORS.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="HEX",
            help="The public key that anchors must be signed with; by default that of IPML_ANCHOR_KEY.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check every row of the audit trail, whether it is still that of the anchors, and all rows that it speaks of.

    Exit code 1 if anything is not as it was written.

    The chain alone shows edited, deleted and moved rows. A trail that was cut off or written anew shows only against
    an anchor that was kept where whoever did it could not write.

    Example: ipml audit verify --anchor anchors.jsonl --anchor 1200:5f1c…
    """
    from ipml.cli.progress import show_rows
    from ipml.settings import get_settings
    from ipml.storage import audit
    from ipml.storage.anchors import find_bad_signatures, find_public_key
    from ipml.storage.database import reading
    from ipml.storage.row_digests import check_rows

    settings = get_settings()
    given = anchor or ([str(settings.anchors)] if settings.anchors else [])
    signed, plain = _read_given(given)
    if key is None and settings.anchor_key:
        key = find_public_key(settings.anchor_key)
    problems = find_bad_signatures(signed, key.lower() if key else None)
    kept = [*plain, *(part for one in signed for part in one.anchors)]
    with reading(open_for_command(database)) as connection, show_rows("rows") as show:
        report = audit.verify(connection, *kept, show=lambda done, total: show(done, total, "checked"))
        rows = check_rows(connection, show=lambda done: show(done, report.anchor.count, "compared"))
    for problem in (*problems, *report.problems, *rows.problems):
        typer.echo(f"problem  {problem}")
    for table, count in rows.unchecked.items():
        typer.echo(f"warning  {table}: {count:,} rows not checkable: written before the trail held digests of them")
    if problems or report.problems or rows.problems:
        raise typer.Exit(1)
    typer.echo(
        f"{report.anchor.count:,} rows in one chain, {_describe(signed, plain, key)}; it ends at {report.anchor}"
    )


@app.command()
def anchor(
    out: Annotated[
        Path | None,
        typer.Option(help="File to add the anchor to; by default IPML_ANCHORS.", dir_okay=False, show_default=False),
    ] = None,
    database: Database = None,
) -> None:
    """Write down how far the audit trail goes, as a line of JSON, signed with the key of IPML_ANCHOR_KEY.

    Keep it where nobody who can write the database can: on another machine, in a mailbox, on paper.

    Example: ipml audit anchor --out /mnt/elsewhere/anchors.jsonl
    """
    from ipml.settings import get_settings
    from ipml.storage.anchors import keep_anchor, make_anchor
    from ipml.storage.database import reading

    settings = get_settings()
    with reading(open_for_command(database)) as connection:
        made = make_anchor(connection, settings.anchor_key)
    if path := out or settings.anchors:
        keep_anchor(path, made)
    typer.echo(made)
    if not made.signature:
        typer.echo("It is not signed: make a key with `ipml audit key`, and name it in IPML_ANCHOR_KEY.", err=True)


@app.command()
def key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.", show_default=False)],
) -> None:
    """Make the secret key that signs anchors, in a file for your eyes alone, and print its public half.

    Give the public half to whoever will check: auditors, rights holders, a court. Name the file in IPML_ANCHOR_KEY.
    With a new key begin a new file of anchors; the old one is checked with `ipml audit verify --anchor OLD --key HEX`.

    Example: ipml audit key anchor.pem
    """
    from ipml.storage.anchors import make_key

    typer.echo(make_key(file))


@app.command()
def show(
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="What was acted on, such as case:12.", show_default=False)
    ],
    database: Database = None,
) -> None:
    """List what was done to a case, a measure, an appeal, …

    Example: ipml audit show case:12
    """
    import json

    from ipml.cli.plain_text import printable
    from ipml.storage.audit import list_rows
    from ipml.storage.database import reading

    with reading(open_for_command(database)) as connection:
        rows = list_rows(connection, subject)
    if not rows:
        typer.echo(f"Nothing is noted of {printable(subject)}.")
    for row in rows:
        said = json.dumps(dict(row.payload), sort_keys=True)
        typer.echo(printable(f"{row.sequence} {row.at:%Y-%m-%d %H:%M:%S} {row.actor} {row.action} {said}"))


def _read_given(given: Iterable[str]) -> tuple[list[SignedAnchor], list[Anchor]]:
    """Return the signed anchors of files, and those that were typed."""
    from ipml.errors import UnusableSetting
    from ipml.storage.anchors import read_anchors
    from ipml.storage.audit import Anchor

    signed: list[SignedAnchor] = []
    plain: list[Anchor] = []
    for text in given:
        path = Path(text)
        if path.is_file():
            signed += read_anchors(path)
        elif text.partition(":")[0].isdecimal():
            plain.append(Anchor.parse(text))
        else:
            raise UnusableSetting("anchor", repr(text[:80]), "a file of anchors, or COUNT:HASH as it was printed")
    return signed, plain


def _describe(signed: list[SignedAnchor], plain: list[Anchor], key: str | None) -> str:
    count = len(signed) + len(plain)
    if not count:
        return "checked against no anchor"
    words = "checked against one anchor" if count == 1 else f"checked against {count:,} anchors"
    if signed and key is None:
        words += " (whose key nobody named: give --key)"
    return words
