"""Goods are invented, and known for every brand."""

from ipml.listings.brands import load_brands
from ipml.simulation.offers import GOODS, goods_of, models_of


def test_every_category_of_the_brand_file_has_goods_of_its_own():
    """No brand falls back on the general goods."""
    assert {GOODS[goods_of(brand.category)].name for brand in load_brands()} == {
        brand.category for brand in load_brands()
    }


def test_article_numbers_are_valid_and_name_no_real_article():
    """Each GTIN has its check digit and lies in the range 200-299, for use inside companies, and is of one brand."""
    gtins = [model.gtin for brand in load_brands() for model in models_of(brand.name)]
    assert len(set(gtins)) == len(gtins)
    for gtin in gtins:
        digits = [int(digit) for digit in gtin]
        assert (len(digits), digits[0]) == (13, 2)
        assert sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10 == 0
