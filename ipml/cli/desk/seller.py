"""Seller records: stored data, erasure, legal holds, retention (`ipml seller`) and lists (`ipml seller lists`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import DAY, Database, NewList, Seller, Yes, make_group, take_records
from ipml.cli.terminal import ActingUser, open_for_command, printable, reading_from
from ipml.errors import UnusableSetting
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ipml.enforcement.privacy.erasure import Erased
    from ipml.enforcement.privacy.legal_holds import Hold
    from ipml.listings.brands import Brands
    from ipml.review.sellers.seller_lists import ListedSeller


seller_app = make_group("Show what is stored of a seller, erase it, or hold what a claim needs.", "seller show s-1207")


@seller_app.command()
def show(seller: Seller, database: Database = None) -> None:
    """Show a seller's stored records by class with their expiry, and the referrals that named the seller.

    Referrals that the seller must not learn of are marked: leave them out of the answer to the seller's request.

    Example: ipml seller show s-1207
    """
    from ipml.cooperation.referrals.handover import find_disclosures
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.enforcement.privacy.retention import find_stored
    from ipml.storage.database import reading

    engine = open_for_command(database)
    with reading(engine) as connection:
        kept = find_stored(connection, seller, load_enforcement_policy())
    typer.echo(f"Seller {printable(seller)}, pseudonym {kept.pseudonym or 'none yet'}")
    for kind in kept.classes:
        until = f"the last until {kind.until:%Y-%m-%d}" if kind.until else "no end"
        typer.echo(f"{kind.records:>8,}  {kind.name.replace('_', ' ')}: {until}")
    for hold in kept.holds:
        typer.echo(printable(_describe(hold)))
    with reading(engine) as connection:
        disclosures = find_disclosures(connection, kept.pseudonym) if kept.pseudonym else []
    for disclosure in disclosures:
        mark = "" if disclosure.tells_sellers else " [the seller may NOT hear of this]"
        recipient = f"{disclosure.recipient}, as {disclosure.name}, for: {disclosure.purpose}{mark}"
        line = f"referral {disclosure.referral_id}: named on {disclosure.disclosed_at:%Y-%m-%d} to {recipient}"
        typer.echo(printable(line))


@seller_app.command()
@take_records
def erase(
    seller: Annotated[list[str] | None, typer.Argument(metavar="SELLER…", help="Ids of sellers.")] = None,
    why: Annotated[str | None, typer.Option(help="Such as the number of the request; no name, as it is kept.")] = None,
    yes: Yes = False,
    again: Annotated[
        bool, typer.Option("--again", help="Erase sellers of the file IPML_ERASED who came back with a backup.")
    ] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Only finish an interrupted erasure, and remove its traces from the files.")
    ] = False,
    new_list: NewList = False,
    *,
    user: ActingUser,
) -> None:
    """Erase sellers: no data on them remains in the database or its files. It cannot be undone.

    Refused during a legal hold, and while messages on them are pending. If interrupted, `--finish` completes it.
    PostgreSQL rewrites tables, which nobody can read meanwhile.

    Example: ipml seller erase s-1207 --why "request 93"
    """
    from ipml.enforcement.privacy.erased_list import begin_list
    from ipml.enforcement.privacy.erasure import Erased, erase_again, erase_sellers, finish_begun, sweep_erased
    from ipml.review.pictures.stored import sweep_files
    from ipml.settings import get_settings

    listed_in = get_settings().erased
    if finish:
        if seller or again:
            raise UnusableSetting("--finish", "a seller, or --again", "it alone")
        engine = open_for_command(user.database)
        tell_erased(Erased(finish_begun(engine), sweep_erased(engine)))
        sweep_files(engine, get_settings().pictures)
        return
    engine, name = user.open(Action.ERASE_PEOPLE)
    if new_list and listed_in is not None:
        begin_list(listed_in)
    if again:
        if seller or listed_in is None:
            raise UnusableSetting("--again", "a seller, or no file in IPML_ERASED", "the file, and no seller")
        tell_erased(erase_again(engine, listed_in, by=name))
        sweep_files(engine, get_settings().pictures)
        return
    if not seller or not why:
        raise UnusableSetting("erase", "no seller, or no reason", "at least one seller and --why")
    _warn_of_referrals(engine, seller)
    if not yes:
        typer.confirm(f"Erase {len(seller):,} seller(s) for good?", abort=True)
    tell_erased(erase_sellers(engine, seller, why=why, by=name, listed_in=listed_in))
    sweep_files(engine, get_settings().pictures)
    if listed_in is None:
        words = "a backup that is restored brings them back: name a file outside the database in IPML_ERASED"
        typer.echo(f"Warning: {words}", err=True)


@seller_app.command()
@take_records
def hold(
    seller: Annotated[
        str | None, typer.Argument(metavar="[SELLER]", help="Id of the seller; without it all holds are listed.")
    ] = None,
    why: Annotated[str, typer.Option(help="For which claim, court or authority.")] = "",
    until: Annotated[
        datetime | None, typer.Option(metavar="DATE", formats=DAY, help="Last day on which it holds (UTC).")
    ] = None,
    case: Annotated[int | None, typer.Option(help="Only what belongs to this case; by default everything.")] = None,
    end: Annotated[bool, typer.Option("--end", help="End the seller's holds instead.")] = False,
    number: Annotated[int | None, typer.Option("--hold", help="With --end: number of one hold.")] = None,
    *,
    user: ActingUser,
) -> None:
    """Place a legal hold on a seller's records: until that day they are neither erased nor expire.

    Without a seller it lists all holds in force; with --end it ends those of the seller.

    Example: ipml seller hold s-1207 --why "claim 4 O 12/26" --until 2027-12-31
    """
    from ipml.enforcement.privacy.legal_holds import HoldOrder, place_hold, release_holds

    if seller is None:
        if why or until or end:
            raise UnusableSetting("seller", "none", "the seller of the hold")
        _show_holds(user.database)
    elif end:
        with user.acting(Action.HOLD_RECORDS) as (connection, name):
            count = release_holds(connection, seller, by=name, hold_id=number)
        typer.echo(f"{count:,} hold(s) ended.")
    elif not why or until is None:
        raise UnusableSetting("hold", "no reason, or no last day", "--why and --until, or --end")
    else:
        last = until.replace(tzinfo=UTC) + timedelta(days=1)
        with user.acting(Action.HOLD_RECORDS) as (connection, name):
            placed = place_hold(connection, seller, HoldOrder(why, last, name, case))
        typer.echo(f"Hold {placed.hold_id} is in force to the end of {until:%Y-%m-%d} (UTC).")


def _show_holds(database: str | None) -> None:
    """List all legal holds in force."""
    from ipml.enforcement.privacy.legal_holds import list_holds
    from ipml.storage.pseudonyms import find_seller

    with reading_from(database) as connection:
        listed = list_holds(connection)
        sellers = {hold.pseudonym: find_seller(connection, hold.pseudonym) for hold in listed}
    for hold in listed:
        typer.echo(printable(f"seller {sellers[hold.pseudonym] or hold.pseudonym}, {_describe(hold)}"))
    typer.echo(f"{len(listed):,} hold(s) in force.")


def _warn_of_referrals(engine: Engine, sellers: list[str]) -> None:
    """Warn of open referrals that name these sellers, since their recipients may need the records."""
    from ipml.cooperation.referrals.handover import find_open
    from ipml.storage.database import reading
    from ipml.storage.pseudonyms import find_pseudonym

    with reading(engine) as connection:
        for seller_id in sellers:
            for referral in find_open(connection, find_pseudonym(connection, seller_id) or ""):
                named = (
                    f"{seller_id} is named in referral {referral.referral_id} to "
                    f"{referral.recipient}, which was not dropped"
                )
                typer.echo(printable(f"Warning: {named}: `ipml seller hold` keeps what it may need"), err=True)


def tell_erased(erased: Erased) -> None:
    """Print who was erased, by pseudonym, and what remains."""
    for one in erased.sellers:
        typer.echo(f"Erased seller {one.pseudonym}: {one.cases:,} listings, with {one.decisions:,} decisions on them.")
    if not erased.sellers:
        typer.echo("Nobody was left to erase; whatever traces an interrupted run had left are gone.")
    for words in erased.remarks:
        typer.echo(f"Remaining: {words}.")


def _describe(hold: Hold) -> str:
    of = "everything" if hold.case_id is None else f"case {hold.case_id}"
    return f"hold {hold.hold_id}: {of}, until {hold.last_day}, by {hold.placed_by}: {hold.why}"


@seller_app.command("retention")
def expire_records(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is due.")] = False,
    database: Database = None,
) -> None:
    """Delete or anonymise records whose retention period is over.

    The section `[retention]` of the policy (IPML_POLICY_ENFORCEMENT) sets the days. Records under a legal hold stay.
    Run it every night; an interrupted run is continued by the next.

    Example: ipml seller retention --dry-run
    """
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.enforcement.privacy.retention import run_retention
    from ipml.review.pictures.stored import sweep_files
    from ipml.settings import get_settings

    engine = open_for_command(database)
    expired = run_retention(engine, load_enforcement_policy(), dry_run=dry_run)
    if not dry_run:
        sweep_files(engine, get_settings().pictures)
    for name, count in expired.counts.items():
        typer.echo(f"{count:>8,}  {name.replace('_', ' ')}")
    typer.echo(f"{expired.total:>8,}  {'due' if dry_run else 'expired'}")


lists_app = make_group("Load lists of sellers: authorised, denied, watched.", "seller lists load brands.toml")
seller_app.add_typer(lists_app, name="lists")


@lists_app.command("load")
@take_records
def load_brand_file(
    file: Annotated[
        Path | None, typer.Argument(metavar="[BRANDS]", help="Brand file (TOML); by default IPML_BRANDS.")
    ] = None,
    *,
    user: ActingUser,
) -> None:
    """Load a brand file into the lists: its authorised sellers, and each [[seller]] in it.

    Entries of an earlier file that are missing now are removed; those of people and programs stay. Repeating it changes
    nothing.

    Example: ipml seller lists load brands.toml
    """
    from ipml.listings.brands import load_brands
    from ipml.review.sellers.seller_lists import load_entries
    from ipml.settings import get_settings

    path = file or get_settings().brands
    if path is None:
        raise UnusableSetting("brand file", "none", "a file, or the setting IPML_BRANDS")
    now = datetime.now(UTC)
    brands = load_brands(path)
    listed = list(_list_sellers(brands, path.name))
    in_force = [one for one in listed if one.until is None or one.until > now]
    with user.acting(Action.CHANGE_LISTS) as (connection, name):
        added, removed, kept = load_entries(connection, in_force, by=name, now=now, version=brands.version)
    typer.echo(f"{added:,} entries added, {removed:,} removed, {kept:,} as before.")
    if expired := len(listed) - len(in_force):
        typer.echo(f"{expired:,} of the file have expired.")


def _list_sellers(brands: Brands, name: str) -> Iterator[ListedSeller]:
    """Yield the list entries of a brand file; sellers authorised twice appear once."""
    from ipml.review.sellers.seller_lists import ListedSeller, ListKind

    aliases = {brand.name: brand.aliases for brand in brands}
    said = {(one.list, one.seller_id, one.brand) for one in brands.sellers}
    for one in brands.sellers:
        end = None if one.until is None else _end_of(one.until)
        names = aliases[one.brand] if one.brand else ()
        yield ListedSeller(ListKind(one.list), one.seller_id, one.why, one.source, one.brand, names, end)
    for brand in brands:
        for seller in dict.fromkeys(brand.authorised_sellers):
            if ("authorised", seller, brand.name) not in said:
                why = f"authorised_sellers of {brand.name[:200]}"
                yield ListedSeller(
                    ListKind.AUTHORISED, seller, why, f"brand file {name[:150]}", brand.name, brand.aliases
                )


def find_unloaded(connection: Connection, path: Path, now: datetime) -> tuple[int, int]:
    """Return the numbers of brand-file entries missing from the lists, and of list entries missing from the file."""
    from ipml.listings.brands import load_brands
    from ipml.review.sellers.seller_lists import list_entries

    listed = _list_sellers(load_brands(path), path.name)
    wanted = {(one.kind, one.seller_id, one.brand) for one in listed if one.until is None or one.until > now}
    loaded = {
        (entry.kind, entry.seller_id, entry.brand)
        for entry in list_entries(connection, now)
        if entry.origin == "brand file"
    }
    return len(wanted - loaded), len(loaded - wanted)


def _end_of(day: date) -> datetime:
    """Return the expiry of an entry that lasts through a day (UTC)."""
    if day.year == MAXYEAR:
        raise UnusableSetting("until", f"{day:%Y-%m-%d}", f"a day before {MAXYEAR}, or none")
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
