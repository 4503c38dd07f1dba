"""Registrations of rights: number, office, classes, last day and a file, filed by a notifier.

They are documents of rights (`ipml.cooperation.notifiers.notifier`), which a person accepts or not. A file is
recognised by its first bytes, never by its name; it is small and only ever sent as a download. It is encrypted with the
notifier's key and lost with it. Its SHA-256 in the details shows that the file is the one filed.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, insert, select

from ipml.cooperation.faults import Faults, read_text
from ipml.cooperation.notifiers.notifier import (
    RightsDocument,
    decrypt_if_kept,
    end_of_day,
    list_documents,
)
from ipml.errors import Conflict, NotFound, Refused
from ipml.kit.canonical_json import canonical_json
from ipml.storage.audit_trail import audit
from ipml.storage.pseudonyms import encrypt, get_notifier
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import rights_documents, rights_files

MOST_BYTES = 2_000_000
MOST_DOCUMENTS = 100
"""Registrations of one notifier, at most."""
_LONGEST = {"number": 100, "office": 100, "classes": 200}
_KINDS = {b"%PDF-": "pdf", b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg"}
_END = rb"(?=[\0\t\n\f\r ()<>\[\]{}/%]|$)"  # of a name in a PDF


def _any_name(*names: str) -> re.Pattern[bytes]:
    """Return the expression that finds names of a PDF, whose letters may be written as numbers."""
    spelt = ("".join(rf"(?:{letter}|#{ord(letter):02x}|#{ord(letter):02X})" for letter in name) for name in names)
    return re.compile(b"/(?:" + "|".join(spelt).encode() + b")" + _END)


# Scripts, programs, attachments, form submissions, video and sound.
_ACTIVE = _any_name(
    *("JavaScript", "JS", "Launch", "EmbeddedFile", "EmbeddedFiles", "RichMedia", "SubmitForm", "ImportData", "XFA"),
    *("GoToR", "GoToE", "Rendition", "Movie", "Sound", "AA"),
)
_OPENS = re.compile(_any_name("OpenAction").pattern + rb"(?!\s*\[)")  # followed by an action, not a place
# Packed objects, whose actions show only after unpacking.
_PACKED = _any_name("ObjStm", "XRef", "XRefStm", "Encrypt")
_TABLES = re.compile(rb"(?:startxref|/Prev)\s*(\d{1,10})")
_EXPECTED = "a PDF, PNG or JPEG file"
_PRINTED = "one without: print it anew as PDF from a browser, or take a picture of it"


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered right as filed.

    `number` is such as "EUTM 018123456", None if the notifier was erased; `classes` are Nice classes. Office and
    classes are empty if a notice only named the right; `file_kind` is empty without a file. `is_accepted` is None until
    it was checked.
    """

    document_id: int
    notifier_id: int
    brand: str
    number: str | None
    office: str
    classes: str
    last_day: date | None
    file_kind: str
    filed_at: datetime
    is_accepted: bool | None

    def has_ended(self, now: datetime) -> bool:
        """Report whether its last day is over."""
        return self.last_day is not None and end_of_day(self.last_day) <= now


@dataclass(frozen=True, slots=True)
class RegistrationForm:
    """A registration as filed; `last_day` None means that the right has no end, an empty `file` that there is none."""

    brand: str
    number: str
    office: str
    classes: str = ""
    last_day: date | None = None
    file: bytes = b""


def file_registration(
    connection: Connection, notifier_id: int, form: RegistrationForm, *, by: str, now: datetime
) -> int:
    """Store a registration to be checked, and return its number; filing it again returns the same number.

    Raises Refused for a text that is missing or too long, an ended right or an unsuitable file; Conflict if the
    notifier was erased or has filed too many.
    """
    brand, last_day, file, faults = form.brand, form.last_day, form.file, Faults()
    texts = {"number": form.number, "office": form.office, "classes": form.classes}
    read = {
        name: read_text(faults, name, text, longest=_LONGEST[name])
        for name, text in texts.items()
        if text or name != "classes"
    }
    if faults.found:
        problem = faults.found[0]
        raise Refused(problem.column, repr(problem.value), problem.expected)
    if last_day is not None and end_of_day(last_day) <= now:
        raise Refused("last day", f"{last_day}", "a day to come, or none")
    kind = _find_kind(file) if file else ""
    notifier = get_notifier(connection, notifier_id, lock=True)
    filed, digest = list_documents(connection, notifier_id), hashlib.sha256(file).hexdigest() if file else ""
    details = {"office": read["office"], "classes": read.get("classes") or "", "file": kind, "sha256": digest}
    written, valid_until = canonical_json(details), None if last_day is None else end_of_day(last_day)
    for old in filed:
        same = (old.brand, old.reference, old.details, old.valid_until) == (brand, read["number"], written, valid_until)
        if same and old.is_accepted is not False:
            return old.document_id
    if notifier.address is None or len(filed) >= MOST_DOCUMENTS:
        finding = "the notifier was erased" if notifier.address is None else f"{len(filed)} were filed already"
        raise Conflict("registration", finding, "Ask the marketplace.")
    row = {
        "notifier_id": notifier_id,
        "brand": brand,
        "reference": encrypt(connection, notifier.pseudonym, read["number"] or ""),
        "filed_at": now,
        "details": encrypt(connection, notifier.pseudonym, written),
        "valid_until": valid_until,
    }
    (document_id,) = append_rows(connection, rights_documents, [row])
    if file:
        content = encrypt(connection, notifier.pseudonym, b64encode(file).decode("ascii"))
        connection.execute(insert(rights_files).values(document_id=document_id, content=content))
    audit.append(connection, by, "rights filed", notifier.subject, {"document": document_id}, at=now)
    return document_id


def _find_kind(file: bytes) -> str:
    """Return the kind of a file by its content: "pdf", "png" or "jpg".

    Raises Refused if it is too large, of another kind, or a PDF that may act when opened.

    >>> _find_kind(b"%PDF-1.4 xref trailer<<>> startxref 9 %%EOF")
    'pdf'
    """
    if len(file) > MOST_BYTES:
        raise Refused("file", f"{len(file):,} bytes", f"at most {MOST_BYTES:,}")
    kind = next((kind for begins, kind in _KINDS.items() if file.startswith(begins)), None)
    if kind is None:
        raise Refused("file", "another kind of file", _EXPECTED)
    if kind == "pdf":
        _refuse_active(file)
    return kind


def _refuse_active(file: bytes) -> None:
    """Raise Refused unless a PDF shows all its objects and none of them acts."""
    if _ACTIVE.search(file) or _OPENS.search(file):
        raise Refused("file", "a PDF with scripts, attachments or actions", _PRINTED)
    places = [int(place) for place in _TABLES.findall(file)]
    if not places or any(not file[place:].lstrip().startswith(b"xref") for place in places):
        raise Refused("file", "a PDF without a plain table of its objects", _PRINTED)
    if _PACKED.search(file):
        raise Refused("file", "a PDF whose objects are packed or encrypted", _PRINTED)


def list_registrations(
    connection: Connection, notifier_id: int, brands: Collection[str] | None = None
) -> list[Registration]:
    """Return a notifier's registrations for some brands or all, newest last."""
    documents = list_documents(connection, notifier_id)
    return [read_registration(document) for document in documents if brands is None or document.brand in brands]


def read_registration(one: RightsDocument) -> Registration:
    """Return a document as a registration; one that was only named in a notice has no details."""
    details = json.loads(one.details) if one.details else {"office": "", "classes": "", "file": ""}
    last_day = None if one.valid_until is None else (one.valid_until - timedelta(microseconds=1)).date()
    return Registration(
        one.document_id,
        one.notifier_id,
        one.brand,
        one.reference,
        details["office"],
        details["classes"],
        last_day,
        details["file"],
        one.filed_at,
        one.is_accepted,
    )


def read_file(connection: Connection, document_id: int) -> tuple[bytes, str]:
    """Return the file of a registration and its kind.

    Raises NotFound if it does not exist or was erased, Refused if it differs from the filed one.
    """
    query = select(rights_documents.c.notifier_id, rights_files.c.content)
    query = query.join(rights_files, rights_files.c.document_id == rights_documents.c.document_id)
    row = None
    if 0 < document_id < 2**63:
        row = connection.execute(query.where(rights_documents.c.document_id == document_id)).first()
    missing = NotFound("file of document", document_id)
    if row is None:
        raise missing
    documents = list_documents(connection, row.notifier_id)
    document = next(document for document in documents if document.document_id == document_id)
    content = decrypt_if_kept(connection, get_notifier(connection, row.notifier_id).pseudonym, row.content)
    if content is None or document.details is None:
        raise missing
    file, details = b64decode(content), json.loads(document.details)
    if hashlib.sha256(file).hexdigest() != details["sha256"] or _find_kind(file) != details["file"]:
        raise Refused(f"file of document {document_id}", "another than was filed", "that one", "Ask the operator.")
    return file, details["file"]
