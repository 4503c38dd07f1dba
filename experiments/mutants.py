"""Mutants: changes ipml in one place at a time and counts the changes that a test notices.

pytest --cov=ipml --cov-context=test --cov-report= --junit-xml=fast.xml
python -m experiments.mutants --seed 1 --sample 150 --junit fast.xml --out mutants.jsonl

The first command records the tests that execute each line, and how long they take; it needs pytest-cov. The second
draws places in the code, changes one in a copy of the tree, and runs the tests of its line until one fails: those of
the module's own folder first, then the quickest. Interrupted, it goes on where it stopped. A result is a line of JSON.
"""

import argparse
import ast
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from itertools import takewhile
from pathlib import Path
from queue import SimpleQueue
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
COMPARED |= {ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And}
SPARED = {"frozen", "slots", "kw_only", "strict"}  # arguments that guard against mistakes and change no result
AT_MOST = 300  # tests for one mutant


@dataclass(frozen=True)
class Mutant:
    """One change: the module, the lines from the start of its statement, its kind, and its number in a walk."""

    file: str
    start: int
    line: int
    kind: str
    node: int


def list_mutants(path: Path) -> Iterator[Mutant]:
    """Yield every change that can be made to a module; texts and type annotations stay."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))  # outer statements before inner ones
    starts = {id(part): node.lineno for node in nodes if isinstance(node, ast.stmt) for part in ast.walk(node)}
    spared = {id(part) for node in nodes for child in _spared(node) for part in ast.walk(child)}
    for number, node in enumerate(nodes):
        kind = None if id(node) in spared else _kind_of(node)
        if kind:
            yield Mutant(path.relative_to(ROOT).as_posix(), starts[id(node)], node.lineno, kind, number)


def _spared(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.keyword) and node.arg in SPARED:
        return [node.value]
    return [note for name in ("annotation", "returns") if (note := getattr(node, name, None)) is not None]


def _kind_of(node: ast.AST) -> str | None:
    match node:
        case ast.Compare():
            return "comparison"
        case ast.BinOp() | ast.BoolOp() if type(node.op) in COMPUTED:
            return "operator"
        case ast.Constant() if isinstance(node.value, (bool, int, float)):
            return "constant"
        case ast.Expr(ast.Call()):
            return "call"
    return None


def change(source: str, mutant: Mutant) -> str:
    """Return a module's source with one change."""
    tree = ast.parse(source)
    node = next(node for number, node in enumerate(ast.walk(tree)) if number == mutant.node)
    match node:
        case ast.Compare():
            node.ops[0] = COMPARED[type(node.ops[0])]()
        case ast.BinOp() | ast.BoolOp():
            node.op = COMPUTED[type(node.op)]()
        case ast.Constant():
            node.value = not node.value if isinstance(node.value, bool) else node.value + 1
        case ast.Expr():
            node.value = ast.Constant(None)
    return ast.unparse(tree)


class Tests:
    """The tests that execute each line, in the order in which they run."""

    def __init__(self, junit: str) -> None:
        from coverage import CoverageData  # only here: the checks of this module need no coverage

        self.data = CoverageData(str(ROOT / ".coverage"))
        self.data.read()
        cases = ElementTree.parse(junit).iter("testcase")  # noqa: S314  our own report
        self.seconds = {(case.get("classname"), case.get("name")): float(case.get("time", 0)) for case in cases}

    def of_line(self, mutant: Mutant) -> list[str]:
        """Return the tests of a line; of a line that only an import executes, those of its module."""
        lines = self.data.contexts_by_lineno(str(ROOT / mutant.file))
        executed = max((line for line in lines if mutant.start <= line <= mutant.line), default=None)
        if executed is None:
            return []
        contexts = set(lines[executed]) - {""} or {context for line in lines.values() for context in line} - {""}
        tests = {context.rpartition("|")[0] for context in contexts}
        return sorted(tests, key=lambda test: (-self._nearness(test, mutant), self._cost(test), test))[:AT_MOST]

    def _nearness(self, test: str, mutant: Mutant) -> int:
        pairs = zip(test.partition("::")[0].split("/")[1:], mutant.file.split("/")[1:], strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0].removeprefix("test_") == pair[1], pairs))

    def _cost(self, test: str) -> float:
        file, _, name = test.partition("::")
        classname = file.removesuffix(".py").replace("/", ".")
        return self.seconds.get((classname, name), 1.0)


def try_out(mutant: Mutant, tests: list[str], tree: Path, seconds: float) -> str:
    """Return "caught", "survived", "timeout" or "no test", with one change in a copy of the tree."""
    if not tests:
        return "no test"
    file, source = tree / mutant.file, (ROOT / mutant.file).read_text(encoding="utf-8")
    file.write_text(change(source, mutant), encoding="utf-8")
    (tree / "chosen.txt").write_text("\n".join(tests), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-n0", "-m", "", "-x", "-q", "-p", "no:cacheprovider", "@chosen.txt"]
    data = os.environ.get("IPML_DATA", str(ROOT.parent / "shared/data"))
    env = os.environ | {"PYTHONPATH": str(tree), "CI": "true", "IPML_DATA": data, "PYTHONDONTWRITEBYTECODE": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=tree, env=env, start_new_session=True, **quiet) as process:  # noqa: S603
        try:
            return "caught" if process.wait(seconds) else "survived"
        except subprocess.TimeoutExpired:
            return "timeout"
        finally:
            os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
            file.write_text(source, encoding="utf-8")


def draw_mutants(seed: int, size: int) -> list[Mutant]:
    """Return a sample of changes, as many of each kind."""
    files = sorted(path for path in (ROOT / "ipml").rglob("*.py") if "migrations" not in path.parts)
    places = [mutant for path in files for mutant in list_mutants(path)]
    kinds = [[mutant for mutant in places if mutant.kind == kind] for kind in sorted({m.kind for m in places})]
    draw = random.Random(seed)  # noqa: S311  a sample, no secret
    return [draw.choice(draw.choice(kinds)) for _ in range(size)]


def read_results(file: Path) -> dict[Mutant, str]:
    """Return the mutants of a file of results, and what became known of each."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    names = [field.name for field in fields(Mutant)]
    return {Mutant(*(row[name] for name in names)): row["result"] for row in rows}


def main() -> None:
    """Draw mutants, try those that the file of results does not hold yet, and print the share that was caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=150, help="number of mutants")
    parser.add_argument("--seconds", type=float, default=90, help="the longest that the tests of one mutant may take")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--junit", required=True, help="the report of the run that recorded the contexts")
    parser.add_argument("--out", type=Path, default=Path("mutants.jsonl"))
    options = parser.parse_args()
    drawn = draw_mutants(options.seed, options.sample)
    results = read_results(options.out)
    tests, trees = Tests(options.junit), SimpleQueue()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        for number in range(options.jobs):
            left_out = shutil.ignore_patterns(".*", "output")
            trees.put(Path(shutil.copytree(ROOT, Path(folder, str(number)), ignore=left_out)))

        def work(mutant: Mutant) -> None:
            tree, chosen = trees.get(), tests.of_line(mutant)
            results[mutant] = try_out(mutant, chosen, tree, options.seconds)
            trees.put(tree)
            with options.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(asdict(mutant) | {"tests": len(chosen), "result": results[mutant]}) + "\n")

        list(pool.map(work, [mutant for mutant in dict.fromkeys(drawn) if mutant not in results]))
    counts = Counter(results[mutant] for mutant in drawn)
    print(f"{counts['caught']} of {len(drawn)} caught:", dict(counts))


if __name__ == "__main__":
    main()
