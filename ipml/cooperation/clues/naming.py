"""What a package calls sellers: a code that is the same in all its files, and another for every recipient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ipml.cooperation.clues.dossier import Dossier
from ipml.cooperation.clues.rules import Profile
from ipml.cooperation.network.roles import Role


def name_members(
    dossier: Dossier, profile: Profile, hidden: Sequence[str], before: Mapping[str, str]
) -> dict[str, str]:
    """Return what a package calls each member that it names: "S-001", by role and counterfeits.

    Names are of one package, and of those that follow it to the same recipient: two recipients cannot compare them.

    Parameters
    ----------
    hidden : sequence of str
        Keys of members that must not be named, as those who were erased.
    before : mapping of str to str
        What an earlier package to the same recipient called them, which stays.
    """
    confirmed = Counter(one.member for one in dossier.confirmed)
    shown = [one for one in dossier.members if one.key not in hidden]
    if not profile.names_unconfirmed:
        shown = [one for one in shown if confirmed[one.key]]
    order = sorted(shown, key=lambda one: (list(Role).index(one.role), -confirmed[one.key], one.first_seen, one.key))
    names = {one.key: before[one.key] for one in order if one.key in before}
    used = {int(name.rpartition("-")[2]) for name in before.values()}
    fresh = (number for number in range(1, len(order) + len(used) + 1) if number not in used)
    return names | {one.key: f"S-{next(fresh):03}" for one in order if one.key not in names}
