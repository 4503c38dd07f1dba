"""A marketplace with networks and decisions, filled once; each test works on a copy of its database."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from support.databases import copy_sqlite

from experiments.cooperation.referral_market import NOON, ReferralMarket, fill_market
from ipml.cooperation.policy import ReferralRules, load_cooperation_policy
from ipml.cooperation.referrals.package import Built, ReferralRequest, build_referral
from ipml.enforcement.evidence.package import PackageOutput
from ipml.storage.database import open_database


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> ReferralMarket:
    """Fill a database with listings of two networks, and decide on most of them."""
    folder = tmp_path_factory.mktemp("referral_market")
    market = fill_market(open_database(copy_sqlite(folder)), n_networks=2, most_members=6)
    market.engine.dispose()  # the last connection moves the log into the file
    return market


@pytest.fixture
def market(filled: ReferralMarket, tmp_path: Path) -> Iterator[ReferralMarket]:
    """Give a copy of that marketplace."""
    source = make_url(str(filled.engine.url)).database
    assert source is not None
    shutil.copyfile(source, tmp_path / "copy.db")
    engine = open_database(f"sqlite:///{tmp_path / 'copy.db'}")
    yield replace(filled, engine=engine)
    engine.dispose()


@pytest.fixture(scope="session")
def rules() -> ReferralRules:
    """Return the bundled rules."""
    return load_cooperation_policy().referrals


@pytest.fixture
def build(market: ReferralMarket, rules: ReferralRules, tmp_path: Path) -> Callable[..., Built]:
    """Return a function that builds a referral on the first network for a recipient."""

    def make(
        recipient: str = "police-criminal", name: str = "referral", key_file: Path | None = None, **options: object
    ) -> Built:
        brand = "Calder" if recipient == "rights-holder" else None
        said = {name: options.pop(name) for name in ("captures", "is_again", "sales") if name in options}
        request = ReferralRequest(market.numbers[0], recipient, brand, **said)  # type: ignore[arg-type]
        output = PackageOutput(tmp_path / name, "lea", key_file)
        options = {"now": NOON} | options
        return build_referral(market.engine, market.networks, request, rules, output, **options)  # type: ignore[arg-type]

    return make
