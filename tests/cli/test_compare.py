"""The commands on registered models where there is nothing to work on; what they do is in test_promote.py."""

import subprocess
import sys


def test_without_a_store_nothing_is_made(ipml, tmp_path):
    """Looking for a model where there is no registry makes none."""
    for arguments in (
        ("model", "compare", "1", "2"),
        (
            "model",
            "promote",
        ),
        (
            "model",
            "rollback",
        ),
    ):
        answer = ipml(*arguments)
        assert answer.exit_code == 2
        assert "There is no registry" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_help_is_light():
    """Asking for help loads neither MLflow nor pandas."""
    script = "import sys, ipml.cli; print(*[m for m in ('mlflow', 'pandas') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
