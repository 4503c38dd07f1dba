"""Report on a model: the facts that a person weighs before it is trusted, and the page that shows them."""

from ipml.model.report.facts import Explain, ReportFacts, ReportHead
from ipml.model.report.report import ReportParts, model_report, write_report

__all__ = [
    "Explain",
    "ReportFacts",
    "ReportHead",
    "ReportParts",
    "model_report",
    "write_report",
]
