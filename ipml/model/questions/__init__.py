"""A data scientist's daily questions of a model: each a function of scores, labels and listings, and a picture."""
