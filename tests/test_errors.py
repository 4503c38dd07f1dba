"""Every exception is imported from one place, and bears that name in tracebacks and in other processes."""

import inspect
import pickle
import pkgutil
from importlib import import_module

import ipml.errors
from ipml.errors import IpmlError, UnreadableFile


def test_every_exception_is_imported_from_one_place():
    """What a file of the package defines for others is in the package itself, under the same name."""
    for module in pkgutil.iter_modules(ipml.errors.__path__, "ipml.errors."):
        found = import_module(module.name)
        for name, one in inspect.getmembers(found, inspect.isclass):
            if issubclass(one, IpmlError) and not name.startswith("_"):
                assert getattr(ipml.errors, name) is one
                assert f"{one.__module__}.{name}" == f"ipml.errors.{name}"


def test_an_exception_comes_back_from_another_process_as_it_was():
    """With its message and its facts."""
    error = pickle.loads(pickle.dumps(UnreadableFile("a.csv", "nothing", "listings")))
    assert (type(error), str(error), error.subject) == (
        UnreadableFile,
        "a.csv: found nothing; expected listings.",
        "a.csv",
    )
