"""Vowpal Wabbit as a scikit-learn classifier of frames."""

from __future__ import annotations

import re
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer

from experiments.benchmark.inputs import Inputs
from experiments.benchmark.parts import N_GRAMS, scale_numbers

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
N_PASSES = 10


class VowpalLogistic:
    """Logistic regression by Vowpal Wabbit, which is fed listings in its own text format."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs

    def fit(self, frame: pd.DataFrame, y: Labels) -> Self:
        """Learn in several passes, in an order drawn anew for each; the classes weigh the same in sum."""
        from vowpalwabbit import Workspace

        self.numbers_ = scale_numbers().fit(frame[list(self.inputs.numbers)])
        weights = len(y) / (2 * np.bincount(y, minlength=2)[y])
        labels = [f"{1 if label else -1} {weight:.4f} " for label, weight in zip(y, weights, strict=True)]
        self.workspace_ = Workspace("-b 22 --loss_function logistic --link logistic --l2 1e-7 --quiet")
        lines = self._write(frame)
        examples = [label + line for label, line in zip(labels, lines, strict=True)]
        generator = np.random.default_rng(0)
        for _ in range(N_PASSES):
            for number in generator.permutation(len(examples)):
                self.workspace_.learn(examples[number])
        return self

    def predict_proba(self, frame: pd.DataFrame) -> Floats:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        probability = np.array([self.workspace_.predict(line) for line in self._write(frame)], dtype=np.float64)
        return np.column_stack([1 - probability, probability])

    def _write(self, frame: pd.DataFrame) -> list[str]:
        """Return the listings in Vowpal Wabbit's format: a namespace for each kind of feature."""
        analyzers = {
            f"{name}_{analyzer}": (
                frame[name],
                HashingVectorizer(analyzer=analyzer, ngram_range=span).build_analyzer(),
            )
            for name in self.inputs.texts
            for analyzer, span in N_GRAMS
        }
        spaces = {
            key: [" ".join(map(_one_word, analyze(text))) for text in texts]
            for key, (texts, analyze) in analyzers.items()
        }
        for name in self.inputs.categories:
            spaces[name] = [_one_word(text) for text in frame[name]]
        values = np.asarray(self.numbers_.transform(frame[list(self.inputs.numbers)]))
        spaces["numbers"] = [" ".join(f"n{i}:{value:.4f}" for i, value in enumerate(row)) for row in values]
        return [
            " ".join(f"|{key} {text}" for key, text in zip(spaces, texts, strict=True))
            for texts in zip(*spaces.values(), strict=True)
        ]


def _one_word(text: str) -> str:
    """Return a text as one word of the format, in which bars, colons and spaces have a meaning."""
    return re.sub(r"[|:\s]", "_", text)
