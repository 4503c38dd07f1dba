"""The street runs one way: the contracts in pyproject.toml hold."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "uv.lock", ".ci", "ipml", "notebooks"),
    *("docs", "mkdocs.yml", "experiments", "data", "models", "tests", ".gitignore", ".pre-commit-config.yaml"),
}


def test_layers_are_respected():
    """No module imports from a higher layer, the halves do not meet, and one file alone speaks to MLflow."""
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_no_modules_import_each_other():
    """No module imports, on its own or through others, a module that imports it; not for its types alone either."""
    paths = {path.relative_to(ROOT).with_suffix(""): path for path in (ROOT / "ipml").rglob("*.py")}
    modules = {".".join(name.parts).removesuffix(".__init__"): path for name, path in paths.items()}
    imports = {module: set[str]() for module in modules}
    for module, path in modules.items():
        for name in find_imports(ast.parse(path.read_bytes()).body):
            imports[module] |= {name if name in modules else name.rpartition(".")[0]} & modules.keys()
    assert sum(map(len, imports.values())) > len(modules)
    graphlib.TopologicalSorter(imports).prepare()  # a CycleError names the modules


def find_imports(statements: list[ast.stmt]) -> Iterator[str]:
    """Return the full names that a module imports as it is loaded, or for its types."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            yield from find_imports([part for part in ast.iter_child_nodes(statement) if isinstance(part, ast.stmt)])


def test_the_top_level_holds_only_what_the_design_lists():
    """What is tracked at the top is what a newcomer expects there."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split("/")[0] for line in listed.splitlines()} <= TOP_LEVEL


@pytest.fixture(scope="module")
def loaded() -> list[set[str]]:
    """Return which heavy packages a fresh interpreter has loaded after each of three imports, one after another."""
    steps = ("import ipml", "from ipml import load_model", "from ipml.model.training import load_experiment")
    heavy = "('mlflow', 'sqlalchemy', 'fastapi', 'sklearn')"
    script = "\n".join(f"{step}; print(*[m for m in {heavy} if m in sys.modules])" for step in ("import sys", *steps))
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return [set(line.split()) for line in result.stdout.splitlines()[1:]]


def test_importing_ipml_is_light(loaded: list[set[str]]):
    """A service that imports ipml gets neither MLflow nor a database nor a web framework."""
    assert loaded[0] == set()


def test_scoring_needs_no_mlflow_database_or_web_framework(loaded: list[set[str]]):
    """The scoring function itself loads none of them either."""
    assert loaded[1] == set()


def test_an_experiment_is_read_without_mlflow(loaded: list[set[str]]):
    """Training loads MLflow on first use only, so that what merely reads an experiment answers at once."""
    assert "mlflow" not in loaded[2]
