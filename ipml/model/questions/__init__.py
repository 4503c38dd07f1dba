"""Daily questions on a model: each a function of scores, labels and listings, with a picture."""
