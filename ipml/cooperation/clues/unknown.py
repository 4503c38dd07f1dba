"""What a package does not show, said as plainly as what it shows: whoever acts on it must know where it ends."""

from __future__ import annotations

from collections.abc import Iterator

from ipml.cooperation.clues.fields import Field
from ipml.cooperation.clues.rules import Profile
from ipml.cooperation.clues.told import Told


def list_unknown(told: Told, profile: Profile, n_erased: int, n_evidence: int) -> Iterator[str]:
    """Yield what is not known, or not told, each in a sentence.

    Parameters
    ----------
    n_erased : int
        Members of whom the marketplace may not tell any more.
    n_evidence : int
        Pieces of evidence that are in the package.
    """
    yield (
        "Who the persons are. The marketplace joins accounts by what they share; several may be one person's, or one "
        "several persons'."
    )
    yield "Whether all members act together. A link says that two accounts share something rare, not why."
    if innocent := told.n_members - told.n_confirmed_members:
        of = f"What {innocent} of the {told.n_members} members sell"
        yield f"{of}: no listing of theirs was found counterfeit. They are linked, not accused."
    if others := told.n_listings - told.n_confirmed:
        yield f"Whether {others:,} further listings are counterfeit: they were found genuine, or nobody decided."
    yield "Whether the source of the goods has an account at all. The likelihoods rest on simulated networks."
    yield from _about_worth(told)
    yield "Sales outside this marketplace, and accounts that share nothing that was seen."
    if bare := told.n_confirmed - told.n_with_evidence:
        yield f"On what {bare:,} of the decisions rested: no evidence of them is kept."
    yield from _about_profile(told, profile, n_erased, n_evidence)


def _about_worth(told: Told) -> Iterator[str]:
    worth = told.worth
    for one in worth.foreign:
        if one.rate is None:
            yield f"Not counted: amounts of {one.n_listings:,} listings in {one.currency}, for which there is no rate."
    if not worth.is_known:
        yield "How much was sold: the marketplace knows the sales of none of the listings, or of too few."
        return
    if unseen := worth.n_listings - worth.value.n_known:
        yield f"What {unseen:,} of {worth.n_listings:,} listings sold: the interval stands for them."
    yield "Which part of the sales was of counterfeits: listings found genuine, or not decided, count in it too."


def _about_profile(told: Told, profile: Profile, n_erased: int, n_evidence: int) -> Iterator[str]:
    if n_erased:
        yield f"Anything of {n_erased} members who were erased, or may have been: the marketplace may not tell of them."
    if unnamed := told.n_unnamed - n_erased:
        yield f"Who {unnamed} further members are: they are counted and not named under this profile."
    if withheld := sorted(field.value for field in Field if not profile.allows(field)):
        yield f"What this recipient is not told: {', '.join(withheld)}. An order can ask for it."
    more = told.n_with_evidence - n_evidence
    if more and profile.allows(Field.EVIDENCE):
        yield f"What {more:,} more pieces of evidence say: the marketplace keeps them; listings.csv has their digests."
