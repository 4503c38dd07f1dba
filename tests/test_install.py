"""The wheel works in a fresh environment with only its requirements.

uv installs it with its declared dependencies, from its cache where it has them, so that a dependency which only the
tests bring along is missed here.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.install

ROOT = Path(__file__).parents[1]
UV = (sys.executable, "-m", "uv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([*UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the commands of an environment that has the wheel and what `ipml demo` needs, no more."""
    return install(f"{wheel}[console,train]", tmp_path_factory.mktemp("fresh") / "environment")


@pytest.fixture(scope="module")
def base_commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the commands of an environment that has the wheel without its extras."""
    return install(str(wheel), tmp_path_factory.mktemp("base") / "environment")


def install(wheel: str, environment: Path) -> Path:
    """Make an environment, install the wheel and what it depends on, and return the folder of its commands."""
    subprocess.run([*UV, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    folder = environment / "bin"
    subprocess.run([*UV, "pip", "install", "--quiet", "--python", folder / "python", wheel], check=True)
    return folder


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty folder to work in, far from the checkout."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def demo(commands: Path, elsewhere: Path) -> subprocess.CompletedProcess[str]:
    """Run the demonstration, small."""
    return run(elsewhere, commands / "ipml", "demo", "--listings", "2000", "--out", "tour")


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, without the settings of the person who runs the tests."""
    return subprocess.run(command, cwd=folder, env=bare_environment(), capture_output=True, text=True, timeout=600)


def bare_environment() -> dict[str, str]:
    """Return the environment without a way to the checkout, and without settings of ipml."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "IPML_", "VIRTUAL_ENV"))
    }


@contextmanager
def page(folder: Path, command: list[str]) -> Iterator[HTTPConnection]:
    """Open the page on a free port, give a connection to it, and close it as a person would."""
    with subprocess.Popen(
        command, cwd=folder, env=bare_environment() | {"IPML_PORT": "0"}, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            address = urlsplit(server.stdout.readline().split()[2])
            with closing(HTTPConnection(address.netloc, timeout=10)) as connection:
                yield connection
        finally:
            server.send_signal(signal.SIGINT)


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    """Templates, word lists, brands and migrations come along as the code does; tests and data stay here."""
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ipml").rglob("*") if path.is_file()}
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {name for name in here if "__pycache__" not in name}


PACKED = (
    *(r"ipml/py\.typed", r"ipml/features/(lexicon|goods|offer)\.toml", r"ipml/model/promotion/gate\.toml"),
    *(r"ipml/model/robustness/genuine_scripts\.toml", r"ipml/model/report/templates/.+\.(html|css)"),
    *(r"ipml/listings/brands\.toml", r"ipml/listings/maps/marketplaces/.+\.toml"),
    r"ipml/simulation/vocabulary/.+\.toml",
    *(r"ipml/storage/migrations/versions/v0001_.+\.py", r"ipml/web/static/.+\.(css|js)"),
    *(r"ipml/web/templates/.+\.html", r"ipml-.+\.dist-info/licenses/LICENSE"),
)


def test_the_wheel_holds_what_is_read_when_it_runs(wheel: Path) -> None:
    """Each kind of file that the code opens is there under the name it opens."""
    names = ZipFile(wheel).namelist()
    assert [pattern for pattern in PACKED if not any(re.fullmatch(pattern, name) for name in names)] == []


def test_the_checkout_and_the_tools_of_its_tests_are_out_of_reach(commands: Path, elsewhere: Path) -> None:
    """The other tests in this file would prove nothing if the environment saw more than the wheel asks for."""
    code = "import importlib.util, ipml; print(ipml.__file__, importlib.util.find_spec('pytest'))"
    expected = [str(next(commands.parent.glob("lib/python*/site-packages")) / "ipml" / "__init__.py"), "None"]
    assert run(elsewhere, commands / "python", "-c", code).stdout.split() == expected


def test_a_marketplace_can_be_simulated(commands: Path, elsewhere: Path) -> None:
    """Its vocabulary was packed."""
    result = run(elsewhere, commands / "ipml", "data", "simulate", "--listings", "2000", "--out", "market")
    assert (result.returncode, result.stderr.strip()) == (0, "")
    assert (elsewhere / "market" / "listings.parquet").is_file()


def test_the_demonstration_runs_without_a_warning(demo: subprocess.CompletedProcess[str]) -> None:
    """It ends well, and nothing that it prints should worry a newcomer."""
    assert demo.returncode == 0, demo.stderr
    assert not re.search("warning|deprecat|traceback", demo.stdout + demo.stderr, re.IGNORECASE)


def test_the_page_opens_and_lets_in_as_the_demonstration_says(demo, elsewhere):
    """The printed command opens a page in good health, and the printed name and password are let in."""
    (command,) = re.findall(r"^ +(\S+ demo .+ --serve)$", demo.stdout, re.MULTILINE)
    ((password, name),) = re.findall(r"log in with the password (\S+) as (\S+) ", demo.stdout)
    with page(elsewhere, shlex.split(command)) as connection:
        connection.request("GET", "/health")
        health = json.load(connection.getresponse())
        assert health["status"] == "ok"
        connection.request(
            "POST",
            "/login",
            urlencode({"name": name, "password": password}),
            {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"http://{connection.host}:{connection.port}",
            },
        )
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Location"]) == (303, "/")


SCORE = """
import sys
import ipml

titles = ["AAA replica watch 1:1 mirror", "Brown leather wallet", "N\u0456ke sh0es", "革の手袋"]
listings = [{"listing_id": str(at), "seller_id": "s", "title": title} for at, title in enumerate(titles)]
scorer = ipml.load_model(sys.argv[1])
for scored in [*ipml.score_listings(listings, scorer), *map(scorer.score, listings)]:
    print(scored.log_odds, scored.score, scored.abstained, *(reason.sentence for reason in scored.reasons))
"""


def test_a_service_scores_with_the_base_alone(demo, base_commands, commands, elsewhere):
    """Without Arrow, dictionaries, MLflow, a database or a web framework the demonstration's model scores as ever."""
    assert demo.returncode == 0
    for module in ("fastapi", "mlflow", "pyarrow", "spellchecker", "sqlalchemy", "wordfreq"):
        found = run(base_commands, base_commands / "python", "-c", f"import {module}")
        assert "ModuleNotFoundError" in found.stderr
    (model,) = (path.parent for path in (elsewhere / "tour" / "models").rglob("manifest.json"))
    by_base, by_all = (run(elsewhere, of / "python", "-c", SCORE, model) for of in (base_commands, commands))
    assert by_base.returncode == 0, by_base.stderr
    assert by_base.stdout == by_all.stdout != ""


def test_a_command_names_the_extra_that_it_lacks(base_commands: Path, elsewhere: Path) -> None:
    """One line says what to install."""
    for command, extra in (
        ("score listings.csv --out scored.csv --model models/shoes", "batch"),
        ("queue estimate", "console"),
        ("demo", "train"),
        ("model rollback", "train"),
    ):
        result = run(elsewhere, base_commands / "ipml", *command.split())
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert f"pip install 'ipml[{extra}]'" in result.stderr
