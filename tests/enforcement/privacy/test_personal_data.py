"""Every column of text is declared, as telling of sellers or not."""

from sqlalchemy import Text

from ipml.enforcement.privacy.personal_data import BLANKED, REMOVED, REPLACED, TEXTS, Holds, touched_tables
from ipml.storage.tables import metadata

DECLARED = {(table, name): holds for table, columns in TEXTS.items() for name, holds in columns.items()}


def test_every_column_of_text_is_declared():
    """Whoever adds a column says in `personal_data.TEXTS` what it may hold of a seller."""
    there = {
        name: {column.name for column in table.c if isinstance(column.type, Text)}
        for name, table in metadata.tables.items()
    }
    assert {name: columns for name, columns in there.items() if columns} == {
        name: {*columns} for name, columns in TEXTS.items() if columns
    }


def test_whatever_is_in_the_clear_is_blanked_replaced_or_removed():
    """No column is declared to tell of a seller and then forgotten."""
    blanked = {(table, name) for (table, _), columns in BLANKED.items() for name in columns}
    replaced = {(table, name) for table, columns in REPLACED.items() for name in columns}
    clear = {place for place, holds in DECLARED.items() if holds is Holds.CLEAR}
    assert clear == {place for place in blanked | replaced if place in clear} | {
        place for place in clear if place[0] in REMOVED
    }
    assert blanked | replaced <= clear
    assert touched_tables() <= set(metadata.tables)  # a misspelt table would be left as it is


def test_a_encrypted_column_stands_beside_its_pseudonym():
    """What is encrypted can only be opened by who knows whose key it is, from its row or from the one it refers to."""
    for (table, name), holds in DECLARED.items():
        if holds is Holds.ENCRYPTED:
            beside = [metadata.tables[table], *(key.column.table for key in metadata.tables[table].foreign_keys)]
            assert any("pseudonym" in one.c for one in beside) or table == "platform_answers", (table, name)
