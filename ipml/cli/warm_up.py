"""`ipml warm-up`: compile what scoring and training run, once, so that no first call waits for it."""

from __future__ import annotations

import typer


def warm_up() -> None:
    """Compile what scoring and training run; the result is kept, beside ipml or in the user's cache folder.

    Without it the first listing after an installation waits about a minute. Run it when an image is built.

    Example: ipml warm-up
    """
    from time import perf_counter

    from ipml.listings.schema import check_listings
    from ipml.model.pipeline import CounterfeitClassifier
    from ipml.scoring.scorer import Scorer
    from ipml.simulation.marketplace import simulate_marketplace

    start = perf_counter()
    listings = check_listings(simulate_marketplace(n_listings=600, seed=0).listings)
    labelled = listings[listings["is_counterfeit"].notna()]
    classifier = CounterfeitClassifier(n_folds=2).fit(labelled, labelled["is_counterfeit"].astype(int))
    scorer = Scorer(classifier, "warm-up/1")
    scorer.score_frame(listings)
    for scored in scorer.explain_frame(listings[:20]):
        scorer.score(scored.listing)
    typer.echo(f"Compiled, or found compiled, in {perf_counter() - start:.0f} seconds")
