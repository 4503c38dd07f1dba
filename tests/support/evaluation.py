"""The evaluation of a model that scored its listings once."""

from ipml.model.evaluation.evaluation import evaluate_repeats


def evaluate(y, score, listings, *, baselines=None, **options):
    """Measure one scoring beside one of each baseline."""
    repeated = {name: [scores] for name, scores in (baselines or {}).items()}
    return evaluate_repeats(y, [score], listings, baselines=repeated, **options)
