"""Demonstration: a simulated marketplace as tables (`ipml data simulate`) or complete (`ipml demo`), in its own folder.

With `--year` the demo runs the historical year at a scale, on the real programme.
"""

from __future__ import annotations

import secrets
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Force, out_option
from ipml.cli.terminal import check_outputs, open_for_cases, open_up_to_date, printable, show_steps
from ipml.web.accounts.permissions import Role

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from ipml.model.training import Trained
    from ipml.records import ScoredListing
    from ipml.simulation.marketplace import Marketplace
    from ipml.simulation.year.population import Plan
    from ipml.simulation.year.run import Account


def simulate(
    out: Annotated[Path, out_option("Folder for the files.", "FOLDER")] = Path("marketplace"),
    listings: Annotated[int, typer.Option(help="Listings on the marketplace, at least 500.")] = 50_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same files, byte for byte.")] = 0,
    difficulty: Annotated[float, typer.Option(help="From 0 to 1: how well counterfeiters imitate.")] = 0.5,
    force: Force = False,
) -> None:
    """Simulate a year of a marketplace in which 7 % of the listings are counterfeit.

    Writes listings.parquet (what a marketplace sees, with the labels its reviewers gave), events.parquet (the history
    of its sellers), brands.toml (its brand file, with authorised sellers) and truth.parquet (what each listing really
    is; for judging only).

    Example: ipml data simulate --listings 20000 --seed 1 --difficulty 0.5 --out marketplace
    """
    from ipml.simulation.marketplace import simulate_marketplace

    check_outputs(out, force=force)
    with show_steps("Starting") as say:
        market = simulate_marketplace(listings, seed, difficulty, say=lambda step: say(f"{step} …"))
        say("writing files …")
        paths = market.write(out)
    typer.echo(f"listings    {len(market.listings):,}, labelled {market.listings['is_counterfeit'].notna().mean():.1%}")
    typer.echo(f"sellers     {market.listings['seller_id'].nunique():,}, with {len(market.events):,} events")
    typer.echo(f"prevalence  {market.truth['is_counterfeit'].mean():.1%}")
    for path in paths:
        typer.echo(f"wrote       {path} ({path.stat().st_size / 1e6:,.1f} MB)")


YEAR_HEAD = """\
A simulated year at {scale:g} of the historical programme of 2012. The listings, the people and the passing of time are
made up; the model, the queue, the decisions and all that follows from them are ipml's. The figures show what load the
programme bears and what it does wrong, not how good it is on your listings.

People look at what scores {threshold:.2f} or more: of that, {precision:.0%} was counterfeit on sellers whom the model
had not seen, and it held {recall:.0%} of their counterfeits.
"""


def _show_year(out: Path, plan: Plan) -> None:
    """Simulate a year that ended yesterday and a shift after it, and print its figures beside the historical ones."""
    from rich.console import Console

    from ipml.settings import get_settings
    from ipml.simulation.pictures import give_picture
    from ipml.simulation.year.run import run_year

    console = Console(stderr=True)
    with console.status("Starting") as status:
        say = _make_step_printer(console, status)
        account = run_year(plan.ending_before(datetime.now(UTC).date()), out, get_settings(), say, leaves=LEFT)
        left = [replace(one, listing=give_picture(one.listing)) for one in account.result.left]
        truth = {one.listing.listing_id: account.result.truth.is_fake(one.listing.listing_id) for one in left}
        password, began_at = _fill_queue(out, left)
        if began_at is not None:
            say("working a shift")
            _draw_pictures(out)
            console.print(_work_shift(out, truth, began_at, plan.seed))
    typer.echo(describe_year(account))
    _print_login(out, password)


def _make_step_printer(console: Console, status: Status) -> Say:
    """Return a function that prints each step: in one line of a terminal, or in separate lines elsewhere."""

    def say(step: str) -> None:
        line = step[:1].upper() + step[1:]
        if console.is_terminal:
            status.update(line)
        else:
            typer.echo(line, err=True)

    return say


def describe_year(account: Account) -> str:
    """Return the account of a year for printing."""
    from ipml.simulation.year.run import write_table, write_timings

    learnt = account.learnt
    head = YEAR_HEAD.format(
        scale=account.plan.scale, threshold=learnt.threshold, precision=learnt.precision, recall=learnt.recall
    )
    result = account.result
    return f"{head}\n{write_table(account.figures)}\n\n{write_timings(result.timings, result)}\n"


NEWEST = 10_000
QUEUED = 500
DATABASE = "ipml.db"
LEFT = 120
PICTURED = 150
SHOWN = 10
KNOWN = 20
PEOPLE = {"demo": Role.LEAD, "lena": Role.LEAD, "rita": Role.REVIEWER, "ben": Role.REVIEWER}
PEOPLE |= {"ada": Role.ADMIN, "vic": Role.VIEWER, "brand": Role.BRAND}
USER = next(iter(PEOPLE))

Say = Callable[[str], None]


def demo(
    out: Annotated[
        Path, out_option("Folder for everything the demonstration makes; what it holds is added to.", "FOLDER")
    ] = Path("ipml-demo"),
    listings: Annotated[int, typer.Option(min=2_000, help="Listings on the simulated marketplace.")] = 50_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same marketplace.")] = 0,
    difficulty: Annotated[float, typer.Option(min=0, max=1, help="How well counterfeiters imitate.")] = 0.5,
    year: Annotated[bool, typer.Option("--year", help="Run the historical year instead.")] = False,
    scale: Annotated[float, typer.Option(help="With --year: the part of the historical figures.")] = 0.001,
    days: Annotated[int, typer.Option(help="With --year: how many days of it, in whole weeks.")] = 365,
    serve: Annotated[
        bool, typer.Option("--serve", help="Open the reviewer's page of what the folder holds; first make it if empty.")
    ] = False,
) -> None:
    """Make a marketplace, train a model, score its newest listings, fill the review queue and work a shift.

    With `--year` the whole programme runs through a simulated year at a scale of the historical one (94 million
    infringing listings handled, 950,000 members penalised): scoring, review, takedowns, penalties, appeals, notices,
    networks, referrals for the police and the report for the public. It prints the figures beside the historical ones,
    and what was wrongly taken down.

    The figures are those of a simulation: they show how ipml works, not how good it is on your listings.

    Example: ipml demo --listings 50000, or ipml demo --serve
    """
    from ipml.simulation.year.population import Plan

    if serve and (out / DATABASE).exists():
        _serve(out)
        return
    if year:
        _show_year(out, Plan(scale, seed, difficulty, days))
    else:
        _show_marketplace(out, listings, seed, difficulty)
    if serve:
        _serve(out)


def _show_marketplace(out: Path, listings: int, seed: int, difficulty: float) -> None:
    """Make everything from the marketplace to the shift, and print the figures and where everything is."""
    from rich.console import Console

    import ipml.model.training  # noqa: F401 - what is not installed is said before anything is made

    out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    with console.status("Starting") as status:
        say = _make_step_printer(console, status)
        say("making a marketplace")
        market = _simulate(out, listings, seed, difficulty)
        console.print(f"Marketplace: {len(market.listings):,} listings in {out / 'market'}")
        trained = _train(out, seed, say)
        console.print(f"Model: {trained.card.full_version}. {trained.standing(_tracking(out))}", soft_wrap=True)
        say("scoring the newest listings")
        scored = _score_newest(out, market, trained)
        say("filling the queue")
        password, began_at = _fill_queue(out, scored)
        say("drawing pictures")
        _draw_pictures(out)
        if began_at is not None:
            say("working a shift")
            truth = dict(zip(market.truth["listing_id"], market.truth["is_counterfeit"], strict=True))
            _connect_sellers(out, market, seed)
            console.print(_work_shift(out, truth, began_at, seed))
    typer.echo("\nTested on later listings of sellers the model had not seen:\n")
    typer.echo(trained.evaluation.table())
    typer.echo(f"\nThe {SHOWN} most suspicious of the {min(NEWEST, listings):,} newest listings:\n")
    for rank, one in enumerate(scored[:SHOWN], start=1):
        typer.echo(_describe(rank, one))
    _print_login(out, password)
    where = trained.run.say_where(_tracking(out), _type("mlflow"))
    typer.echo(f"Look at the run and the model:\n\n    {where}\n")


def _print_login(out: Path, password: str) -> None:
    names = ", ".join(f"{name} ({role})" for name, role in PEOPLE.items())
    login = f", and log in with the password {password or 'that the first demonstration here printed'} as {names}"
    command = f"{_type('ipml')} demo --out {shlex.quote(str(out))} --serve"
    typer.echo(f"Open the reviewer's page{login}:\n\n    {command}\n")


def _serve(out: Path) -> None:
    """Serve the reviewer's page of a demonstration, with its pictures and networks."""
    from ipml.cli.serve import ApiOptions, run_server
    from ipml.settings import get_settings

    changed = {"database": _database(out), "pictures": _pictures(out), "networks": out / "networks"}
    run_server(get_settings().model_copy(update=changed), ApiOptions())


def _type(command: str) -> str:
    """Return a command as it has to be typed here: like this one, by its path, or as a module of this Python."""
    if Path(sys.argv[0]).name == "__main__.py":
        return shlex.join([sys.executable, "-m", command])
    return shlex.quote(str(Path(sys.argv[0]).with_name(command))) if "/" in sys.argv[0] else command


def _database(out: Path) -> str:
    return f"sqlite:///{out / DATABASE}"


def _pictures(out: Path) -> Path:
    return out / "pictures"


def _tracking(out: Path) -> str:
    return f"sqlite:///{out / 'mlflow.db'}"


def _simulate(out: Path, listings: int, seed: int, difficulty: float) -> Marketplace:
    from ipml.simulation.marketplace import simulate_marketplace

    market = simulate_marketplace(listings, seed, difficulty, has_pictures=True)
    market.write(out / "market")
    return market


def _train(out: Path, seed: int, say: Say) -> Trained:
    from ipml.cli.model.experiments import explain_by_folder
    from ipml.model.training import Experiment, train
    from ipml.settings import get_settings

    experiment = Experiment(
        name="demo",
        seed=seed,
        data={"listings": "listings.parquet", "brands": "brands.toml", "truth": "truth.parquet"},
        folder=out / "market",
        settings=get_settings(),
    )
    return train(experiment, models=out / "models", tracking_uri=_tracking(out), explain=explain_by_folder, say=say)


def _score_newest(out: Path, market: Marketplace, trained: Trained) -> list[ScoredListing]:
    """Score the newest listings, as a nightly batch would; return them, the most suspicious first."""
    from ipml.listings.writers import write_listings
    from ipml.scoring.batch.file_scoring import BatchOptions, score_file
    from ipml.scoring.batch.scored_files import read_scored
    from ipml.scoring.scorer import load_model

    newest = market.listings.sort_values("observed_at", kind="stable").tail(NEWEST)
    write_listings(newest, out / "newest.parquet")
    score_file(
        load_model(trained.folder), out / "newest.parquet", out / "scored.parquet", BatchOptions(explain_top=QUEUED)
    )
    return sorted(read_scored(out / "scored.parquet"), key=lambda one: -(one.score or 0.0))


def _fill_queue(out: Path, scored: Iterable[ScoredListing]) -> tuple[str, datetime | None]:
    """Enqueue the most suspicious listings, as of the day before; return the password of new users, and that moment."""
    from ipml.review.arrivals.intake import enqueue
    from ipml.settings import get_settings
    from ipml.simulation.year.shift import BEGAN, make_address
    from ipml.storage.database import reading, writing
    from ipml.web.accounts.brand_accounts import bind_brand
    from ipml.web.accounts.users import PasswordCost, add_user, list_users

    engine, began_at = open_for_cases(_database(out)), datetime.now(UTC) - BEGAN
    listed = list(islice(scored, QUEUED))
    shown = (_take_picture(one) if rank >= PICTURED else one for rank, one in enumerate(listed))
    enqueue(engine, shown, joins_alike=get_settings().near_duplicates, now=began_at)
    with reading(engine) as connection:
        if any(user.name == USER for user in list_users(connection)):
            return "", None
    password, cost = secrets.token_urlsafe(12), PasswordCost(1, 1_024, 1)  # 96 random bits need no slow hash
    brands = Counter(one.listing.brand for one in listed if one.listing.brand).most_common(2)
    with writing(engine) as connection:
        for name, role in PEOPLE.items():
            add_user(connection, name, password, role, cost)
        for brand, _ in brands:
            bind_brand(connection, "brand", brand, make_address(brand), by="ada")
    return password, began_at


def _connect_sellers(out: Path, market: Marketplace, seed: int) -> None:
    """Write what the sellers of the marketplace share, from which networks are found, and what networks sold."""
    import pandas as pd

    from ipml.simulation.networks import YEAR_DAYS, connect_sellers

    of_seller = market.truth["network_id"].groupby(market.listings["seller_id"]).first()
    first_day = market.listings["observed_at"].max().normalize() - pd.Timedelta(days=YEAR_DAYS)
    network = pd.factorize(of_seller)[0] + 1
    shared = connect_sellers(of_seller.index.tolist(), network, first_day, seed)
    shared.attributes.to_parquet(out / "attributes.parquet", index=False)
    shared.listings.to_parquet(out / "sales.parquet", index=False)


def _work_shift(out: Path, truth: Mapping[str, bool], began_at: datetime, seed: int) -> str:
    """Let people work the queue until now, and return their work in a line."""
    from ipml.cooperation.actions import Cooperation
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.settings import get_settings
    from ipml.simulation.year.shift import BEGAN, Shift

    settings = get_settings()
    enforcement = load_enforcement_policy(settings.policy_enforcement)
    actions = Cooperation(enforcement, load_cooperation_policy(settings.policy_cooperation))
    engine = open_up_to_date(_database(out))
    done = Shift(engine, truth, settings, actions, out, now=began_at + BEGAN, seed=seed).run()
    return (
        f"Shift: {done.decided} cases decided, {done.open} open, {done.escalated} escalated; {done.appeals} appeals, "
        f"{done.notices} notices, {done.delivered} messages delivered, {done.networks} networks, "
        f"{done.referrals} referral"
    )


def _take_picture(scored: ScoredListing) -> ScoredListing:
    """Return a listing without a picture; drawing all of the queue would take seconds."""
    return replace(scored, listing=replace(scored.listing, image_urls=None))


def _draw_pictures(out: Path) -> None:
    """Draw the pictures of the queue as if they had been fetched, and add some to the bank of known goods."""
    from ipml.review.pictures.hashes import HashIndex, group_pictures
    from ipml.settings import get_settings
    from ipml.simulation.drawings import add_known_goods, store_pictures

    engine, folder, now = open_up_to_date(_database(out)), _pictures(out), datetime.now(UTC)
    store_pictures(engine, folder, now)
    add_known_goods(engine, KNOWN, USER, now)
    group_pictures(engine, folder, HashIndex(), joins_alike=get_settings().near_duplicates)


def _describe(rank: int, scored: ScoredListing) -> str:
    """Return a listing with its price and its three strongest reasons, for a terminal."""
    listing = scored.listing
    price = f"{listing.price:,.2f} {listing.currency}" if listing.price is not None else "no price"
    lines = [f"{rank:>3}. {scored.score:.1%}  {printable(listing.title)}  ({price})"]
    lines += [
        f"          {reason.weight:+.1f}  {printable(reason.sentence)}" for reason in scored.reasons_for_counterfeit[:3]
    ]
    return "\n".join([*lines, ""])
