"""Networks keep their numbers, and what becomes of them is noted."""

import numpy as np

from ipml.cooperation.networks.detection import first_numbers, keep_numbers


def step(before, group):
    """Return the numbers after the groups changed and nobody came."""
    return keep_numbers(before, np.arange(len(before.number)), np.array(group), at=7)


def told(numbering):
    """Return what is noted."""
    return [(change.network, change.what, change.other) for change in numbering.changes]


def test_a_network_that_grows_keeps_its_number():
    """A seller who comes, earlier in the order than all members, takes their number."""
    before = first_numbers(np.array([0, 0, 2]))
    after = keep_numbers(before, np.array([1, 2, 3]), np.array([0, 0, 0, 3]), at=7)
    assert after.number.tolist() == [1, 1, 1, 0]
    assert told(after) == []


def test_of_a_split_network_the_larger_part_keeps_the_number():
    """The other part gets a new one, and it is noted from where it came."""
    after = step(first_numbers(np.array([0, 0, 0, 0, 0])), [0, 0, 2, 2, 2])
    assert after.number.tolist() == [2, 2, 1, 1, 1]
    assert told(after) == [(1, "split", 2)]


def test_a_number_is_never_given_twice():
    """A network that ends leaves its number; the next one gets another."""
    ended = step(first_numbers(np.array([0, 0, 2])), [0, 1, 2])
    assert (told(ended), ended.number.tolist()) == ([(1, "ended", 0)], [0, 0, 0])
    assert step(ended, [0, 1, 1]).number.tolist() == [0, 2, 2]
