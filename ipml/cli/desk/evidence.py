"""Evidence: packages (`ipml evidence`), and the audit trail with its anchors (`ipml audit`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import (
    Anchors,
    AsZip,
    Database,
    DecidedCase,
    Force,
    Model,
    Package,
    PublicKey,
    make_group,
    out_option,
    take_records,
)
from ipml.cli.terminal import ActingUser, check_outputs, open_for_command, printable, reading_from, show_rows
from ipml.errors import UnreadableFile, UnusableSetting
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ipml.enforcement.evidence.bag import Stamp
    from ipml.storage.audit_trail.anchors import SignedAnchor
    from ipml.storage.audit_trail.audit import Anchor


_LARGEST = 4 * 2**30  # a capture may be large

evidence_app = make_group(
    "Hand evidence on as packages that anybody can check, and check them.", "evidence export 12 --zip"
)

StampUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="A time-stamping authority (RFC 3161) that takes requests.")
]
Roots = Annotated[
    Path | None,
    typer.Option(
        "--timestamp-roots", metavar="PEM", help="Certificates of the authorities whose word counts.", exists=True
    ),
]


@evidence_app.command()
@take_records
def export(
    case: DecidedCase,
    out: Annotated[
        Path | None, out_option("A new folder; by default evidence-case-CASE here. It is never written over.", "FOLDER")
    ] = None,
    as_zip: AsZip = False,
    warc: Annotated[
        Path | None, typer.Option(help="A capture of the page to put in.", exists=True, dir_okay=False)
    ] = None,
    timestamp_url: StampUrl = None,
    timestamp_roots: Roots = None,
    names: Annotated[
        bool, typer.Option("--names", help="With the login names of those who acted on the case.")
    ] = False,
    *,
    user: ActingUser,
) -> None:
    """Write a case's evidence as a BagIt folder with its part of the audit trail and a program that verifies it.

    Send the printed anchor to the recipient by another channel than the package: with it nobody can forge the package.
    It is signed with the key of IPML_ANCHOR_KEY, if set, and added to the file IPML_ANCHORS. The export is recorded in
    the audit trail.

    Example: ipml evidence export 12 --warc page.warc.gz --timestamp-url http://timestamp.example.org
    """
    from ipml.enforcement.evidence.bag import ask_for_stamp
    from ipml.enforcement.evidence.package import PackageOutput, PackageParts, export_package
    from ipml.settings import get_settings
    from ipml.storage.audit_trail.anchors import store_anchor

    def stamp(content: bytes) -> Stamp:
        return ask_for_stamp(timestamp_url or "", content, timestamp_roots)

    settings = get_settings()
    place = out or Path(f"evidence-case-{case}{'.zip' if as_zip else ''}")
    engine, name = user.open(Action.EXPORT_EVIDENCE)
    parts = PackageParts(warc, settings.pictures, stamp if timestamp_url else None, with_names=names)
    exported = export_package(engine, case, PackageOutput(place, name, settings.anchor_key, is_zipped=as_zip), parts)
    typer.echo(
        f"{printable(str(place))}: {exported.n_evidence} pieces of evidence, {exported.n_rows} rows of the trail."
    )
    if settings.anchors:
        store_anchor(settings.anchors, exported.anchor)
    if exported.n_erased:
        typer.echo(f"The seller was erased: of {exported.n_erased} of them only the digest is left.")
    if exported.stamped_at:
        typer.echo(f"Stamped at {exported.stamped_at:%Y-%m-%d %H:%M:%S} UTC.")
    typer.echo(f"Anchor   {exported.anchor.count}:{exported.anchor.head}")
    if exported.anchor.key:
        typer.echo(f"Key      {exported.anchor.key}")


@evidence_app.command()
def stamp(
    package: Annotated[Path, typer.Argument(metavar="FOLDER", help="A package.", exists=True, file_okay=False)],
    url: StampUrl = None,
    response: Annotated[Path | None, typer.Option(help="Answer of an authority.", exists=True)] = None,
    out: Annotated[Path | None, out_option("The request for an authority; no more is done.")] = None,
    timestamp_roots: Roots = None,
    force: Force = False,
) -> None:
    """Have a third party time-stamp a package, so that nobody can backdate it.

    Offline: --out FILE writes the request for an authority, --response FILE takes its answer.

    Example: ipml evidence stamp evidence-case-12 --response answer.tsr --timestamp-roots authority.pem
    """
    from ipml.enforcement.evidence.bag import add_stamp, ask_for_stamp, check_stamp, make_request, read_stamped

    if sum(one is not None for one in (url, response, out)) != 1:
        raise UnusableSetting("time stamp", "none or several of them", "one of --url, --response and --out")
    content = read_stamped(package)
    if out:
        check_outputs(out, force=force)
        out.write_bytes(make_request(content))
        typer.echo(f"{out}: send it to an authority as application/timestamp-query.")
        return
    made = (
        ask_for_stamp(url, content, timestamp_roots)
        if url
        else check_stamp(response.read_bytes() if response else b"", content, str(response), timestamp_roots)
    )
    add_stamp(package, made.response)
    typer.echo(f"Stamped at {made.at:%Y-%m-%d %H:%M:%S} UTC.")


@dataclass(frozen=True, slots=True)
class KnownFacts:
    """The options of facts, known from elsewhere, that a package must agree with."""

    key: PublicKey = None
    anchor: Anchors = None
    person: Annotated[
        list[str] | None, typer.Option(metavar="CODE=LOGIN", help="The name behind a code, where you know it.")
    ] = None
    timestamp_roots: Roots = None


@evidence_app.command()
@take_records
def verify(
    package: Package,
    rescore: Annotated[bool, typer.Option("--rescore", help="Also score the listings again with the model.")] = False,
    model: Model = None,
    trail: Annotated[bool, typer.Option("--trail", help="Also compare its rows with those of the database.")] = False,
    database: Database = None,
    *,
    facts: KnownFacts,
) -> None:
    """Verify that a package is unchanged; exit code 1, with every faulty file and line, if it is not.

    With --rescore or --model its listings are scored again and must agree within 1e-9; with --trail its rows must match
    the audit trail. The file verify.py in every package verifies what can be verified without ipml.

    Example: ipml evidence verify evidence-case-12 --anchor 4711:9f2c… --model models/goods
    """
    from ipml.enforcement.evidence.bag import check_stamp_of
    from ipml.enforcement.evidence.verify import check_package

    names = dict(one.split("=", 1) for one in facts.person or () if "=" in one)
    with _as_folder(package) as folder:
        report = check_package(folder, facts.key, _read_given_anchors(facts.anchor or ()), names)
        problems = [str(finding) for finding in report.findings]
        notes = list(report.notes)
        if facts.timestamp_roots and not problems:
            notes.append(check_stamp_of(folder, facts.timestamp_roots))
        if trail and not problems:
            problems += _compare(folder, database)
            notes.append("all rows were compared with the audit trail")
        if (rescore or model) and not problems:
            differences, note = _rescore(folder, model)
            problems += differences
            notes.append(note)
    _show_verdict(problems, notes)


def _show_verdict(problems: Iterable[str], notes: Iterable[str]) -> None:
    """Print the problems and notes on a package; exit with 1 if there are problems."""
    lines = [f"problem  {printable(problem)}" for problem in problems]
    verdict = "The package is NOT as it was made." if lines else "The package is whole."
    typer.echo("\n".join((*lines, *(f"note     {printable(note)}" for note in notes), verdict)))
    if lines:
        raise typer.Exit(1)


@contextmanager
def _as_folder(package: Path) -> Iterator[Path]:
    """Give a package's folder, unpacked if it is one file."""
    from tempfile import TemporaryDirectory

    from ipml.enforcement.evidence.archives import ArchiveLimits, lay_out, unpack

    if package.is_dir():
        if not (package / "data").is_dir() and not (package / "bagit.txt").is_file():
            raise UnreadableFile(package, "another folder", "a folder or .zip that `ipml evidence export` wrote")
        yield package
        return
    with TemporaryDirectory() as place:
        files = unpack(package, Path(place) / "unpacked", ArchiveLimits(n_bytes=_LARGEST))
        yield lay_out(files, package, Path(place) / "package")


def _read_given_anchors(given: Sequence[str]) -> tuple[str, ...]:
    """Return the anchors of a command line, including those in files, as COUNT:HASH."""
    from ipml.storage.audit_trail.anchors import read_anchors
    from ipml.storage.audit_trail.audit import Anchor

    found: list[Anchor] = []
    for one in given:
        in_file = read_anchors(Path(one)) if Path(one).is_file() else []
        found += [Anchor(signed.count, signed.head) for signed in in_file] or [Anchor.parse(one)]
    return tuple(str(each) for each in found)


def _compare(folder: Path, database: str | None) -> list[str]:
    from ipml.enforcement.evidence.package import compare_with_trail

    with reading_from(database) as connection:
        return compare_with_trail(connection, folder)


def _rescore(folder: Path, model: str | None) -> tuple[list[str], str]:
    """Score the listings of a package again; return a sentence for each that differs, and a count of the others."""
    from ipml.enforcement.evidence.pieces import read_scored_listing
    from ipml.scoring.rescoring import rescore
    from ipml.scoring.scorer import load_model

    scorer, problems = load_model(model), []
    files = sorted((folder / "data").glob("evidence-*.json"))
    for file in files:
        try:
            scored = read_scored_listing(json.loads(file.read_text(encoding="ascii")))
        except (KeyError, TypeError, ValueError, AttributeError):
            problems.append(f"data/{file.name}: holds no listing that this release can read")
            continue
        if problem := rescore(scorer, scored).problem:
            problems.append(f"data/{file.name}: {problem}")
    return problems, f"{len(files) - len(problems)} of {len(files)} scores came out again{scorer.caveat}"


audit_app = make_group("Check the audit trail, and keep signed anchors of it outside the database.", "audit verify")


@audit_app.command("verify")
def verify_trail(
    database: Database = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|COUNT:HASH",
            help="A file of anchors, or one as it was printed; as often as you like. By default the file IPML_ANCHORS.",
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="HEX", help="The public key that anchors must be signed with; by default that of IPML_ANCHOR_KEY."
        ),
    ] = None,
) -> None:
    """Verify every row of the audit trail, its anchors, and all rows it covers; exit code 1 if anything was changed.

    The chain alone reveals edited, deleted and moved rows. A truncated or rewritten trail is revealed only by an anchor
    stored where its author could not write.

    Example: ipml audit verify --anchor anchors.jsonl --anchor 1200:5f1c…
    """
    from ipml.settings import get_settings
    from ipml.storage.audit_trail import audit
    from ipml.storage.audit_trail.anchors import find_bad_signatures, find_public_key
    from ipml.storage.audit_trail.row_digests import check_rows

    settings = get_settings()
    given = anchor or ([str(settings.anchors)] if settings.anchors else [])
    signed, plain = _read_given(given)
    if key is None and settings.anchor_key:
        key = find_public_key(settings.anchor_key)
    problems = find_bad_signatures(signed, key.lower() if key else None)
    kept = [*plain, *(part for one in signed for part in one.anchors)]
    with reading_from(database) as connection, show_rows("rows") as show:
        report = audit.verify(connection, *kept, show=lambda done, total: show(done, total, "checked"))
        rows = check_rows(connection, show=lambda done: show(done, report.anchor.count, "compared"))
    for problem in (*problems, *report.problems, *rows.problems):
        typer.echo(f"problem  {problem}")
    for table, count in rows.unchecked.items():
        typer.echo(f"warning  {table}: {count:,} rows not checkable: written before the trail held digests of them")
    if problems or report.problems or rows.problems:
        raise typer.Exit(1)
    typer.echo(
        f"{report.anchor.count:,} rows in one chain, {_describe_anchor(signed, plain, key)}; it ends at {report.anchor}"
    )


@audit_app.command()
def anchor(
    out: Annotated[Path | None, out_option("The anchor is added to it; by default IPML_ANCHORS.")] = None,
    database: Database = None,
) -> None:
    """Print the present anchor of the audit trail as a line of JSON, signed with the key of IPML_ANCHOR_KEY.

    Store it where nobody who can write the database can: on another machine, in a mailbox, on paper.

    Example: ipml audit anchor --out /mnt/elsewhere/anchors.jsonl
    """
    from ipml.settings import get_settings

    settings = get_settings()
    made = anchor_trail(open_for_command(database), out or settings.anchors, settings.anchor_key)
    typer.echo(made)
    if not made.signature:
        typer.echo("It is not signed: make a key with `ipml audit key`, and name it in IPML_ANCHOR_KEY.", err=True)


def anchor_trail(engine: Engine, path: Path | None, key: Path | None) -> SignedAnchor:
    """Return an anchor of the present audit trail, signed if there is a key, and add it to a file."""
    from ipml.storage.audit_trail.anchors import make_anchor, store_anchor
    from ipml.storage.database import reading

    with reading(engine) as connection:
        made = make_anchor(connection, key)
    if path:
        store_anchor(path, made)
    return made


@audit_app.command()
def key(out: Annotated[Path, out_option("A new file. It is never written over.")]) -> None:
    """Create the secret key that signs anchors, in a private file, and print its public half.

    Give the public half to auditors, rights holders and courts. Name the file in IPML_ANCHOR_KEY. With a new key start
    a new file of anchors; verify the old one with `ipml audit verify --anchor OLD --key HEX`.

    Example: ipml audit key --out anchor.pem
    """
    from ipml.storage.audit_trail.anchors import make_key

    typer.echo(make_key(out))


@audit_app.command("show")
def show_trail(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Subject of the events, such as case:12.")],
    database: Database = None,
) -> None:
    """List the audit events of a case, a measure, an appeal, …

    Example: ipml audit show case:12
    """
    from ipml.storage.audit_trail.audit import list_rows

    with reading_from(database) as connection:
        rows = list_rows(connection, subject)
    if not rows:
        typer.echo(f"Nothing is noted of {printable(subject)}.")
    for row in rows:
        said = json.dumps(dict(row.payload), sort_keys=True)
        typer.echo(printable(f"{row.sequence} {row.at:%Y-%m-%d %H:%M:%S} {row.actor} {row.action} {said}"))


def _read_given(given: Iterable[str]) -> tuple[list[SignedAnchor], list[Anchor]]:
    """Return the signed anchors of files, and the typed ones."""
    from ipml.storage.audit_trail.anchors import read_anchors
    from ipml.storage.audit_trail.audit import Anchor

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


def _describe_anchor(signed: list[SignedAnchor], plain: list[Anchor], key: str | None) -> str:
    count = len(signed) + len(plain)
    if not count:
        return "checked against no anchor"
    words = "checked against one anchor" if count == 1 else f"checked against {count:,} anchors"
    if signed and key is None:
        words += " (whose key nobody named: give --key)"
    return words
