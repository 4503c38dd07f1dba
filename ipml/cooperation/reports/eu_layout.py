"""How the EU's template for transparency reports is laid out: its columns, categories and indicators, word for word.

Annex I of Implementing Regulation (EU) 2024/2835, as providers publish it; `eu_categories.csv` lists the categories.
Nothing here is ours to change.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from importlib.resources import files

NA = "n/a"
IP, TRADEMARK = "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS", "KEYWORD_TRADEMARK_INFRINGEMENT"
EVERYBODY, HOSTING = "All", "Only for providers of hosting services, including online platforms"
PLATFORMS, VERY_LARGE = "Only for providers of online platforms", "Only for VLOPs"
ONLY_COUNTERFEITS = "Counterfeits only, as recorded by ipml; other categories must be added from other sources."
NO_RECORD = "ipml keeps no record of this; it must be added from other sources."
HEAD = ("Applicability", "Service", "Reporting period")
CATEGORY_COLUMNS = (
    "Category label",
    "Category description",
    "Category of illegal content / incompatible with the terms and conditions",
    "Contextual information",
)
ILLEGAL = "Category of illegal content"
INCOMPATIBLE = "Category of incompatibility with the provider's terms and conditions"
CONTEXT, CONTEXT_OF_OWN = "Contextual information on", "Contextual Information on"
TOTAL, OMITTED = "Total number", "Decision omitted"
COMPLAINT_SCOPES = (TOTAL, "Decisions upheld", "Decisions partially reversed", "Decisions reversed", "Median time")
NEWLY_IMPOSED = "Number of restrictions newly imposed as a result of an internal complaint"
DISPUTE_SECTION = "Out-of-court dispute settlement bodies"
DISPUTES = "Number of disputes submitted to out-of-court dispute settlement bodies"
OTHER = 'Description of the sub-category "Other"'
LONG = (*HEAD, "Section", "Indicator", "Scope", "Value", "Contextual Information")

ORDER_COLUMNS = (
    "Number of orders to act against illegal content received",
    "Number of specific items of information included in the total number of orders to act against illegal content",
    "Median time to inform the authority of the receipt of the order to act against illegal content",
    "Median time to give effect to the order to act against illegal content",
    "Number of orders to provide information",
    "Median time to inform the authority of the receipt of the order to provide information",
    "Median time to give effect to the order to provide information",
)
OF_TRUSTED = " (Trusted Flagger notices)"
NOTICE_COLUMNS = (
    "Number of notices received",
    "Number of notices received from Trusted flaggers",
    "Number of specific items of information included in the total number of notices",
    "Number of specific items of information included in the total number of notices by Trusted Flaggers" + OF_TRUSTED,
    "Median time to take action",
    "Median time to take action" + OF_TRUSTED,
    "Number of actions taken on the basis of the law",
    "Number of actions taken on the basis of the law" + OF_TRUSTED,
    "Number of actions taken on the basis of the terms and conditions of the service",
    "Number of actions taken on the basis of the terms and conditions of the service" + OF_TRUSTED,
)
OWN_COLUMNS = (
    "Number of measures taken at the provider's own initiative",
    "Number of measures taken after detection with solely automated means",
    "Visibility restriction Removal",
    "Visibility restriction Disable",
    "Visibility restriction Demoted",
    "Visibility restriction Age restricted",
    "Visibility restriction Interaction restricted",
    "Visibility restriction Labelled",
    "Visibility restriction Other",
    "Monetary restriction Suspension",
    "Monetary restriction Termination",
    "Monetary restriction Other",
    "Provision of the service Suspension",
    "Provision of the service Termination",
    "Account restriction Suspension",
    "Account restriction Termination",
)
# Which column of the template counts which measure or penalty of ours, as in statements of reasons.
MEASURE_COLUMNS = {
    "Visibility restriction Removal": ("remove",),
    "Visibility restriction Disable": ("pause", "remove-in"),
    "Visibility restriction Demoted": ("demote",),
    "Visibility restriction Labelled": ("label",),
    "Monetary restriction Suspension": ("price-hold",),
}
PENALTY_COLUMNS = {
    "Monetary restriction Suspension": "hold payout",
    "Provision of the service Suspension": "limit",
    "Account restriction Suspension": "suspend",
    "Account restriction Termination": "close",
}
COMPLAINTS = (
    ("Number of complaints submitted to the internal-complaints mechanism", None),
    (
        "Complaint regarding a decision to remove or disable access to or restrict visibility of information",
        "visibility",
    ),
    ("Complaint regarding a decision to suspend or terminate the provision of the service", "service"),
    ("Complaint regarding a decision to suspend or terminate an account", "account"),
    ("Complaint regarding a decision to restrict the ability to monetise information", "monetary"),
)
REFUSED = "Complaint regarding a decision not to take action on a notice submitted "


@dataclass(frozen=True, slots=True)
class Category:
    """A category of illegal content: "Category 7f", what it is, and its code."""

    label: str
    description: str
    code: str

    @property
    def number(self) -> int:
        """The number of the category, without the letter of the sub-category; 0 of the total."""
        return int(re.sub(r"\D", "", self.label) or 0)


def load_categories() -> tuple[Category, ...]:
    """Return the categories in the order of the template.

    Examples
    --------
    >>> [category.code for category in load_categories() if category.label == "Category 7f"]
    ['KEYWORD_TRADEMARK_INFRINGEMENT']
    """
    text = files("ipml.cooperation.reports").joinpath("eu_categories.csv").read_text(encoding="utf-8")
    return tuple(Category(**row) for row in csv.DictReader(io.StringIO(text)))
