"""Layers: the contracts in pyproject.toml hold, and no file of the package loads a pickle."""

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ipml

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "uv.lock", ".ci", ".github", "ipml", "notebooks"),
    *("docs", "mkdocs.yml", "experiments", "data", "models", "tests", ".gitignore", ".pre-commit-config.yaml"),
}


def test_layers_are_respected():
    """No module imports from a higher layer or the other half, and one folder alone imports MLflow."""
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


# Besides commands: functions of the public interface, or what they call for it, which say so in their docstrings.
READERS_OF_THE_ENVIRONMENT = {
    ("model/training/experiment.py", "load_experiment"),
    ("scoring/online_scoring.py", "_served"),
    ("scoring/scorer.py", "load_model"),
    ("scoring/spark/job.py", "_ship"),
}


def test_only_entry_points_read_the_settings_of_the_environment():
    """Commands and four functions of the public interface call `get_settings`; all others are given what they need."""
    package, readers = ROOT / "ipml", set[tuple[str, str]]()
    for path in package.rglob("*.py"):
        name, text = path.relative_to(package).as_posix(), path.read_text("utf-8")
        if "get_settings" in text and name != "settings.py" and not name.startswith("cli/"):
            for part in ast.parse(text).body:
                uses = [node for node in ast.walk(part) if isinstance(node, ast.Name) and node.id == "get_settings"]
                readers |= {(name, getattr(part, "name", "")) for _ in uses}
    assert readers == READERS_OF_THE_ENVIRONMENT


def test_the_top_level_holds_only_what_the_design_lists():
    """The top level holds what a newcomer expects there."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split("/")[0] for line in listed.splitlines()} <= TOP_LEVEL


def test_what_is_imported_is_light():
    """To import ipml or to score loads neither MLflow, a database nor a web framework, nor an experiment MLflow."""
    steps = ("import ipml", "from ipml import load_model", "from ipml.model.training import load_experiment")
    heavy = "('mlflow', 'sqlalchemy', 'fastapi', 'sklearn')"
    script = "\n".join(f"{step}; print(*[m for m in {heavy} if m in sys.modules])" for step in ("import sys", *steps))
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    by_itself, for_scoring, for_training = (set(line.split()) for line in result.stdout.splitlines()[1:])
    assert by_itself == for_scoring == set()
    assert "mlflow" not in for_training


def test_the_public_interface_is_documented_and_the_docs_use_no_other():
    """The docstring of ipml names each public name, each can be imported, and README and docs import only those."""
    assert re.findall(r"`(\w+)`", ipml.__doc__.replace("`import ipml`", "")) == sorted(
        ipml.__all__, key=lambda name: ipml.__doc__.index(f"`{name}`")
    )
    assert all(hasattr(ipml, name) for name in ipml.__all__)
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    imports = [line for page in pages for line in re.findall(r"\bfrom (ipml[\w.]* import .*)", page.read_text("utf-8"))]
    assert len(imports) > 5
    assert [line for line in imports if not line.startswith("ipml import ")] == []
    assert {name.strip() for line in imports for name in line[12:].split("#")[0].split(",")} <= set(ipml.__all__)


UNSAFE_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal"}
UNSAFE_CALLS = {"read_pickle", "get_untrusted_types"}
WORDS = UNSAFE_MODULES | UNSAFE_CALLS | {"joblib", "load_model", "allow_pickle"}  # only files with one are parsed


def unsafe_loads(source: str) -> list[str]:
    """Name what in a source file could run a pickle, or trust what a file says of itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            found += [module for module in modules if module.split(".")[0] in UNSAFE_MODULES]
            found += [module for module in modules if module.split(".")[0] == "joblib" and "load" in names]
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            called = ast.unparse(node.func) if name in {"load", "load_model"} else name
            allows = [k for k in node.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"]
            if (
                name in UNSAFE_CALLS
                or called == "joblib.load"
                or (called.startswith("mlflow.") and name == "load_model")
                or allows
            ):
                found.append(called)
    return found


def test_no_pickle_is_loaded_anywhere() -> None:
    """No file loads pickles or goes round the checks, but for the one that asks what the loader trusts."""
    package, found = Path(ipml.__file__).parent, {}
    for path in package.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if any(word in source for word in WORDS) and (calls := unsafe_loads(source)):
            found[str(path.relative_to(package))] = calls
    assert found.keys() == {"model/external/source.py"}  # see `IPML_TRUSTED_MODELS`


EXAMPLES = (
    *("import pickle", "from joblib import load", "joblib.load(path)", "np.load(path, allow_pickle=True)"),
    *("mlflow.pyfunc.load_model(uri)", "pd.read_pickle(path)"),
)


def test_the_search_finds_what_it_looks_for() -> None:
    """Each way to load a pickle would be found."""
    assert [line for line in EXAMPLES if not unsafe_loads(line) or not any(word in line for word in WORDS)] == []
