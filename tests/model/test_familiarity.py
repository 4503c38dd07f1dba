"""A batch unlike the training is said to be so, whatever it comes in; one like it is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.features.column import Names
from ipml.features.columns import ListingColumns
from ipml.model.familiarity import FEW, MOST, Familiarity, ListingSample
from ipml.records import Unlike

N_TRAINED = 1_200


class Offers:
    """Listings of a market: some sellers, each with some of its words, brands and categories, and their scores."""

    def __init__(self, seed, n=N_TRAINED, n_sellers=300, market="old", prevalence=0.1):
        chance = np.random.default_rng(seed)
        sellers = chance.integers(n_sellers, size=n)
        # The commoner a word is, the more sellers use it; each market has its own.
        words = chance.zipf(1.5, size=(n, 5)) % 5_000
        self.ids = [f"{market}-{seed}-{row}" for row in range(n)]
        self.sellers = [f"{market}-{seed}-{seller}" for seller in sellers]
        self.titles = [
            " ".join(f"{market}{''.join(chr(ord('a') + int(digit)) for digit in str(word))}" for word in row)
            for row in words.tolist()
        ]
        self.brands = [f"{market} {brand}" for brand in chance.integers(20, size=n)]
        self.categories = [f"{market} {kind}" for kind in chance.integers(9, size=n)]
        self.score = np.clip(prevalence + chance.normal(0, 0.05, n_sellers)[sellers], 0, 1)

    def take(self, rows: np.ndarray) -> tuple[ListingColumns, Names, np.ndarray]:
        """Return some of the listings as a model reads them."""
        names = {"listing_id": self.ids, "seller_id": self.sellers, "title": self.titles, "category": self.categories}
        columns = {name: [values[row] for row in rows] for name, values in names.items()}
        return ListingColumns(columns), Names.of([self.brands[row] for row in rows]), self.score[rows]

    def all(self) -> tuple[ListingColumns, Names, np.ndarray]:
        """Return all of them."""
        return self.take(np.arange(len(self.ids)))


@pytest.fixture(scope="module")
def familiarity() -> Familiarity:
    """What a model knows of the listings it was trained on."""
    return Familiarity().fit(*Offers(0).all())


@pytest.fixture(scope="module")
def mixed() -> Offers:
    """Listings of another market, more than are looked at."""
    return Offers(1, n=1_500, market="new")


def look(familiarity: Familiarity, *batches: tuple[ListingColumns, Names, np.ndarray]) -> ListingSample:
    """Return the sample of some chunks, one after another."""
    sample = ListingSample()
    for batch in batches:
        familiarity.add_to_sample(*batch, sample)
    return sample


def find(familiarity: Familiarity, offers: Offers) -> tuple[Unlike, ...]:
    """Return in what listings are unlike those of the training."""
    return familiarity.find_unlike(look(familiarity, offers.all()))


@given(seed=st.integers(0, 1_000), cuts=st.lists(st.integers(0, 1_500), max_size=4))
def test_neither_order_nor_chunks_matter(familiarity, mixed, seed, cuts):
    """However listings are shuffled, cut into chunks and put together, the same ones are looked at."""
    rows = np.random.default_rng(seed).permutation(1_500)
    chunks = [mixed.take(chunk) for chunk in np.split(rows, sorted(cuts))]
    whole, shuffled, joined = look(familiarity, mixed.all()), look(familiarity, *chunks), ListingSample()
    for chunk in reversed(chunks):
        joined.add(look(familiarity, chunk).rows)
    assert len(whole.rows) == MOST
    assert shuffled.rows.tobytes() == joined.rows.tobytes() == whole.rows.tobytes()
    assert familiarity.find_unlike(shuffled) == familiarity.find_unlike(joined) == familiarity.find_unlike(whole)


def test_other_sellers_of_the_same_market_are_familiar(familiarity):
    """Of 20 batches of sellers that training did not know, of many sizes, one is called unlike at most."""
    found = [find(familiarity, Offers(seed, n=30 * seed, n_sellers=3 * seed)) for seed in range(1, 21)]
    assert sum(map(bool, found)) <= 1


def test_another_market_is_unlike_in_all_that_differs(familiarity):
    """Words, brands, categories and probabilities are said with bounds, which are wider for fewer sellers."""
    unlike = {one.subject: one for one in find(familiarity, Offers(1, n=200, market="new", prevalence=0.8))}
    assert set(unlike) == {"words", "brand", "category", "score"}
    assert all(one.found > one.high > one.expected for one in unlike.values())
    assert unlike["brand"].sentence.startswith("100 % of the listings with a brand name one never met in training; up")
    (low,) = find(familiarity, Offers(1, n=200, prevalence=0.0))
    assert low.found < low.low < low.expected
    assert low.sentence.startswith("the mean probability is")

    def allow(n_sellers: int) -> dict[str, float]:
        offers = Offers(1, n=400, n_sellers=n_sellers, market="new", prevalence=1.0)
        return {one.subject: one.high for one in find(familiarity, offers)}

    many, some, few = map(allow, (200, 20, 4))
    for subject in ("words", "brand", "category", "score"):
        assert many[subject] < some[subject] < few[subject]


def test_too_few_and_what_training_lacks_are_not_judged(familiarity):
    """Below 30 listings nothing is said; nor of what it was trained on, nor of brands that training lacks."""
    assert find(familiarity, Offers(1, n=FEW - 1, market="new")) == ()
    assert find(familiarity, Offers(1, n=FEW, market="new"))
    assert find(familiarity, Offers(0)) == ()
    columns, _, score = Offers(0).all()
    bare = ListingColumns({name: columns.texts(name) for name in ("listing_id", "seller_id", "title")})
    familiarity = Familiarity().fit(bare, Names.of_none(N_TRAINED), score)
    unlike = find(familiarity, Offers(2, market="new"))
    assert [one.subject for one in unlike] == ["words"]
