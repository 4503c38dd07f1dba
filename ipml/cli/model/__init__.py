"""Commands on models and the labels that they learn from: `ipml model`."""
