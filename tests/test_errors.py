"""Every exception of ipml is one line with the facts in it, and comes back from other processes as it was."""

import inspect
import pickle

import ipml.errors
from ipml.errors import IpmlError, UnreadableFile


def test_every_exception_has_the_one_base():
    """Whoever catches `IpmlError` catches all that ipml raises on purpose."""
    found = [one for _, one in inspect.getmembers(ipml.errors, inspect.isclass) if issubclass(one, Exception)]
    assert IpmlError in found
    assert all(issubclass(one, IpmlError) for one in found)


def test_an_exception_comes_back_from_another_process_as_it_was():
    """With its message and its facts."""
    error = pickle.loads(pickle.dumps(UnreadableFile("a.csv", "nothing", "listings")))
    assert (type(error), str(error), error.subject) == (
        UnreadableFile,
        "a.csv: found nothing; expected listings.",
        "a.csv",
    )
