"""What a profile does not list cannot be in a package."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from experiments.cooperation.referral_scan import find_kinds, scan_market
from ipml.cooperation.networks.attributes import KINDS
from ipml.cooperation.policy import PackageField, RecipientProfile
from ipml.cooperation.referrals.disclosure import HASHES, Disclosure, is_contact, name_members
from ipml.cooperation.referrals.dossier import join_network
from ipml.storage.database import reading

WITHHELD = {
    PackageField.SELLER_ID,
    PackageField.LISTING_ID,
    PackageField.LISTING_TEXT,
    PackageField.COUNTRY,
    PackageField.BRAND,
}


@pytest.fixture(scope="module")
def dossier(filled):
    """Return the dossier of a network."""
    with reading(filled.engine) as connection:
        found = join_network(connection, filled.networks, filled.numbers[0])
    filled.engine.dispose()
    return found


def test_no_personal_value_is_outside_the_profile(market, rules, tmp_path: Path):
    """In no file of any referral, within archives and captures too; what is allowed is found, so the search sees."""
    hits, n_files = scan_market(replace(market, numbers=market.numbers[-1:]), rules, tmp_path)
    assert [hit for hit in hits if not hit.is_allowed] == []
    assert n_files > 50
    assert {"name", "seller", "template hash"} <= {hit.kind for hit in hits if hit.recipient == "police-criminal"}


def test_the_search_would_see_what_slips_through(market, rules, tmp_path: Path):
    """Were texts allowed to customs, the people in them would be found there."""
    loose = rules.profiles["customs"].model_copy(update={"fields": frozenset(PackageField) - {PackageField.EVIDENCE}})
    with reading(market.engine) as connection:
        dossier = join_network(connection, market.networks, market.numbers[0])
    told = Disclosure(dossier, loose, name_members(dossier, loose, (), {})).tell()
    people = {one.key: market.people[one.key] for one in dossier.members}
    assert {"seller", "name", "payout hash"} <= find_kinds(market, people, str(told))


def test_without_a_field_nothing_of_it_is_told(dossier, rules, subtests):
    """Whatever else is allowed: each id, text, country, brand and hash that only this field tells is gone."""
    for field in sorted(PackageField):
        with subtests.test(field=field):
            profile = rules.profiles["police-criminal"].model_copy(
                update={"fields": frozenset({*PackageField} - {field, PackageField.EVIDENCE})}
            )
            told = str(Disclosure(dossier, profile, name_members(dossier, profile, (), {})).tell())
            values = {
                PackageField.SELLER_ID: [one.key for one in dossier.members],
                PackageField.LISTING_ID: [one.listing_id for one in dossier.listings],
                PackageField.LISTING_TEXT: [one.title for one in dossier.listings],
            }
            shared = [thing for tie in dossier.ties for thing in tie.shared if HASHES[thing.kind] is field]
            assert not [value for value in values.get(field, [one.value for one in shared]) if value in told]


def test_evidence_needs_the_fields_that_stand_in_it(rules):
    """It cannot be cut; a profile that lists it without them is refused."""
    with pytest.raises(ValidationError, match="evidence holds more"):
        RecipientProfile(**(rules.profiles["police-criminal"].model_dump() | {"fields": [PackageField.EVIDENCE]}))


def test_every_kind_of_shared_thing_has_a_field():
    """A new kind cannot slip through."""
    assert set(HASHES) == set(KINDS)


def test_a_brand_is_named_if_enough_sellers_name_it(dossier, rules):
    """What one seller alone writes in its place is theirs, and may be who they are."""
    profile = rules.profiles["customs"]
    names = name_members(dossier, profile, (), {})
    alone = replace(dossier.confirmed[0], brand="Ann Thrumbold")
    told = Disclosure(replace(dossier, listings=(*dossier.listings, alone)), profile, names).tell()
    assert {"Calder"} <= {brand for brand, _ in told.brands} <= {"Calder", "Nordvik", "Ossian"}


def test_who_was_not_found_out_is_counted_and_not_named(dossier, rules):
    """Where the profile says so, being linked names nobody."""
    first = next(iter(dossier.confirmed_members))
    cleared = replace(dossier, listings=tuple(one for one in dossier.listings if one.member != first))
    profile = rules.profiles["customs"]
    names = name_members(cleared, profile, (), {})
    told = Disclosure(cleared, profile, names).tell()
    assert first not in names
    assert told.n_unnamed == len(dossier.members) - len(names) > 0


@given(st.integers(10**6, 10**12), st.sampled_from(["", " ", "-", ".", " / "]))
def test_a_number_one_can_call_is_a_contact_however_it_is_written(number, between):
    """Seven digits or more, whatever stands between them."""
    assert is_contact(f"Bag {between.join(str(number))}")


def test_names_stay_with_those_who_had_one(dossier, rules):
    """A second referral to a recipient calls sellers as the first did, and gives newcomers names that nobody has."""
    profile = rules.profiles["police-criminal"]
    keys = [one.key for one in dossier.members]
    names = name_members(dossier, profile, (keys[0],), {keys[1]: "S-002", keys[2]: "S-007"})
    assert (names[keys[1]], names[keys[2]], keys[0] in names) == ("S-002", "S-007", False)
    assert len(set(names.values())) == len(names)
