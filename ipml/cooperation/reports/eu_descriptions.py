"""What the last sheet of the EU's template asks for in words: how counterfeits are found, and how machines help."""

from __future__ import annotations

from ipml.cooperation.reports.eu_layout import EVERYBODY, NA, VERY_LARGE
from ipml.cooperation.reports.figures import Figures

_DESCRIPTIONS = (
    ("Summary of the content moderation engaged in at the providers’ own initiative", EVERYBODY),
    (
        "Meaningful and comprehensible information regarding content moderation engaged in at the "
        "providers' own initiative",
        EVERYBODY,
    ),
    ("Qualitative description of the automated means", EVERYBODY),
    ("Qualitative description of indicators of accuracy and possible rate of error of automated means", EVERYBODY),
    ("Specification of the precise purposes to apply automated means", EVERYBODY),
    ("Safeguards applied to the use of automated means", EVERYBODY),
    ("High-level description of the content moderation governance structure", VERY_LARGE),
    ("Qualifications of the human resources dedicated to content moderation", VERY_LARGE),
    ("Training given to human resources dedicated to content moderation", VERY_LARGE),
    ("Support given to human resources dedicated to content moderation", VERY_LARGE),
    ("Methodology used to compute the number of human resources dedicated to content moderation", VERY_LARGE),
)


def describe(figures: Figures) -> list[tuple[str, str, str]]:
    """Return who must answer, what is asked, and the answer; "n/a" where ipml does not know it."""
    known = (
        "Listings of counterfeits are looked for at the provider's own initiative and on notice.",
        "A model scores each listing by its text, price and history; people decide on those it suspects, on those "
        "somebody gave notice of, and on some drawn at random; their decisions are repeated for near-duplicates of "
        "the same seller.",
        "A linear classifier whose reasons are shown with each score. It orders what people review. Without a person"
        " acts only a written policy, for named brands, above a score at which it has proved its precision.",
        _tell_precision(figures),
        "To find counterfeits among listings; to repeat a decision for near-duplicates; to act without a person "
        "where a promised precision is proved.",
        "Cases are drawn before the policy acts and judged by people; the permission lapses when they speak against "
        "it, when what it did is given back, or when the model changes. Every restriction comes with a statement of "
        "reasons and can be appealed; appeals are decided by people.",
    )
    answers = (*known, *([NA] * (len(_DESCRIPTIONS) - len(known))))
    return [(who, name, text) for (name, who), text in zip(_DESCRIPTIONS, answers, strict=True)]


def _tell_precision(figures: Figures) -> str:
    policy = next(part for part in figures.precision if part.way == "policy")
    if policy.rate is None:
        return "Nobody has looked at drawn cases in the period."
    share, low, high = (100 * number for number in (policy.rate.share, policy.rate.low, policy.rate.high))
    shown = f"Precision {share:.1f} % (95 % interval {low:.1f} to {high:.1f} %)"
    return f"{shown}, from {policy.drawn:,} cases drawn from those it would act on and judged by people."
