"""Image vectors as features: what counts is their direction, whatever the space in which an encoder writes them."""

import numpy as np
import pandas as pd
import pytest

from ipml.errors import InvalidListings
from ipml.features.columns import ListingColumns
from ipml.features.images import ImageVectors
from ipml.listings.schema import frame_to_listings, listings_to_frame
from ipml.records import Listing

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(300, 24)) * np.linspace(3, 0.1, 24) + 1


def frame_of(vectors) -> pd.DataFrame:
    """Return listings with these vectors."""
    return pd.DataFrame({"title": "Bag", "image_vector": pd.Series(list(vectors), dtype=object)})


def test_only_the_direction_of_a_vector_counts():
    """A turned space and other lengths give the same components, but for signs and rounding to single precision."""
    turn, _ = np.linalg.qr(RNG.normal(size=(24, 24)))
    plain, turned = (ImageVectors(8).fit_transform(frame_of(some)) for some in (VECTORS, VECTORS @ turn))
    np.testing.assert_allclose(abs(plain), abs(turned), atol=1e-4)
    images = ImageVectors(8).fit(frame_of(VECTORS))
    np.testing.assert_allclose(
        images.transform(frame_of(VECTORS)), images.transform(frame_of(VECTORS * 7.0)), atol=1e-5
    )


def test_components_have_a_spread_of_one_and_less():
    """The first one, and the others each its part of it; few or equal vectors give one of finite numbers."""
    spread = ImageVectors(8).fit_transform(frame_of(VECTORS)).std(axis=0, ddof=1)
    assert spread[0] == pytest.approx(1)
    assert (np.diff(spread) < 0).all()
    for vectors in ([[1.0, 2.0]], [[1.0, 2.0]] * 5, [[0.0, 0.0]] * 5, [[1.0, 2.0], [2.0, 1.0]]):
        values = ImageVectors().fit_transform(frame_of(vectors))
        assert values.shape == (len(vectors), 1)
        assert np.isfinite(values).all()


def test_no_vector_says_nothing():
    """A missing one and zeros are 0, as is every vector where none was learnt; a donor's take their place."""
    images = ImageVectors(8).fit(frame_of([*VECTORS, None]))
    assert not images.transform(frame_of([None, np.zeros(24)])).any()
    assert not images.transform({"title": ["Bag"]}).any()
    assert not ImageVectors().fit({"title": ["Bag"]}).transform(frame_of(VECTORS)).any()
    own, donor = ImageVectors(4).fit(frame_of(VECTORS[:100])), ImageVectors(6).fit(frame_of(VECTORS[100:]))
    own.extend(donor)
    np.testing.assert_array_equal(own.transform(frame_of(VECTORS)), donor.transform(frame_of(VECTORS)))


def test_a_vector_alone_equals_that_in_a_batch():
    """To the bit, from a frame, from records and from one record; a second time, and in parts of some thousands."""
    many = frame_of(np.tile(VECTORS, (15, 1)).astype(np.float32))
    images = ImageVectors(8).fit(many)
    together = images.transform(many)
    records = [
        Listing(str(row), "s", "Bag", image_vector=tuple(many["image_vector"][row].tolist())) for row in range(9)
    ]
    np.testing.assert_array_equal(images.transform(ListingColumns.of_records(records)), together[:9])
    for row in (0, 5, 8):
        np.testing.assert_array_equal(images.transform(many.iloc[[row]])[0], together[row])
        np.testing.assert_array_equal(images.transform(ListingColumns.of_one(records[row]))[0], together[row])
    assert [one.image_vector for one in frame_to_listings(listings_to_frame(records))] == [
        one.image_vector for one in records
    ]


def test_rows_that_are_taken_keep_their_vectors():
    """Before and after those of all were worked out, and after a second fit."""
    listings = ListingColumns(frame_of(VECTORS))
    images = ImageVectors(8).fit(listings.take(np.arange(50, 300)))
    taken = images.transform(listings.take(np.array([3, 3, 1])))
    np.testing.assert_array_equal(taken, images.transform(listings)[[3, 3, 1]])
    before = images.transform(listings)
    assert not np.array_equal(images.fit(listings).transform(listings), before)


def test_another_length_is_named():
    """When learning and when reading: each listing at fault, by its row, with what was found and expected."""
    mixed = frame_of([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0, 3.0], None])
    expected = "row 3, image_vector: found 'a list of 3 numbers', expected a list of 2 finite numbers, as"
    with pytest.raises(InvalidListings, match=f"1 bad row: {expected} most others have"):
        ImageVectors().fit(mixed)
    with pytest.raises(InvalidListings, match="1 bad row: row 1, image_vector: found 'no list of finite numbers'"):
        ImageVectors().fit(frame_of([[float("nan"), 1.0], [2.0, 1.0], [1.0, 2.0]]))
    images = ImageVectors().fit(mixed.head(2))
    with pytest.raises(InvalidListings, match=f"1 bad row: {expected} the model learnt"):
        images.transform(mixed)
    mixed.index = pd.Index([11, 12, 13, 14], name="row")
    assert [problem.row for problem in images.find_problems(ListingColumns(mixed))] == [13]
