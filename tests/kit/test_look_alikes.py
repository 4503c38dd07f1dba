"""Readings of one character, and letters that look alike."""

import string
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ipml.kit.look_alikes import (
    IDEOGRAPHS_AS_LETTERS,
    ONLY_TURNED,
    ORNAMENTS,
    SEPARATOR,
    SHAPES,
    SIGNS_AS_LETTERS,
    TURNED_LETTERS,
    has_shape_of_its_own,
    is_look_alike,
    read_by_sound,
    read_letter,
)
from ipml.model.robustness.evasions import ALPHABETS

LETTER = st.characters(exclude_categories=[])
TABLES = [SIGNS_AS_LETTERS, IDEOGRAPHS_AS_LETTERS, TURNED_LETTERS, SHAPES, *(letters for _, letters in ORNAMENTS)]
ONE_BY_ONE = ("Cherokee", "Lisu", "phonetic", "small capitals", "superscript", "stroked", "Canadian")


def test_ascii_reads_as_itself_and_signs_that_look_like_it_as_these():
    """In small letters; white space is a space, and other signs separate words."""
    read = {letter: read_letter(letter) for letter in string.printable}
    assert read == {letter: " " if letter.isspace() else letter.lower() for letter in string.printable}
    read = dict(zip("–—’‘➕∕꞉ǃ×․", "--''+/:!x.", strict=True)) | dict.fromkeys("·•»。", SEPARATOR)
    assert {written: read_letter(written) for written in read} == read


@given(LETTER)
def test_a_reading_needs_no_further_one(letter):
    """It reads as itself, holds no capital and no control character, and only signs of markup read as such."""
    reading = read_letter(letter)
    assert "".join(map(read_letter, reading.replace(SEPARATOR, ""))) == reading.replace(SEPARATOR, "")
    reading = read_letter(letter).replace(SEPARATOR, " ")
    assert reading == reading.lower()
    assert not any(unicodedata.category(piece) in {"Cf", "Cc", "Cs", "Me", "Co", "Cn"} for piece in reading)
    if unicodedata.normalize("NFKC", letter)[:1] not in {"<", ">", "&", "≮", "≯"}:
        assert not set("<>&") & set(read_letter(letter))


def test_ideographs_and_syllables_read_as_themselves():
    """There is nothing to take apart or to make small in them; two are strokes that Unicode lists as signs."""
    letters = [*map(chr, range(0x4E00, 0x9FA6)), *map(chr, range(0xAC00, 0xD7A4))]
    assert [letter for letter in letters if read_letter(letter) != letter] == ["\u4e36", "\u4e3f"]


@given(st.characters(categories=["Nd"]))
def test_digits_of_all_scripts_are_digits(digit):
    """An Arabic or Devanagari five is a five, also where it looks like a letter."""
    assert read_letter(digit) == str(unicodedata.decimal(digit))


def test_tables_lead_to_plain_letters():
    """Up to three of ASCII; three in four ornaments are in the range of their script; alphabets read one by one."""
    for table in TABLES:
        for letter, plain in table.items():
            assert not letter.isascii() or table is TURNED_LETTERS
            assert plain.isascii()
            assert 1 <= len(plain) <= 3
    assert set(ONLY_TURNED) <= set(TURNED_LETTERS)
    for script, letters in ORNAMENTS[1:]:
        first, last = script.split("-")
        assert sum(first <= letter <= last for letter in letters) >= 0.75 * len(letters), script
    letters = [pair for name in ONE_BY_ONE for pair in ALPHABETS[name].items()]
    assert [f"{plain}{letter}" for plain, letter in letters if read_letter(letter) != plain.lower()] == []


@given(st.text("абвгдежзийклмнопрстуфхцчшщъыьэюяіїєґαβγδεζηθικλμνξοπρστυφχψω", min_size=1))
def test_sound_is_written_in_plain_letters(word):
    """Cyrillic and Greek give ASCII letters, piece by piece."""
    assert read_by_sound(word).isascii()
    assert read_by_sound(word) == "".join(map(read_by_sound, word))


@given(st.text("сорухаеСОРУХАЕВМТКНαοΑΟΡ", min_size=1))
def test_words_of_look_alikes_have_no_shape_of_their_own(word):
    """All their letters can be read as Latin; one that cannot shows another script."""
    assert all(map(is_look_alike, word))
    assert not has_shape_of_its_own(word)
    assert has_shape_of_its_own(word + "ж")
