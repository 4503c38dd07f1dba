"""Whether what a trader told has the form it must have: addresses, telephones, accounts, identifiers with their checks.

A form that is right says nothing of whether the thing exists; a form that is wrong says that it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date

_EMAIL = re.compile(r"[^@\s<>(),;:\"\[\]\\]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,63}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_LEI = re.compile(r"[A-Z0-9]{18}\d{2}")
_EUID = re.compile(r"[A-Z]{2}[A-Z0-9]{1,12}\.[A-Z0-9./_-]{1,40}")
_DIGITS = (8, 15)  # of a telephone number with its country (ITU-T E.164)
_IBAN_LENGTHS: Mapping[str, int] = {
    "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24, "FI": 18,
    "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IS": 26, "IT": 27, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "SE": 24, "SI": 19, "SK": 24, "TR": 26,
}  # fmt: skip  # SWIFT's register of IBAN formats; of other countries the checksum alone counts
_VAT: Mapping[str, str] = {
    "AT": r"U\d{8}", "BE": r"[01]\d{9}", "BG": r"\d{9,10}", "CY": r"\d{8}[A-Z]", "CZ": r"\d{8,10}", "DE": r"\d{9}",
    "DK": r"\d{8}", "EE": r"\d{9}", "EL": r"\d{9}", "ES": r"[A-Z0-9]\d{7}[A-Z0-9]", "FI": r"\d{8}",
    "FR": r"[A-HJ-NP-Z0-9]{2}\d{9}", "HR": r"\d{11}", "HU": r"\d{8}", "IE": r"\d[A-Z0-9+*]\d{5}[A-Z]{1,2}",
    "IT": r"\d{11}", "LT": r"(?:\d{9}|\d{12})", "LU": r"\d{8}", "LV": r"\d{11}", "MT": r"\d{8}",
    "NL": r"\d{9}B\d{2}", "PL": r"\d{10}", "PT": r"\d{9}", "RO": r"\d{2,10}", "SE": r"\d{10}01", "SI": r"\d{8}",
    "SK": r"\d{10}", "XI": r"(?:\d{9}|\d{12}|GD\d{3}|HA\d{3})",
}  # fmt: skip  # the shapes that VIES takes
_NOTHING = frozenset(
    ("-", "--", "n/a", "na", "none", "null", "nil", "unknown", "x", "xx", "xxx", "test", "tbd", "?", ".")
)


def is_given(text: str) -> bool:
    """Return whether a cell says something, and not only that there is nothing.

    Examples
    --------
    >>> is_given("12 Lane"), is_given(" n/a "), is_given("")
    (True, False, False)
    """
    return text.strip().casefold() not in _NOTHING and bool(text.strip())


def is_email(text: str) -> bool:
    """Return whether a text is one address of e-mail that could be written to.

    Examples
    --------
    >>> is_email("ann@shop.example"), is_email("ann@shop"), is_email("ann@@shop.example")
    (True, False, False)
    """
    found = text.strip()
    return len(found) <= 254 and bool(_EMAIL.fullmatch(found)) and ".." not in found and not found.startswith(".")


def is_phone(text: str, calling_code: str = "") -> bool:
    """Return whether a telephone number can be written with its country (E.164).

    Parameters
    ----------
    calling_code : str
        Of numbers that name no country, such as 49; without it they are not enough.

    Examples
    --------
    >>> is_phone("+49 (0)30 1234567"), is_phone("030 1234567"), is_phone("030 1234567", "49"), is_phone("call me")
    (True, False, True, False)
    """
    found = text.strip().replace("(0)", "")
    if not re.fullmatch(r"\+?[\d\s().\-/\u2010-\u2015]+", found):
        return False
    digits = re.sub(r"\D", "", found)
    if found.startswith("+"):
        number = digits
    elif digits.startswith("00"):
        number = digits[2:]
    else:
        number = calling_code + digits.removeprefix("0") if calling_code else ""
    return _DIGITS[0] <= len(number) <= _DIGITS[1] and not number.startswith("0") and len(set(number)) > 2


def is_iban(text: str) -> bool:
    """Return whether an account number has the form, the length and the check digits of an IBAN (ISO 13616).

    Examples
    --------
    >>> is_iban("DE89 3704 0044 0532 0130 00"), is_iban("DE88 3704 0044 0532 0130 00"), is_iban("DE89")
    (True, False, False)
    """
    found = re.sub(r"[\s-]", "", text).upper()
    if not _IBAN.fullmatch(found) or len(found) != _IBAN_LENGTHS.get(found[:2], len(found)):
        return False
    return _remainder(found[4:] + found[:4]) == 1 and 2 <= int(found[2:4]) <= 98


def is_lei(text: str) -> bool:
    """Return whether a text is a legal entity identifier with right check digits (ISO 17442).

    Examples
    --------
    >>> is_lei("5493001KJTIIGC8Y1R12"), is_lei("5493001KJTIIGC8Y1R13")
    (True, False)
    """
    found = text.strip().upper()
    return bool(_LEI.fullmatch(found)) and _remainder(found) == 1


def is_vat(text: str) -> bool:
    """Return whether a text has the shape of a VAT number of a Member State.

    Examples
    --------
    >>> is_vat("DE 123456789"), is_vat("DE12345678"), is_vat("ATU12345678")
    (True, False, True)
    """
    found = re.sub(r"[\s.-]", "", text).upper()
    return bool(re.fullmatch(_VAT.get(found[:2], r"(?!)"), found[2:]))


def is_euid(text: str) -> bool:
    """Return whether a text has the shape of a European unique identifier of a company: country, register, number.

    Examples
    --------
    >>> is_euid("DER3306.HRB118265"), is_euid("HRB 118265")
    (True, False)
    """
    return bool(_EUID.fullmatch(text.strip().upper()))


def is_register_number(text: str) -> bool:
    """Return whether a text can be the number of an entry in a register: it has a digit, and is not one digit again.

    Examples
    --------
    >>> is_register_number("HRB 118265"), is_register_number("pending"), is_register_number("0000000")
    (True, False, False)
    """
    found = re.sub(r"[\s./-]", "", text)
    digits = re.sub(r"\D", "", found)
    return bool(digits) and len(found) <= 60 and (len(digits) < 4 or len(set(digits)) > 1)


def is_address(text: str) -> bool:
    """Return whether a text can be an address: a street or town of letters, and a number.

    Examples
    --------
    >>> is_address("12 Lane, 10115 Berlin"), is_address("Berlin"), is_address("12345")
    (True, False, False)
    """
    letters = sum(letter.isalpha() for letter in text)
    return any(letter.isdigit() for letter in text) and letters >= 3 and len(text.strip()) >= 8


def is_name(text: str) -> bool:
    """Return whether a text can be a name: it has two letters at least.

    Examples
    --------
    >>> is_name("Ann Thrumbold"), is_name("李明"), is_name("4711")
    (True, True, False)
    """
    return sum(letter.isalpha() for letter in text) >= 2


def is_day(text: str) -> bool:
    """Return whether a text begins with a date as 2026-03-01."""
    try:
        date.fromisoformat(text.strip()[:10])
    except ValueError:
        return False
    return True


def is_yes(text: str) -> bool:
    """Return whether a text says yes: yes, true, 1, or the day on which it was said.

    Examples
    --------
    >>> is_yes("TRUE"), is_yes("2026-03-01"), is_yes("no")
    (True, True, False)
    """
    return text.strip().casefold() in ("yes", "true", "1", "y") or is_day(text)


CHECKS: Mapping[str, Callable[[str], bool]] = {
    "name": is_name,
    "address": is_address,
    "email": is_email,
    "iban": is_iban,
    "lei": is_lei,
    "vat": is_vat,
    "euid": is_euid,
    "register number": is_register_number,
    "yes": is_yes,
    "anything": is_given,
}


def _remainder(text: str) -> int:
    """Return a text of digits and letters, A as 10 to Z as 35, modulo 97 (ISO 7064)."""
    return int("".join(str(int(letter, 36)) for letter in text)) % 97
