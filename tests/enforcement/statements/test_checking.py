"""The check accepts what the database accepts, names the field of every fault, and never raises."""

import json
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ipml.enforcement.statements.statements import BATCH_LIMIT, find_faults, known_fields
from ipml.enforcement.statements.submission import check_file

sys.path.append(str(Path(__file__).parents[3]))  # experiments are scripts of the project, not part of the package

from experiments.enforcement.judge import judge
from experiments.enforcement.mutations import MUTATIONS
from experiments.enforcement.statements import measure

GOOD = {
    **{"decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"], "content_type": ["CONTENT_TYPE_PRODUCT"]},
    **{"decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT", "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED"},
    **{
        "illegal_content_legal_ground": "a law",
        "illegal_content_explanation": "why",
        "source_type": "SOURCE_VOLUNTARY",
    },
    "category": "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    **{"content_date": "2026-05-01", "application_date": "2026-05-03", "decision_facts": "what was found"},
    **{"automated_detection": "Yes", "puid": "abc-123_X"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def test_a_good_statement_has_no_fault():
    """Nor has one with every optional field in its place, or with null where nothing is said."""
    optional = {
        **{"territorial_scope": ["DE", "FR"], "category_addition": ["STATEMENT_CATEGORY_SCAMS_AND_FRAUD"]},
        **{"category_specification": ["KEYWORD_OTHER"], "category_specification_other": "x", "decision_monetary": None},
        **{"content_id": {"EAN-13": "4006381333931"}, "end_date_visibility_restriction": "2038-01-01"},
        "account_type": "ACCOUNT_TYPE_BUSINESS",
    }
    assert find_faults(GOOD) == ()
    assert find_faults(GOOD | optional) == ()


def test_a_spoilt_statement_is_refused_by_the_name_of_its_field():
    """Every mutation is found, by the second check as well; what the rules only imply is named alone."""
    for name, spoil in MUTATIONS.items():
        spoilt, wanted = spoil(GOOD)
        assert wanted in {fault.field.partition(".")[0] for fault in find_faults(spoilt)}, name
        assert judge(spoilt), name
    implied = {
        **{"colour": "red", "content_type_other": "shoes", "category_specification_other": "shoes"},
        **{"end_date_account_restriction": "2027-01-01", "territorial_scope": ["Germany"], "content_id": "4006381333"},
        **{"decision_facts": "   ", "incompatible_content_illegal": "Yes", "content_date": "٢٠٢٦-٠٥-٠١"},
    }
    faults = {name: [fault.field for fault in find_faults(GOOD | {name: value})] for name, value in implied.items()}
    assert faults == {name: [name] for name in implied}
    assert [fault.field for fault in find_faults(GOOD | {"content_id": {"ISBN": "1"}})] == ["content_id.ISBN"]


@given(JSON | st.dictionaries(st.sampled_from(sorted(known_fields())), JSON, max_size=6))
def test_any_json_is_judged_and_none_raises(content):
    """Whatever comes is answered with faults, each a line of words."""
    if isinstance(content, dict):
        content = GOOD | content
    assert all(str(fault) for fault in find_faults(content))


def test_a_file_is_checked_line_by_line(tmp_path):
    """Faults say where they are; batches may hold a hundred; a puid is given once."""
    batch = {"statements": [GOOD | {"puid": f"p{number}"} for number in range(BATCH_LIMIT + 1)]}
    lines = [GOOD, GOOD | {"category": "SHOES", "puid": "q"}, batch, GOOD]
    path = tmp_path / "statements.jsonl"
    path.write_text("\n".join([*map(json.dumps, lines), "{", "[1]"]), encoding="utf-8")
    count, faults = check_file(path)
    assert count == 1 + 1 + BATCH_LIMIT + 1 + 1 + 1
    assert [fault.partition(":")[0] for fault in faults] == [
        "line 2, category",
        "line 3",
        "line 4, puid",
        "line 5",
        "line 6, statement",
    ]


def test_random_statements_hold_and_tell_of_nobody():
    """Both checks accept all, and refuse each in more than 50 ways; the scanner finds sellers in letters only."""
    n_listings, n_spoilt = 150, 5
    found = measure(n_listings, seed=1, n_spoilt=n_spoilt)
    assert found.stated == found.accepted == found.accepted_by_judge == n_listings
    assert found.told_of == 0
    assert found.in_letters == found.in_titles > n_listings / 20
    assert found.in_listings > n_listings / 5
    assert len(MUTATIONS) >= 50
    assert found.spoilt == found.refused == found.refused_by_judge == n_spoilt * len(MUTATIONS)
