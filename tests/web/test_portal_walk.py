"""Every address of the console and the API with every role: nobody sees what is not theirs, real data all around."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select
from support.brand_world import ADDRESSES, BRANDS, LISTINGS, NOTE, REVIEWERS, dealer_of, fill, sellers_of
from support.databases import copy_memory
from support.staff import CHEAP, PASSWORD

from ipml.settings import Settings
from ipml.storage.database import reading
from ipml.storage.tables import metadata
from ipml.web.accounts.permissions import Action
from ipml.web.accounts.sessions import LoginLimits
from ipml.web.app import ROUTES, make_app
from ipml.web.http_api.api import API_ROUTES
from ipml.web.http_api.requests import make_access

pytestmark = pytest.mark.slow  # each walks some hundred addresses

NUMBERS = range(1, 2 * LISTINGS + 2)
_PERSONAL = ("31 days", "4815162", "4,815,162")  # of the seller's history


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Give an empty database."""
    engine = copy_memory()
    yield engine
    engine.dispose()


@pytest.fixture
def references(engine: Engine) -> dict[str, str]:
    """Fill the database; return the references of notices by brand."""
    return fill(engine)


@pytest.fixture
def browse(engine: Engine, references: dict[str, str]) -> Callable:
    """Return what logs somebody in."""
    limits = LoginLimits(for_name=1000, for_address=1000)
    app: FastAPI = make_app(engine, Settings(), cost=CHEAP, limits=limits)

    def log_in(name: str) -> TestClient:
        client = TestClient(app, follow_redirects=False, headers={"Sec-Fetch-Site": "same-origin"})
        assert client.post("/login", data={"name": name, "password": PASSWORD}).status_code == 303
        return client

    return log_in


def fill_in(path: str, references: Mapping[str, str]) -> Iterator[str]:
    """Give all addresses of a route: with each number, and with the reference of every notice."""
    if "{reference}" in path:
        yield from (path.replace("{reference}", one) for one in references.values())
    elif "{" in path:
        yield from (re.sub(r"\{\w+\}", str(number), path) for number in NUMBERS)
    else:
        yield path
        yield from (f"{path}?brand={brand}&search=a&name={brand}" for brand in BRANDS.values())


def read_all(answer: object) -> str:
    """Return what an answer says, that of the files in an archive included."""
    content: bytes = answer.content  # type: ignore[attr-defined]
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "\n".join(archive.read(one).decode("utf-8") for one in archive.namelist())
    return content.decode("utf-8", "replace")


def forbidden_to(name: str) -> list[str]:
    """Return what an account may never see: others' brand, goods and people, every seller but theirs, reviewers."""
    own = BRANDS[name]
    others = [one for one in BRANDS if one != name]
    said = [*REVIEWERS, NOTE, *_PERSONAL, *sellers_of(own), "vic", "adam"]
    for other in others:
        brand = BRANDS[other]
        said += [brand, other, ADDRESSES[other], *sellers_of(brand), dealer_of(brand), f"{brand[:1]}-000"]
    return said


def find_said(text: str, said: list[str]) -> list[str]:
    """Return which words stand in a text, as words."""
    return [one for one in said if re.search(rf"(?<![\w-]){re.escape(one)}", text, re.IGNORECASE)]


def test_a_brand_account_sees_its_own_and_nothing_else(
    browse: Callable, references: dict[str, str], engine: Engine
) -> None:
    """At every address, number and reference: no other brand, reviewer, note or seller comes back."""
    for name, brand in BRANDS.items():
        client, said, seen = browse(name), forbidden_to(name), 0
        for method, path, action, _ in ROUTES:
            if path in ("/logout", "/health", "/health/ready"):
                continue
            for address in fill_in(path, references):
                answer = client.request(method, address, data={} if method == "POST" else None)
                text = read_all(answer)
                asked = set(re.findall(r"\w+", address))
                assert find_said(text, [one for one in said if one not in asked]) == [], (name, method, address)
                assert answer.status_code < 500, (name, method, address)
                if action not in (None, Action.USE_PORTAL, Action.SECURE_ACCOUNT):
                    assert answer.status_code in (403, 404), (name, method, address, answer.status_code)
                seen += brand in text
        assert seen > 20, "the walk saw nothing of the own brand either"
    with reading(engine) as connection:
        assert connection.execute(select(metadata.tables["decisions"])).all()


def test_what_is_anothers_is_not_found(browse: Callable, references: dict[str, str]) -> None:
    """Numbers, references, files and brands of another answer as those that are nowhere: 404.

    Nor does a search tell who sells a listing: for a seller's id it finds as little as for nonsense.
    """
    client, reference = browse("vera"), references["Nordhale"]
    for address in (
        *("listings/999999", f"listings/{LISTINGS + 1}", f"listings/{LISTINGS + 1}/evidence.zip"),
        *(f"notices/{reference}", "rights/2/file"),
        *(f"{name}?brand=Nordhale" for name in ("figures", "figures.zip", "listings", "notices")),
    ):
        assert client.get(f"/portal/{address}").status_code == 404, address
    forms = {
        f"notices/{reference}/answer": {"choice": "withdraw"},
        "sellers/2/end": {"why": "x"},
        "sellers": {"brand": "Nordhale", "seller": "s", "why": "w"},
        "rights": {"brand": "Nordhale", "number": "1", "office": "o"},
        "report": {"brand": "Nordhale", "why": "w" * 40, "listings": "A", "good_faith": "yes"},
    }
    for address, form in forms.items():
        assert client.post(f"/portal/{address}", data=form).status_code == 404, address
    assert "V-0001" in client.get("/portal/listings?search=tote").text
    for words in (sellers_of("Vellmar")[1], "merchant", "tote merchant"):
        assert "V-000" not in client.get("/portal/listings", params={"search": words}).text, words


def test_the_portal_is_for_brand_accounts_alone(browse: Callable) -> None:
    """Staff of any role, and an account that is bound to nothing, find nothing there."""
    for name in ("vic", "revina", "levante", "adam", "una"):
        client = browse(name)
        for method, path, action, _ in ROUTES:
            if action is Action.USE_PORTAL and method == "GET":
                address = re.sub(r"\{\w+\}", "1", path)
                assert client.get(address).status_code == 404, (name, address)


def test_the_key_of_a_rights_holders_program_opens_their_notices_alone(
    engine: Engine, references: dict[str, str], judges, make_server_app: Callable, tmp_path: Path
) -> None:
    """With a notifier's key the API says nothing of other brands, sellers or reviewers."""
    key, brand = "k" * 40, BRANDS["vera"]
    (tmp_path / "keys").write_text(f"{key} notices notifier={ADDRESSES['vera']}\n")
    api = TestClient(make_server_app(judges, make_access(tmp_path / "keys", "0.0.0.0"), engine))
    for method, path, action, *_ in API_ROUTES:
        for address in fill_in(path, references) if action is Action.GIVE_NOTICE else ():
            answer = api.request(method, address, json={}, headers={"Authorization": f"Bearer {key}"})
            asked = set(re.findall(r"\w+", address))
            assert find_said(answer.text, [one for one in forbidden_to("vera") if one not in asked]) == [], address
            is_own = references[brand] in address
            assert answer.status_code == (200 if is_own else 404 if method == "GET" else 422), address
