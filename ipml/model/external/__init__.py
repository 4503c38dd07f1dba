"""External models: estimators that ipml did not train, made ready for everything that follows a score."""

from ipml.model.external.classifier import ExternalClassifier
from ipml.model.external.source import EstimatorSource, read_source

__all__ = ["EstimatorSource", "ExternalClassifier", "read_source"]
