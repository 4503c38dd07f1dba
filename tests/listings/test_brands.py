"""The brand file: read strictly, written so that it comes back the same."""

import dataclasses
import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import UnreadableFile, UnusableSetting
from ipml.features.goods import brand_table
from ipml.listings.brands import Brand, Brands, SellerOnList, load_brands, write_brands

ACME = Brand("Acme", "tools", 100.0, "EUR", aliases=("Akme",))
text = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
prices = st.floats(min_value=1e-300, allow_nan=False, allow_infinity=False)


def load_text(folder: Path, toml: str) -> Brands:
    """Write a brand file and read it."""
    path = folder / "brands.toml"
    path.write_text(toml, encoding="utf-8")
    return load_brands(path)


def test_bundled_brands_have_plausible_prices() -> None:
    """Main products of the bundled brands cost between 20 and 50,000 US dollars."""
    assert all(20 <= brand.reference_price <= 50_000 and brand.currency == "USD" for brand in load_brands())


@given(
    name=text,
    aliases=st.lists(text, max_size=3),
    sellers=st.lists(st.text(st.characters(codec="utf-8")), max_size=3),
    price=prices,
    rate=prices,
)
def test_written_brands_come_back(tmp_path_factory, name, aliases, sellers, price, rate):
    """Any brand comes back from its file as it was, whatever its names hold."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    brand = Brand(name, "goods", price, "EUR", tuple(aliases), tuple(sellers))
    brands = Brands((brand,), "USD", {"EUR": rate})
    write_brands(brands, path)
    assert load_brands(path) == brands
    written = path.read_bytes()
    write_brands(load_brands(path), path)
    assert path.read_bytes() == written


def test_worth_goes_by_the_rates() -> None:
    """An amount is worth as many units of the base currency as its rate says; one without a rate is named."""
    brands = Brands((ACME,), "USD", {"EUR": 1.25})
    assert (brands.to_base_currency(8.0, "EUR"), brands.to_base_currency(8.0, "USD")) == (10.0, 8.0)
    with pytest.raises(UnusableSetting, match="no rate for XTS"):
        brands.to_base_currency(1.0, "XTS")


def test_brands_that_contradict_are_refused() -> None:
    """A name or alias of two brands in whatever case, no price above zero, and a price without rate raise."""
    for other in ("Acme", "ACME", "akme"):
        with pytest.raises(UnusableSetting, match="which 'Acme' has"):
            Brands((ACME, dataclasses.replace(ACME, name=other, aliases=())), "EUR")
    for price in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UnusableSetting, match="price"):
            Brands((dataclasses.replace(ACME, reference_price=price),), "EUR")
    with pytest.raises(UnusableSetting, match="currency EUR"):
        Brands((ACME,), "USD")


def test_a_file_that_is_no_brand_file_is_refused(tmp_path: Path) -> None:
    """A misspelt key and a price in quotes are named; a file that is missing or no TOML is, too."""
    brand = '[[brand]]\nname = "A"\ncategory = "b"\nreference_price = {}\ncurrency = "USD"\n'
    for toml, name in ((brand.format(1) + "alias = []\n", "alias"), (brand.format('"1"'), "reference_price")):
        with pytest.raises(UnusableSetting, match=name):
            load_text(tmp_path, toml)
    for toml in ("= 1", "\x00"):
        with pytest.raises(UnreadableFile, match=r"brands\.toml"):
            load_text(tmp_path, toml)
    with pytest.raises(UnreadableFile, match=r"none\.toml"):
        load_brands(tmp_path / "none.toml")


SELLER = """
[[seller]]
seller_id = "s-1207"
list = "denied"
why = "sold counterfeits"
source = "judgment 4 O 12/26"
brand = "Acme"
until = 2027-12-31
"""


def test_sellers_on_lists_come_back(tmp_path: Path) -> None:
    """Sellers on lists, the version and the format are read, and written so that they come back the same."""
    path = tmp_path / "brands.toml"
    write_brands(Brands((ACME,), rates={"EUR": 1.1}), path)
    text = path.read_text(encoding="utf-8").replace("format = 1\n", 'format = 1\nversion = "May"\n') + SELLER
    brands = load_text(tmp_path, text)
    expected = SellerOnList(
        "s-1207", "denied", "sold counterfeits", "judgment 4 O 12/26", "Acme", datetime.date(2027, 12, 31)
    )
    assert (brands.version, brands.sellers) == ("May", (expected,))
    write_brands(brands, path)
    assert load_brands(path) == brands


def test_lists_are_no_feature_of_a_model() -> None:
    """The brands of a model depend neither on lists of sellers nor on the name of the file."""
    brands, listed = Brands((ACME,), rates={"EUR": 1.1}), SellerOnList("s-1", "authorised", "why", "source")
    assert brand_table(dataclasses.replace(brands, sellers=(listed,), version="May")) == brand_table(brands)


WRONG_LISTS = (
    ("format = 1", "format = 2", "found format 2; expected format 1, which this release of ipml reads"),
    ('list = "denied"', 'list = "banned"', "list"),
    ('brand = "Acme"', 'brand = "Umbra"', "expected the name of a \\[\\[brand\\]\\] of the file"),
    ('why = "sold counterfeits"', 'why = " "', "found an empty text"),
    ("until = 2027-12-31", 'until = "some day"', "until"),
    ("until = 2027-12-31", "untill = 2027-12-31", "untill"),
    (SELLER, SELLER + SELLER, "found it twice as denied"),
)


def test_a_wrong_list_is_refused(tmp_path: Path) -> None:
    """An unknown format, list, brand or field, an empty text and an entry that comes twice are refused."""
    path = tmp_path / "brands.toml"
    write_brands(Brands((ACME,), rates={"EUR": 1.1}), path)
    text = path.read_text(encoding="utf-8") + SELLER
    for old, new, found in WRONG_LISTS:
        with pytest.raises(UnusableSetting, match=found):
            load_text(tmp_path, text.replace(old, new))


def test_a_file_without_a_format_is_of_the_first(tmp_path: Path) -> None:
    """A brand file that names no format is read."""
    path = tmp_path / "brands.toml"
    write_brands(Brands((ACME,), rates={"EUR": 1.1}), path)
    text = path.read_text(encoding="utf-8")
    assert load_text(tmp_path, text.replace("format = 1\n", "")) == load_text(tmp_path, text)
