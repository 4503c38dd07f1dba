"""The commands on registered models where there is nothing to work on; what they do is in test_promote.py."""

import subprocess
import sys

import pytest


def test_without_a_store_nothing_is_made(accepted, tmp_path):
    """Looking for a model where there is no registry makes none."""
    lines = dict.fromkeys(("model compare 1 2", "model promote", "model rollback"), "There is no registry")
    assert accepted(lines | {"model reproduce 7": "No model", "model reproduce ../x": "No model"}) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_help_is_light():
    """Asking for help loads neither MLflow nor pandas."""
    script = "import sys, ipml.cli; print(*[m for m in ('mlflow', 'pandas') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
