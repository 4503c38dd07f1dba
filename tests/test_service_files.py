"""The examples of services in the guide for operators are what systemd and compose read."""

import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from ipml.settings import Settings
from ipml.storage.jobs import JOBS
from ipml.web.http_api.monitoring import JobFacts

GUIDE = (Path(__file__).parents[1] / "docs/guides/operate.md").read_text(encoding="utf-8")


def block(language: str, first: str = "") -> str:
    """Return the one block of the guide in a language that begins with a word."""
    (found,) = re.findall(rf"```{language}\n({first}.*?)```", GUIDE, re.DOTALL)
    return found


class Compose(yaml.SafeLoader):
    """Reads compose's own marks, too."""


Compose.add_constructor("!reset", lambda loader, node: [])


def test_the_unit_has_all_that_a_service_needs() -> None:
    """It starts the worker again however it ended, and leaves it time to stop."""
    unit = ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block("ini", "\\[Unit"))
    assert unit.sections() == ["Unit", "Service", "Install"]
    assert shlex.split(unit["Service"]["ExecStart"]) == ["/opt/ipml/bin/ipml", "worker"]
    assert unit["Service"]["Restart"] == "always"
    assert int(unit["Service"]["TimeoutStopSec"]) >= 60


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """Where there is a systemd to ask: every name in it is one that it knows."""
    if not (analyze := shutil.which("systemd-analyze")):
        return
    path = tmp_path / "ipml-worker.service"
    path.write_text(block("ini", "\\[Unit").replace("/opt/ipml/bin/ipml", "/bin/true"))
    said = subprocess.run([analyze, "verify", "--man=no", str(path)], capture_output=True, text=True).stderr
    assert not [line for line in said.splitlines() if path.name in line and "Unknown" in line]


def test_compose_reads_the_file() -> None:
    """Database, server and worker are there; what they refer to is defined."""
    # The loader is a safe one, which knows one mark more.
    file: dict[str, Any] = yaml.load(block("yaml", "services"), Compose)
    assert list(file["services"]) == ["database", "server", "worker"]
    worker = file["services"]["worker"]
    assert worker["command"] == "ipml worker"
    assert worker["build"] == file["services"]["server"]["build"]
    assert "/health/ready" in file["services"]["server"]["healthcheck"]["test"]
    assert worker["healthcheck"] == {"disable": True}
    used = {volume.partition(":")[0] for one in file["services"].values() for volume in one["volumes"]}
    assert used == set(file["volumes"])


def test_the_guide_names_each_job(subtests: pytest.Subtests) -> None:
    """With its usual schedule, and a setting that it needs."""
    for job in JOBS:
        with subtests.test(job.name):
            (row,) = re.findall(rf"^\| {job.name} \|.*$", GUIDE, re.MULTILINE)
            assert f"`{job.usual}`" in row
            assert not job.needs or f"IPML_{job.needs[0].upper()}" in row


def test_the_alerts_ask_for_figures_that_there_are(engine: Engine) -> None:
    """Each rule has a name, words for whoever is woken, and no other figures than `/metrics` shows."""
    registry = CollectorRegistry()
    registry.register(JobFacts(engine, Settings()))
    (group,) = yaml.safe_load(block("yaml", "groups"))["groups"]
    for rule in group["rules"]:
        assert rule["alert"]
        assert rule["annotations"]["summary"]
        asked = set(re.findall(r"ipml_\w+", rule["expr"]))
        assert asked <= {metric.name for metric in registry.collect()}
