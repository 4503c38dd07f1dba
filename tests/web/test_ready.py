"""Whether a server takes requests: it says so itself, and why not."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from web.intake_server import EveryTenth

from ipml.settings import Settings
from ipml.storage.database import migrate, open_database
from ipml.web.app import make_app
from ipml.web.http_api.api import make_api
from ipml.web.http_api.monitoring import Metrics
from ipml.web.http_api.requests import Access
from ipml.web.shutdown import Shutdown


class Models:
    """A source of models that may have none."""

    n_reloads = n_failures = 0
    model: Any = None

    def current(self) -> Any:
        """Return the model of the moment."""
        return self.model


@pytest.fixture
def models() -> Models:
    """Return a source with a model."""
    source = Models()
    source.model = EveryTenth()
    return source


def ask(app: Any) -> tuple[int, dict[str, Any]]:
    """Ask whether a server is ready."""
    answer = TestClient(app).get("/health/ready")
    return answer.status_code, answer.json()


def test_the_page_and_the_api_are_ready(engine: Engine, models: Models) -> None:
    """No key and no login are asked for."""
    ready = (200, {"status": "ready"})
    assert ask(make_app(engine, Settings())) == ready
    assert ask(make_api(models, Metrics(models), Access({}, is_open=False), {}, engine)) == ready
    assert ask(make_api(models, Metrics(models), Access(), {})) == ready


def test_without_a_model_it_is_not(engine: Engine, models: Models) -> None:
    """As long as none could be loaded."""
    models.model = None
    app = make_api(models, Metrics(models), Access(), {}, engine)
    assert ask(app) == (503, {"status": "not ready", "reasons": ["no model could be loaded yet"]})
    models.model = EveryTenth()
    assert ask(app)[0] == 200


def test_with_tables_of_another_release_it_is_not(engine: Engine) -> None:
    """It says which were found; one that lets it go on keeps the older server in service while the newer one starts."""
    app = make_app(engine, Settings())
    for statement, reason in (
        ("UPDATE alembic_version SET version_num = '9999', compatible_from = '0001'", None),
        ("UPDATE alembic_version SET compatible_from = '9999'", "tables of revision 9999; expected tables of"),
        ("UPDATE alembic_version SET version_num = '0000'", "tables of revision 0000; expected tables of"),
        ("DROP TABLE alembic_version", "no tables; expected tables of revision"),
    ):
        with engine.begin() as connection:
            connection.execute(text(statement))
        status, said = ask(app)
        assert status == (503 if reason else 200), statement
        assert reason is None or said["reasons"][0].startswith(f"database: found {reason}")


def test_without_its_database_it_is_not(tmp_path: Any) -> None:
    """Nothing of the machine is told."""
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db")
    migrate(engine)
    app = make_app(engine, Settings())
    engine.dispose()
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "ipml.db").mkdir()
    assert ask(app) == (503, {"status": "not ready", "reasons": ["database: cannot be read"]})


def test_it_goes_on_for_a_while_where_somebody_watches(engine: Engine) -> None:
    """Who asked in the last minute is told; where nobody did, there is nobody to wait for."""
    now = [0.0]
    shutdown = Shutdown(10, lambda: now[0])
    app = shutdown.known_to(make_app(engine, Settings()))
    assert ask(app) == (200, {"status": "ready"})
    now[0] = 59.0
    assert shutdown.begin() == 10
    assert ask(app) == (503, {"status": "not ready", "reasons": ["the server is shutting down"]})
    assert TestClient(app).get("/health").headers["connection"] == "close"
    now[0] = 120.0
    assert shutdown.begin() == 0
