"""What a monitor sees of the outbox."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Engine
from support.invented import invented_messages

from ipml.storage import outbox
from ipml.storage.database import open_database, writing
from ipml.web.http_api.monitoring import OutboxFacts


def read(facts: OutboxFacts) -> str:
    """Return all figures as a monitor reads them."""
    registry = CollectorRegistry()
    registry.register(facts)
    return generate_latest(registry).decode()


@invented_messages
def test_what_waits_is_shown_and_not_looked_up_more_often_than_every_ten_seconds(engine: Engine):
    """By channel, with the age of the oldest; who asks all the time does not keep the database busy."""
    seconds = [0.0]
    facts = OutboxFacts(engine, 24, clock=lambda: seconds[0])
    assert 'channel="platform"' not in read(facts)
    with writing(engine) as connection:
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
        what = {"channel": "platform", "kind": "measure", "body": {}, "pseudonym": None, "now": an_hour_ago}
        outbox.put(connection, key="1", subject="measure:1", **what)
    assert 'channel="platform"' not in read(facts)
    seconds[0] = 11.0
    shown = read(facts)
    assert 'ipml_outbox_waiting{channel="platform"} 1.0' in shown
    assert 'ipml_outbox_dead{channel="platform"} 0.0' in shown
    assert "ipml_measures_overdue 0.0" in shown
    assert float(shown.partition('ipml_outbox_oldest_seconds{channel="platform"} ')[2].split()[0]) >= 3600


def test_a_database_that_cannot_be_read_gives_no_figures(tmp_path):
    """The monitor still gets everything else."""
    assert read(OutboxFacts(open_database(f"sqlite:///{tmp_path}/empty.db"), 24)) == ""
