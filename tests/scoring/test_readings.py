"""Whether a title says other words to the model than to a reader."""

from ipml.features.normalisation import fold_text
from ipml.scoring.reasons import reads_otherwise

DISGUISED = (
    *("N\u0456ke Air Max", "Ni\u200bke Air Max", "R e p l i c a watch", "r.e.p.l.i.c.a", "\u202eekiN\u202c shoes"),
    *("Ni<b></b>ke shoes", "\u0430\u0441\u0441 leather bag, new, with box"),
    "\u0436\u0435\u043d\u0441\u043a\u0438\u0435 \u043a\u0435\u0434\u044b N\u0456ke",
)
ORDINARY = (
    *("NIKE Air Max 90 - size 42!", "Caf\u00e9 cr\u00e8me, M\u00e4nner, ni\u00f1o"),
    "\u0436\u0435\u043d\u0441\u043a\u0430\u044f \u0441\u0443\u043c\u043a\u0430 Nike",
    *("\u03c4\u03c3\u03ac\u03bd\u03c4\u03b1", "\u8010\u514b 42 Nike", "\u0939\u093f\u0928\u094d\u0926\u0940"),
    *("100 % wool, 38.5 mm & it's new", ""),
)


def test_a_disguise_is_read_otherwise_and_ordinary_writing_as_it_is_seen():
    """Look-alikes, hidden letters, spacing, turning and markup are; capitals, accents and other alphabets are not."""
    expected = dict.fromkeys(DISGUISED, True) | dict.fromkeys(ORDINARY, False)
    assert {title: reads_otherwise(title, fold_text(title)) for title in expected} == expected
