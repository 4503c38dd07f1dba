"""`ipml warm-up`: compile what scoring and training run, once, so that no first call waits for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from pathlib import Path

import typer


def warm_up() -> None:
    """Compile what scoring and training run; the result is kept, beside ipml or in the user's cache folder.

    Without it the first listing after an installation waits about a minute. Run it when an image is built.

    Example: ipml warm-up
    """
    from time import perf_counter

    start = perf_counter()
    compile_all()
    typer.echo(f"Compiled, or found compiled, in {perf_counter() - start:.0f} seconds")


def compile_all() -> None:
    """Compile whatever is not yet compiled, on two cores."""
    with nullcontext() if is_compiled() else running_beside(compile_longest):
        _train_and_score()


def is_compiled() -> bool:
    """Say whether code lies compiled for this Python, judged by n-gram sums, the last that `compile_longest` makes."""
    from ipml.features.compiled.ngrams import sum_rows

    release = f"py{sys.version_info.major}{sys.version_info.minor}"
    return any(Path(sum_rows.stats.cache_path).glob(f"*.{sum_rows.__name__}-*.{release}.nbi"))


def _train_and_score() -> None:
    """Train on a small market and score it, and look at a dictionary of texts, which calls all that is compiled."""
    import numpy as np

    from ipml.listings.schema import check_listings
    from ipml.model.pipeline import CounterfeitClassifier
    from ipml.plain_texts import find_longest
    from ipml.scoring.scorer import Scorer
    from ipml.simulation.marketplace import simulate_marketplace

    listings = check_listings(simulate_marketplace(n_listings=600, seed=0).listings)
    labelled = listings[listings["is_counterfeit"].notna()]
    classifier = CounterfeitClassifier(n_folds=2).fit(labelled, labelled["is_counterfeit"].astype(int))
    scorer = Scorer(classifier, "warm-up/1")
    scorer.score_frame(listings)
    for scored in scorer.explain_frame(listings[:20]):
        scorer.score(scored.listing)
    find_longest(np.frombuffer(bytes(4), dtype=np.uint8), 1)


def compile_longest() -> None:
    """Compile what takes longest of all that a training run comes to late: reading misspelt words, and n-gram sums."""
    import numpy as np

    from ipml.features.compiled.ngrams import mark_known
    from ipml.features.compiled.texts import Texts
    from ipml.features.ngrams import sum_ngrams
    from ipml.features.spelling import Spelling

    texts = Texts.of(["leather belt", "wool belt", "laether watch"])
    Spelling().fit(texts.strings(), phrases=["replica*"]).read_texts(texts)
    weights = np.zeros(1 << 18)
    sum_ngrams(texts, mark_known(weights, np.ones(weights.size, dtype=bool)))


@contextmanager
def running_beside(work: Callable[[], None]) -> Iterator[None]:
    """Do some work in a second process within a block, and wait for it at the end of the block.

    Raises
    ------
    RuntimeError
        The work failed; what it raised is on stderr.
    """
    process = get_context("spawn").Process(target=work)
    process.start()
    try:
        yield
    except BaseException:
        process.kill()
        raise
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work.__name__} ended with {process.exitcode}")
