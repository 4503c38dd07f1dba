"""The compiled BLAKE2b is Python's."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from ipml.features.compiled.blake2b import hash_texts
from ipml.features.compiled.texts import Texts


@given(st.lists(st.text(max_size=30) | st.sampled_from(["x" * n for n in (127, 128, 129, 300)]), max_size=20))
def test_hashes_are_those_of_the_standard_library(texts):
    """Of any texts, few or many, in one block of the function or more."""
    data = [text.encode("utf-8", "surrogatepass") for text in texts]
    expected = [int.from_bytes(hashlib.blake2b(one, digest_size=8).digest(), "little") for one in data]
    assert hash_texts(Texts.of(texts)).tolist() == expected
