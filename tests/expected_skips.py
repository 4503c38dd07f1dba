"""Fail if a test was skipped for a reason nobody expects: `python tests/expected_skips.py REPORT.xml …`."""

import re
import sys
from xml.etree import ElementTree

EXPECTED = (
    r"no real listings at .*",
    r"mounting a small disk needs root.*",
    r"SCIPY_ARRAY_API is not set.*",  # scikit-learn's check of arrays of other libraries, of which we take none
)


def unexpected_skips(report: str) -> list[str]:
    """Return the name and the reason of every test that should have run."""
    cases = ElementTree.parse(report).iter("testcase")
    skips = [
        (case, skip.get("message", ""))
        for case in cases
        for skip in case.iter("skipped")
        if skip.get("type") != "pytest.xfail"  # it has run, and failed as is said beside it
    ]
    return [
        f"{case.get('classname')}::{case.get('name')}: {reason}"
        for case, reason in skips
        if not any(re.fullmatch(expected, reason, re.DOTALL) for expected in EXPECTED)
    ]


if __name__ == "__main__":
    found = [skip for report in sys.argv[1:] for skip in unexpected_skips(report)]
    print("\n".join(found) or "no unexpected skip")
    sys.exit(bool(found))
