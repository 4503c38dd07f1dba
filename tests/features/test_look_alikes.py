"""What one character reads as, and which letters look like others."""

import string
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ipml.features.look_alikes import (
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


def test_ascii_reads_as_itself():
    """In small letters; white space is a space."""
    read = {letter: read_letter(letter) for letter in string.printable}
    assert read == {letter: " " if letter.isspace() else letter.lower() for letter in string.printable}


@given(LETTER)
def test_a_reading_reads_as_itself(letter):
    """What a character became needs no further reading, but for a sign that stands for a separator."""
    reading = read_letter(letter)
    assert "".join(map(read_letter, reading.replace(SEPARATOR, ""))) == reading.replace(SEPARATOR, "")


@given(LETTER)
def test_a_reading_is_small_and_visible(letter):
    """No capital, no control or format character."""
    reading = read_letter(letter).replace(SEPARATOR, " ")
    assert reading == reading.lower()
    assert not any(unicodedata.category(piece) in {"Cf", "Cc", "Cs", "Me", "Co", "Cn"} for piece in reading)


def test_ideographs_and_syllables_read_as_themselves():
    """There is nothing to take apart or to make small in them; two are strokes that Unicode lists as signs."""
    letters = [*map(chr, range(0x4E00, 0x9FA6)), *map(chr, range(0xAC00, 0xD7A4))]
    assert [letter for letter in letters if read_letter(letter) != letter] == ["\u4e36", "\u4e3f"]


@given(st.characters(categories=["Nd"]))
def test_digits_of_all_scripts_are_digits(digit):
    """An Arabic or Devanagari five is a five, also where it looks like a letter."""
    assert read_letter(digit) == str(unicodedata.decimal(digit))


def test_signs_that_look_like_ascii_signs_read_as_these():
    """Typographic signs are those of the keyboard; others separate words, and are told from a space until then."""
    read = dict(zip("–—’‘➕∕꞉ǃ×․", "--''+/:!x.", strict=True)) | dict.fromkeys("·•»。", SEPARATOR)
    assert {written: read_letter(written) for written in read} == read


@given(LETTER)
def test_no_character_becomes_markup(letter):
    """Nothing but these signs themselves, in any width, reads as the beginning of a tag or an entity."""
    if unicodedata.normalize("NFKC", letter)[:1] not in {"<", ">", "&", "≮", "≯"}:
        assert not set("<>&") & set(read_letter(letter))


def test_tables_lead_to_plain_letters():
    """Each letter of a table stands for one or two ASCII letters or digits."""
    for table in TABLES:
        for letter, plain in table.items():
            assert not letter.isascii() or table is TURNED_LETTERS
            assert plain.isascii()
            assert 1 <= len(plain) <= 3
    assert set(ONLY_TURNED) <= set(TURNED_LETTERS)


def test_letters_of_a_table_are_of_its_script():
    """The range of an ornamental script holds at least three in four of its letters: the others are of mixed origin."""
    for script, letters in ORNAMENTS[1:]:
        first, last = script.split("-")
        assert sum(first <= letter <= last for letter in letters) >= 0.75 * len(letters), script


def test_alphabets_of_ornaments_read_one_by_one():
    """Their letters read as what they stand for, whatever stands around them."""
    letters = [pair for name in ONE_BY_ONE for pair in ALPHABETS[name].items()]
    assert [f"{plain}{letter}" for plain, letter in letters if read_letter(letter) != plain.lower()] == []


@given(st.text("абвгдежзийклмнопрстуфхцчшщъыьэюяіїєґαβγδεζηθικλμνξοπρστυφχψω", min_size=1))
def test_sound_is_written_in_plain_letters(word):
    """Cyrillic and Greek give ASCII letters, piece by piece."""
    assert read_by_sound(word).isascii()
    assert read_by_sound(word) == "".join(map(read_by_sound, word))


@given(st.text("сорухаеСОРУХАЕВМТКНαοΑΟΡ", min_size=1))
def test_words_of_look_alikes_have_no_shape_of_their_own(word):
    """They can be read as Latin; one letter that cannot tells them apart."""
    assert all(map(is_look_alike, word))
    assert not has_shape_of_its_own(word)
    assert has_shape_of_its_own(word + "ж")
