"""No file of the package loads a pickle, or a model in another way than through the checks."""

import ast
from pathlib import Path

import ipml

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
    """No file of the package loads pickles, or loads a model in another way than through the checks."""
    package, found = Path(ipml.__file__).parent, {}
    for path in package.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if any(word in source for word in WORDS) and (calls := unsafe_loads(source)):
            found[str(path.relative_to(package))] = calls
    assert found == {}


EXAMPLES = (
    *("import pickle", "from joblib import load", "joblib.load(path)", "np.load(path, allow_pickle=True)"),
    *("mlflow.pyfunc.load_model(uri)", "pd.read_pickle(path)"),
)


def test_the_search_finds_what_it_looks_for() -> None:
    """Each way to load a pickle would be found."""
    assert [line for line in EXAMPLES if not unsafe_loads(line) or not any(word in line for word in WORDS)] == []
