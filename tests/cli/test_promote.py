"""From one model to the next: two are trained, compared, and one of them is put into use and taken back."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mlflow
import pytest

from ipml.model.tracking import read_champions
from ipml.model.training import Experiment, train

# What three thousand listings cannot show: ratios of a handful of false alarms, and the recall of a few dozen finds.
# The poor model scores nearly at random, and so hits all sellers alike: no yardstick for the good one's ratios.
SMALL_MARKET = """
recall_kept_mean.at_least = 0.5
false_positive_ratio_small.at_most = 50.0
false_positive_ratio_new.at_most = 50.0
false_positive_ratio_small.must_not_worsen = false
false_positive_ratio_new.must_not_worsen = false
"""


class Loop(NamedTuple):
    """A registry with a good model, the champion, and a poor one, the challenger."""

    store: str
    market: Path
    runs: tuple[str, str]


@pytest.fixture(scope="module")
def loop(tmp_path_factory, market) -> Loop:
    """Train a good and a poor model on the small marketplace, tested on the same listings."""
    home = tmp_path_factory.mktemp("loop")
    market.write(home)
    store = f"sqlite:///{home}/mlflow.db"
    good = train_and_keep(home, store, "good", 0.1)
    mlflow.MlflowClient(store, store).set_registered_model_alias("ipml", "champion", "1")
    return Loop(store, home, (good, train_and_keep(home, store, "poor", 1e-5)))


def train_and_keep(home: Path, store: str, name: str, C: float) -> str:
    """Train a model as `ipml model train` does; return the id of the run."""
    experiment = Experiment(
        name=name,
        data={"listings": "listings.parquet", "brands": "brands.toml"},
        split={"kind": "seller folds", "n_folds": 2},
        evaluation={"n_resamples": 100, "attacks": ["leet digits", "fresh account"]},
        model={"C": C, "n_folds": 2},
        folder=home,
    )
    return train(experiment, models=home, tracking_uri=store).run.run_id


@pytest.fixture
def champions(loop) -> Callable[[], tuple[int, ...]]:
    """Return a function that tells the champions one can go back to; afterwards the good one is champion again."""
    yield lambda: read_champions("ipml", loop.store).stack
    mlflow.MlflowClient(loop.store, loop.store).set_registered_model_alias("ipml", "champion", "1")


def test_models_are_compared_by_any_of_their_names(ipml, loop):
    """Versions, ids of runs, folders and URIs lead to the same figures; listings given are scored by both."""
    names = (("1", "2"), loop.runs, (loop.market / "good", loop.market / "poor"))
    names = (("models:/ipml@champion", "models:/ipml@challenger"), *names)
    answers = [ipml("model compare", *pair, "--tracking", loop.store) for pair in names]
    assert {(answer.exit_code, answer.err.strip()) for answer in answers} == {(0, "")}
    assert len({answer.out.split("\n\n")[1] for answer in answers}) == 1
    (line,) = [line for line in answers[0].out.splitlines() if line.startswith("average precision")]
    assert line.endswith("B clearly worse")
    answer = ipml("model compare 1 2 --labelled", loop.market / "listings.parquet", "--tracking", loop.store)
    assert answer.exit_code == 0
    assert "learnt from flatter" in answer.out
    assert "B clearly worse" in answer.out


def test_an_override_promotes_and_can_be_taken_back(ipml, loop, champions):
    """What the gate refuses is promoted for a reason, which is kept with who and when; a rollback keeps its own."""
    answer = ipml("model promote --tracking", loop.store)
    assert answer.exit_code == 1
    assert "clearly worse than the model in use" in answer.out
    assert "models:/ipml/2 is refused; nothing has changed" in answer.out
    assert champions() == (1,)
    answer = ipml("model promote 2 --override 'the other leaks money' --tracking", loop.store)
    assert answer.exit_code == 0
    assert "models:/ipml/2 is champion, in place of version 1" in answer.out
    assert champions()[-2:] == (1, 2)
    answer = ipml("model rollback --why 'finds nothing' --tracking", loop.store)
    assert answer.exit_code == 0
    assert "models:/ipml/1 is champion again, in place of version 2" in answer.out
    *_, promotion, rollback = read_champions("ipml", loop.store).moves
    assert (promotion.reason, rollback.reason) == ("override of the gate: the other leaks money", "finds nothing")
    assert promotion.moved_by
    assert promotion.moved_at < rollback.moved_at


def test_rules_of_a_file_decide_and_an_earlier_champion_can_be_named(ipml, loop, champions, tmp_path):
    """Where the poor one is in use, the good one fails strict rules and passes those for a market of few sellers."""
    (tmp_path / "small.toml").write_text(SMALL_MARKET)
    (tmp_path / "strict.toml").write_text("[listings_per_second]\nat_least = 1e9\n")
    ipml("model promote 2 --override 'a try' --tracking", loop.store)
    answer = ipml("model promote 1 --rules strict.toml --tracking", loop.store)
    assert (answer.exit_code, "too slow" in answer.out) == (1, True)
    answer = ipml("model promote models:/ipml/1 --rules small.toml --tracking", loop.store)
    assert answer.exit_code == 0, answer.out
    assert "NO" not in answer.out
    assert "passed the gate" in answer.out
    assert champions()[-2:] == (2, 1)
    assert ipml("model rollback --to 2 --tracking", loop.store).exit_code == 0
    assert champions()[-1] == 2


def test_a_mistake_is_one_line(ipml, accepted, loop):
    """What cannot be done is said in one line, with exit code 2."""
    wrong = {"promote 1": "is the champion already", "promote 9": "No ", "promote --name other": "No "}
    wrong |= {"promote --rules none.toml": "none.toml", "compare 1 no/such/folder": "No "}
    wrong |= {f"compare 1 {'f' * 32}": "No ", "rollback --name ../x": "expected models:/NAME"}
    wrong |= {"rollback --to 1": "is the champion already", "rollback --to 7": "never champion"}
    assert accepted({f"model {line} --tracking {loop.store}": words for line, words in wrong.items()}) == {}
    answer = ipml("model promote 2 --override ' ' --tracking", loop.store)  # whose table is printed first
    assert (answer.exit_code, "expected 1 to 1,000 letters" in answer.err) == (2, True)


# The commands on registered models where there is nothing to work on; what they do is in test_promote.py
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
