"""Letter and payload are written from one record, and say the same, field by field, in every language."""

import re
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ipml.enforcement.policy import BUNDLED, load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind, PenaltyKind, Restriction
from ipml.enforcement.statements.facts import RIGHTS, Background, StatementRules, decode, encode, languages, state
from ipml.enforcement.statements.letter import (
    COUNTRIES,
    RestrictionEnd,
    load_words,
    quote,
    read_words,
    write_explanation,
    write_facts,
    write_law,
    write_letter,
    write_lifted_letter,
    write_payload,
)
from ipml.enforcement.statements.statements import find_faults
from ipml.errors import UnusableSetting
from ipml.listings.brands import load_brands
from ipml.records import Listing, Reason
from ipml.review.decisions import GROUNDS

RULES = load_enforcement_policy().statements
NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
STATED = (*MeasureKind, *(kind for kind in PenaltyKind if kind is not PenaltyKind.WARN))
DECISIONS = ("decision_visibility", "decision_monetary", "decision_provision", "decision_account")
KINDS_OF = {
    "['DECISION_VISIBILITY_CONTENT_LABELLED']": {"label"},
    "['DECISION_VISIBILITY_CONTENT_DEMOTED']": {"demote"},
    "['DECISION_VISIBILITY_CONTENT_DISABLED']": {"pause", "remove-in"},
    "['DECISION_VISIBILITY_CONTENT_REMOVED']": {"remove"},
    "DECISION_MONETARY_SUSPENSION": {"price-hold", "hold payout"},
    "DECISION_PROVISION_PARTIAL_SUSPENSION": {"limit"},
    "DECISION_ACCOUNT_SUSPENDED": {"suspend"},
    "DECISION_ACCOUNT_TERMINATED": {"close"},
}

restrictions = st.builds(
    Restriction,
    subject=st.just("measure:1"),
    kind=st.sampled_from(STATED),
    pseudonym=st.just("0" * 32),
    case_id=st.just(1),
    decision_id=st.just(1),
    listing=st.builds(
        Listing,
        listing_id=st.just("A7"),
        seller_id=st.just("seller-1"),
        title=st.text(max_size=30),
        brand=st.sampled_from([None, "nike", "Louis  Vuitton", "call 0171 5550101"]),
        category=st.sampled_from([None, "Watches", "my street 7"]),
        price=st.none() | st.floats(0, 1e12),
        currency=st.sampled_from(["EUR", "USD", "0171"]),
        listed_at=st.sampled_from([None, NOON - timedelta(days=9), datetime(1970, 1, 1, tzinfo=UTC)]),
        observed_at=st.sampled_from([None, NOON]),
    ),
    ground=st.sampled_from(sorted(GROUNDS)),
    since=st.datetimes(datetime(2026, 5, 4), datetime(2037, 12, 31), timezones=st.just(UTC)),
    until=st.none() | st.datetimes(datetime(2038, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),
    territories=st.sampled_from([(), ("FR", "DE"), ("CN", "IT")]),
    is_detected=st.booleans(),
    is_automatic=st.booleans(),
    source=st.sampled_from(["own", "notice", "trusted flagger", "a call"]),
)


def make(restriction, **fields):
    """State a restriction, with other facts where they are given."""
    reasons = (Reason("price.brand", "Price is low", 1.0), Reason("title", "AAA", 2.0))
    return replace(state(restriction, RULES, Background(reasons=reasons), puid="ref"), **fields)


def read_back(text, template):
    """Return what stands in the blanks of a letter; the letter must be the template to the last letter elsewhere."""
    pieces = re.split(r"\$\{(\w+)\}", template)
    pattern = "".join(f"(?P<{piece}>.*)" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces))
    found = re.fullmatch(pattern.replace("<remedies>.", r"<remedies>[\s\S]"), text)  # these are lines
    assert found
    return found.groupdict()


def key_of(table, sentence):
    """Return which word of a language's table a sentence is; there must be one."""
    (key,) = [key for key, value in table.items() if value == sentence]
    return key


@settings(max_examples=8)
@given(restriction=restrictions, language=st.sampled_from(languages()))
def test_letter_and_payload_agree_field_by_field(restriction, language):
    """Each blank of the letter, read back, is what the payload says in the database's words, for every kind."""
    for kind in STATED:
        statement = make(replace(restriction, kind=kind), language=language)
        payload = write_payload(statement)
        text = write_letter(statement, restriction.listing.title, "A7", RULES).text
        said = read_back(text, load_words(language).letter)
        check_measure(said, payload, load_words(language))
        check_days(said, payload, load_words(language), statement)
        check_origin(said, payload, load_words(language))
        check_ground(said, payload, load_words(language))
        assert said["facts"] == write_facts(statement, load_words(language))
        assert payload["decision_facts"] == write_facts(statement, load_words("en"))


def check_measure(said, payload, words):
    """Compare reference, kind and countries."""
    assert said["puid"] == payload["puid"]
    (decision,) = (str(payload[name]) for name in DECISIONS if name in payload)
    assert key_of(words.kinds, said["kind"]) in KINDS_OF[decision]
    if said["territories"] == words.everywhere:
        assert set(payload["territorial_scope"]) == COUNTRIES
    else:
        named = {key_of(words.countries, name) for name in said["territories"].split(words.comma)}
        assert set(payload["territorial_scope"]) == named & COUNTRIES


def check_days(said, payload, words, statement):
    """Compare the dates; an end later than the database can hold is told among the facts of both."""
    assert said["content_on"] == words.write_day(date.fromisoformat(payload["content_date"]))
    assert said["applied_on"] == words.write_day(date.fromisoformat(payload["application_date"]))
    ends = [payload[name] for name in payload if name.startswith("end_date")]
    if ends:
        assert said["ends_on"] == words.write_day(date.fromisoformat(ends[0]))
    elif statement.ends_on:
        assert said["ends_on"] == words.write_day(statement.ends_on)
        assert said["ends_on"] in said["facts"]
        assert load_words("en").write_day(statement.ends_on) in payload["decision_facts"]
    else:
        assert said["ends_on"] == words.no_end


def check_origin(said, payload, words):
    """Compare how the listing was found and how it was decided on."""
    sources = {"own": "VOLUNTARY", "notice": "ARTICLE_16", "trusted flagger": "TRUSTED_FLAGGER"}
    source = sources.get(key_of(words.sources, said["source"]), "TYPE_OTHER_NOTIFICATION")
    assert payload["source_type"] == f"SOURCE_{source}"
    assert key_of(words.detections, said["detection"]).capitalize() == payload["automated_detection"]
    automations = {"fully": "FULLY", "partially": "PARTIALLY", "none": "NOT_AUTOMATED"}
    automation = automations[key_of(words.automations, said["automation"])]
    assert payload["automated_decision"] == f"AUTOMATED_DECISION_{automation}"


def check_ground(said, payload, words):
    """Compare law and explanation: the letter's in its language, the payload's in English."""
    basis, english = key_of(words.laws, said["law"]), load_words("en")
    is_illegal = payload["decision_ground"].split("_")[2] == "ILLEGAL"
    assert is_illegal == (basis in RIGHTS)
    assert not is_illegal or payload["category_specification"] == [
        f"KEYWORD_{basis.replace(' ', '').upper()}_INFRINGEMENT"
    ]
    start, law = ("illegal", "legal_ground") if is_illegal else ("incompatible", "ground")
    assert payload[f"{start}_content_{law}"] == english.laws[basis]
    assert key_of(words.explanations, said["explanation"]) == basis
    assert key_of(english.explanations, payload[f"{start}_content_explanation"]) == basis


@settings(max_examples=25)
@given(restrictions)
def test_a_statement_comes_back_the_same(restriction):
    """What is kept as JSON is the record that was stated."""
    statement = make(restriction)
    assert decode(encode(statement), 0) == statement


def test_every_language_says_every_kind_and_ground(make_restriction):
    """No letter has a gap, a blank that was not filled, or two kinds in the same words."""
    for language in languages():
        words = load_words(language)
        assert len(set(words.kinds.values())) == len(words.kinds)
        for kind, ground in product((*MeasureKind, *PenaltyKind), GROUNDS):
            statement = make(make_restriction(kind, ground=ground), language=language)
            letter = write_letter(statement, "Bag", "A7", RULES)
            assert words.kinds[kind] in letter.text
            assert words.grounds[ground] in letter.text
            assert "$" not in letter.text + letter.subject
        statement = make(make_restriction(), language=language)
        text = write_lifted_letter(statement, "Bag", "A7", RULES, RestrictionEnd("appeal", NOON, NOON)).text
        told = ("ref", words.kinds["remove"], words.write_day(NOON.date()), words.lifted["appeal"])
        assert all(part in text for part in told)


def test_a_language_that_lacks_a_word_or_a_blank_is_refused():
    """The table is named; no seller gets a letter with a gap, nor is one asked for what there is not."""
    text = files("ipml.enforcement.statements").joinpath("languages/de.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    tables = ("kinds", "grounds", "signs", "laws", "sources", "automations", "facts", "goods", "lifted", "remedies")
    for table in tables:
        first = next(iter(content[table]))
        line = re.search(rf'(?ms)^\[{table}\]$.*?(^"?{re.escape(first)}"? = .*?$)', text)
        with pytest.raises(UnusableSetting, match=table):
            read_words(text.replace(line[1], "", 1), "de.toml")
    text = files("ipml.enforcement.statements").joinpath("languages/en.toml").read_text(encoding="utf-8")
    for blank, other in product(("${puid}", "${kind}", "${facts}", "${appeal_months}"), ("", "${email}", "$ 5")):
        with pytest.raises(UnusableSetting, match=r"letter|remedies"):
            read_words(text.replace(blank, other), "en.toml")


HOSTILE = (
    *("Bag\r\nBcc: everybody@example.org\r\n\r\nYou owe us money", "Bag\u202e\u2066\u2067lasrever\u2069\u2069\u2069"),
    *("Bag\x00\x1b[2J\x9b2J\u200b\ufeff\u00ad", "Bag \u2028\u2029\x0b\x0c\x85What was done: Nothing."),
    *("${puid} $kind {kind} %s {{ 7 * 7 }} <script>alert(1)</script>", "x" * 5_000_000, "\ud800 lone"),
    "\U000e0041\U000e0042 tags",
)


def test_a_hostile_title_is_one_quoted_line_and_nothing_else(make_restriction):
    """No line, header or unseen letter is added; Arabic and Hebrew are kept as written."""
    statement, template = make(make_restriction()), load_words("en").letter
    harmless = write_letter(statement, "Bag", "Bag", RULES)
    for title in HOSTILE:
        letter = write_letter(statement, title, title, RULES)
        assert letter.subject == harmless.subject
        assert letter.text.count("\n") == harmless.text.count("\n")
        said = read_back(letter.text, template)
        around = read_back(harmless.text, template)
        assert said == around | {name: said[name] for name in ("title", "listing_id")}
        assert said["title"] == quote(title)
        assert said["title"][1:-1].isprintable()
        assert len(said["title"][1:-1]) <= 200
        letter.text.encode()
    assert quote("حقيبة Nike")[1:-1] == "حقيبة Nike"


def test_how_it_was_decided_is_said(make_restriction):
    """Fully automated is only what a policy decided; a penalty follows by rule, a spread decision a person's."""
    assert make(make_restriction(is_automatic=True)).automation == "fully"
    assert make(make_restriction()).automation == "none"
    assert make(make_restriction(PenaltyKind.LIMIT)).automation == "partially"
    assert state(make_restriction(), RULES, Background("spread"), puid="ref").automation == "partially"


def test_a_date_that_cannot_be_is_not_bent_but_replaced_and_told(make_restriction):
    """The day it was seen or decided on takes its place, and the facts say so."""
    day = timedelta(days=1)
    dates = {
        (NOON - 3 * day, NOON): ("2026-04-30", "listed"),
        (None, NOON - day): ("2026-05-02", "observed"),
        (datetime(1970, 1, 1, tzinfo=UTC), None): ("2026-05-03", "decided"),
        (NOON + 3 * day, NOON): ("2026-05-03", "observed"),
    }
    for (listed_at, observed_at), wanted in dates.items():
        statement = make(make_restriction(listed_at=listed_at, observed_at=observed_at))
        assert (statement.content_on.isoformat(), statement.content_on_is) == wanted
        is_told = "not known to us" in write_facts(statement, load_words("en"))
        assert is_told == (wanted[1] != "listed")


def test_what_the_database_cannot_take_is_for_the_seller_only(make_restriction):
    """Warnings, restrictions elsewhere and dates out of range give no payload, and none is bent until it fits."""
    outside = (datetime(2019, 12, 31, tzinfo=UTC), datetime(2038, 1, 2, tzinfo=UTC))
    elsewhere = make_restriction(territories=("CN", "US"))
    for restriction in (make_restriction(PenaltyKind.WARN), elsewhere, *(make_restriction(since=at) for at in outside)):
        assert write_payload(make(restriction)) is None


def test_a_clause_of_the_terms_is_named_with_its_address(make_restriction):
    """Where the platform's terms are the ground, both letter and payload say where in them."""
    rules = RULES.model_copy(update={"clause": "section 7.2", "clause_url": "https://m.example/terms#7.2"})
    statement = state(make_restriction(PenaltyKind.CLOSE), rules, puid="ref")
    payload = write_payload(statement)
    assert payload["incompatible_content_ground"].endswith("section 7.2")
    assert payload["decision_ground_reference_url"] == "https://m.example/terms#7.2"
    assert payload["incompatible_content_illegal"] == "Yes"
    assert "section 7.2" in write_letter(statement, "Bag", "A7", rules).text


def test_days_are_written_as_people_write_them():
    """The first of a month is a word of its own in French."""
    days = {language: load_words(language).write_day(date(2026, 8, 1)) for language in languages()}
    assert days == {
        **{"de": "1. August 2026", "en": "1 August 2026", "es": "1 de agosto de 2026", "fr": "1er août 2026"},
        "zh": "2026年8月1日",
    }


def test_a_rule_that_cannot_be_followed_is_refused():
    """Less than six months, unknown languages, grounds and kinds, and texts that break a line or a field."""
    unknown = ("basis", "right", "colour", "language")
    by_whim = ("basis_by_ground", "basis_by_kind", "right_by_ground")
    for fields in (
        *({"appeal_months": 5}, {"languages": {"DE": "tlh"}}, {"platform": "Shop\r\nBcc: all@example.org"}),
        *({"clause": "x" * 301}, {"right_by_ground": {"wrong_features": "whim"}}),
        *({name: "whim"} for name in unknown),
        *({name: {"whim": "design" if name == "right_by_ground" else "terms"}} for name in by_whim),
    ):
        with pytest.raises(ValidationError):
            StatementRules(**fields)


def test_the_ground_says_which_right_is_infringed(make_restriction):
    """Letter and payload name it with its law, and fit the database; on another ground it is the usual one."""
    for right in RIGHTS:
        rules = RULES.model_copy(update={"right_by_ground": {"wrong_features": right}})
        stated = state(make_restriction(), rules, puid="p")
        for language in languages():
            words = load_words(language)
            assert write_law(stated, words) == words.laws[right]
            assert write_explanation(stated, words) == words.explanations[right]
        payload = write_payload(stated)
        assert find_faults(payload) == ()
        assert right.replace(" ", "").upper() in payload["category_specification"][0]
        assert state(make_restriction(ground="test_purchase"), rules, puid="p").right == "trade mark"


def test_a_letter_names_the_law_of_the_country_and_speaks_the_sellers_language(make_restriction):
    """Chinese and American law have a counter-notice, no other law is named there; elsewhere none is named at all."""
    words, places = load_words("zh"), {"CN": "china", "US": "us", "BR": "none", "DE": "eu", None: "eu"}
    for (country, law), right, kind in product(places.items(), RIGHTS, (MeasureKind.REMOVE, PenaltyKind.CLOSE)):
        rules = RULES.model_copy(update={"right": right, "basis_by_kind": {}})
        restriction = make_restriction(kind, source="notice", country=country, seller_language="zh")
        stated = state(restriction, rules, puid="p")
        text, others = write_letter(stated, "Bag", "A7", rules).text, words.other_laws | {"eu": words.laws}
        assert (stated.language, stated.law) == ("zh", law)
        assert others.pop(law)[right] in text
        assert not any(one[right] in text for one in others.values())
        assert ("欧盟" in text) == ("2022/2065" in text) == (law == "eu")
        for counter in ("china", "us"):
            assert (words.remedies[counter] in text) == (law == counter and not stated.is_of_account)
        assert write_payload(stated)["illegal_content_legal_ground"] == load_words("en").laws[right]  # it is the EU's
        assert decode(encode(stated), 0) == stated
    assert state(make_restriction(country="FR", seller_language="ja"), RULES, puid="p").language == "fr"


@pytest.mark.parametrize("law", ["eu", "china", "us", "none"])
@pytest.mark.parametrize("terms", ["eu", "china", "us", "platform"])
def test_a_policy_names_one_law_for_a_country_or_is_refused(law, terms, tmp_path):
    """In letters and in terms of appeals; the terms of a platform are of no law."""
    path, text = tmp_path / "policy.toml", BUNDLED.read_text()
    path.write_text(text.replace('CN = "china"\nUS', f'BR = "{terms}"\nUS', 1).replace('CN = "china"', f'BR = "{law}"'))
    if law == "none" or terms in (law, "platform"):
        assert load_enforcement_policy(path).statements.law_of("BR") == law
    else:
        with pytest.raises(UnusableSetting, match=f"found law '{law}' and terms '{terms}' for BR; expected one law"):
            load_enforcement_policy(path)


def test_the_kind_goes_before_the_ground():
    """An account rests on the terms, a listing on its ground; the bundled policy knows every language and brand."""
    rules = RULES.model_copy(update={"basis_by_ground": {"disguised_brand": "terms"}})
    assert rules.basis_of(PenaltyKind.CLOSE, "wrong_features") == "terms"
    assert rules.basis_of(MeasureKind.REMOVE, "disguised_brand") == "terms"
    assert rules.basis_of(MeasureKind.REMOVE, "wrong_features") == "illegal"
    assert {RULES.language, *RULES.languages.values()} == set(languages())
    assert all(RULES.known_brand(brand.name.upper()) == brand.name for brand in load_brands())


def test_a_brand_is_never_named_as_a_seller_wrote_it(make_restriction):
    """Neither with a contact nor in letters that look alike; an empty field gives way to the brand read."""
    assert RULES.known_brand("Nike 0171 5550101") is None
    assert RULES.known_brand("N\u0456ke") is None
    assert RULES.known_brand("ＮＩＫＥ") == "Nike"
    assert RULES.known_brand("x" * 10_000_000) is None
    stated = state(make_restriction(brand=None), RULES, Background(brand_read="nike"), puid="p")
    assert stated.brand == "Nike"
    assert state(make_restriction(brand="Dior"), RULES, Background(brand_read="nike"), puid="p").brand == "Dior"
    assert state(make_restriction(brand=None), RULES, Background(brand_read="call 0171"), puid="p").brand is None
