"""Pages as they are sent: hostile text made visible, templates, protecting headers, error pages.

The seller writes the text of a listing and may want to deceive the reviewer too. Characters that cannot be seen, or
that reorder the letters around them, are shown by their code point; the rest is left to the escaping of templates.
Whatever a template prints is escaped, and its invisible letters are made visible.

Every page has the same headers, and what another site sends is refused, whoever asks. What is wrong is answered by a
page in the same look, in a sentence, without a traceback.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from itertools import groupby
from math import ceil
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from ipml import errors
from ipml.kit.hostile_text import find_invisible, make_templates, name_code_point
from ipml.money import say_amount
from ipml.records import Highlight
from ipml.web.navigation import make_bar
from ipml.web.phrases import (
    MEASURES,
    PENALTIES,
    age,
    due_in,
    duration,
    exchanged,
    is_recent,
    money,
    name_restriction,
    percent,
    percent_range,
    tell_platform,
)

_ALIKE_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
_WORD = re.compile(r"[^\W\d_]{2,}")
_ON_KEYBOARDS = "\u00aa\u00b5\u00ba"  # the ordinals and the micro sign
_FULL_WIDTH = re.compile("[\uff01-\uff5e]")
_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_LEAST_OF_COMPOUND = 3  # so many letters of either script are two words written as one, not one in disguise
_SPACED = re.compile(r"(?<!\w)[^\W\d_](?:([ ._*\u00b7-]{1,2})[^\W\d_])(?:\1[^\W\d_]){2,}(?!\w)")
_LEET = re.compile(r"(?<!\S)(?=\S*[^\W\d_])\S*[0134578@$!|*+(]\S*(?!\S)")
_AROUND_WORDS = ".,;:!?()[]/-"
_TOKEN = re.compile(r"\S+")
_THREE_SPACED = re.compile(r"(?<!\w)[^\W\d_]([ ._*\u00b7-]{1,2})[^\W\d_]\1[^\W\d_](?!\w)")
# What signs and digits stand for; a 1 is an i or an l.
_MEANT = [str.maketrans("0134578@$!|+", f"o{one}eastbas{one}{one}t") for one in "il"]
# Letters that nobody tells from Latin ones, as small letters or as capitals; others look like them in capitals only.
_SHAPED_LIKE_LATIN = frozenset(
    "\u0405\u0406\u0408\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425"
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04bb\u0501\u051b\u051d"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bd\u03bf"
)


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Letters of a listing that are drawn alike.

    Attributes
    ----------
    text : str
        The letters, or the code point of an invisible one: "U+200B".
    is_invisible : bool
        Whether `text` stands for a letter that cannot be seen.
    speaks_for : str
        "counterfeit", "genuine" or "" where the letters carried no weight.
    strength : int
        1 to 3, in thirds of the strongest weight; 0 where they carried none.
    disguise : str
        How the letters hide what they say, in words: the name of a letter of another script, say; or "".
    """

    text: str
    is_invisible: bool = False
    speaks_for: str = ""
    strength: int = 0
    disguise: str = ""


def find_disguises(text: str, read_as: str | None = None, brand: str | None = None) -> dict[int, str]:
    """Return where letters hide what they say, and how: by their place in a text, in words.

    Parameters
    ----------
    read_as : str, optional
        How the model read the text. Without it, of signs and digits for letters only those are told that spell the
        brand: many words have such.
    brand : str, optional
        What the listing is of.

    Examples
    --------
    >>> find_disguises("N\\u0456ke")
    {1: 'Cyrillic small letter byelorussian-ukrainian i'}
    >>> find_disguises("bag \u0410\u0410")
    {4: 'Cyrillic letters that look like Latin ones', 5: 'Cyrillic letters that look like Latin ones'}
    >>> sorted(find_disguises("by Br0th3r", read_as="by brother"))
    [3, 4, 5, 6, 7, 8, 9]
    >>> sorted(find_disguises("L0u15 case DG4492", brand="Louis Vuitton"))
    [0, 1, 2, 3, 4]
    """
    found = _find_spelt_brand(text, brand) if brand else {}
    for match in _SPACED.finditer(text):
        found |= dict.fromkeys(range(*match.span()), "letters set apart")
    for match in _LEET.finditer(text) if read_as else ():
        bare = match[0].strip(_AROUND_WORDS)
        if bare.casefold() not in (read_as or "").casefold():
            start = match.start() + match[0].find(bare)
            found |= dict.fromkeys(range(start, start + len(bare)), "signs or digits in place of letters")
    has_east_asian = _EAST_ASIAN.search(text) is not None
    for match in _WORD.finditer(text):
        if not match[0].isascii():
            places = _find_foreign(match[0], has_east_asian)
            found |= {match.start() + place: _name(match[0][place]) for place in places}
    return dict(sorted((_find_shaped_like_latin(text) | found).items()))


def _find_spelt_brand(text: str, brand: str) -> dict[int, str]:
    """Find the words of a brand written with signs or digits, or with three letters set apart."""
    names, found = set(_without_marks(brand).split()), dict[int, str]()
    for match in _TOKEN.finditer(text):
        bare = match[0].strip(_AROUND_WORDS)
        plain = _without_marks(bare)
        if plain not in names and any(plain.translate(meant) in names for meant in _MEANT):
            start = match.start() + match[0].find(bare)
            found |= dict.fromkeys(range(start, start + len(bare)), "signs or digits in place of letters")
    for match in _THREE_SPACED.finditer(text):
        if _without_marks(match[0].replace(match[1], "")) in names:
            found |= dict.fromkeys(range(*match.span()), "letters set apart")
    return found


def _without_marks(text: str) -> str:
    """Return a text in small letters without accents."""
    return "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if unicodedata.category(one) != "Mn")


def _find_shaped_like_latin(text: str) -> dict[int, str]:
    """Find words of another script that look Latin, beside Latin ones; in a text of that script they are its words."""
    by_script: dict[str, list[re.Match[str]]] = {}
    for match in () if text.isascii() else _WORD.finditer(text):
        scripts = {_script_of(letter, has_east_asian=False) for letter in match[0]}
        if len(scripts) == 1:
            by_script.setdefault(scripts.pop(), []).append(match)
    alike = (script for script in by_script if script not in ("LATIN", "STYLED", "") and "LATIN" in by_script)
    return {
        place: f"{script.capitalize()} letters that look like Latin ones"
        for script in alike
        if all(_SHAPED_LIKE_LATIN.issuperset(match[0]) for match in by_script[script])
        for match in by_script[script]
        for place in range(*match.span())
    }


def _find_foreign(word: str, has_east_asian: bool) -> list[int]:
    """Return which letters of a word are styled, or of another of the scripts that look alike than most of it."""
    scripts = [_script_of(letter, has_east_asian) for letter in word]
    styled = [place for place, script in enumerate(scripts) if script == "STYLED"]
    counts = Counter(script for script in scripts if script in _ALIKE_SCRIPTS)
    if len(counts) < 2:
        return styled if len(styled) > 1 or counts else []
    runs = [len(list(run)) for _, run in groupby(scripts)]
    if len(runs) == 2 and min(runs) >= _LEAST_OF_COMPOUND:
        return styled
    own = max(counts, key=lambda script: (counts[script], script == "LATIN"))
    return [place for place, script in enumerate(scripts) if script not in (own, "")]


@lru_cache(maxsize=16_384)
def _script_of(letter: str, has_east_asian: bool) -> str:
    """Return the script of a letter, where letters of others look like its own; "STYLED" for one in fancy dress."""
    if letter in _ON_KEYBOARDS or (has_east_asian and _FULL_WIDTH.match(letter)):
        return ""
    plain = unicodedata.normalize("NFKC", letter)
    if unicodedata.decomposition(letter).startswith("<") and len(plain) == 1 and plain.isascii() and plain.isalpha():
        return "STYLED"
    script = unicodedata.name(letter, "").split(" ")[0]
    return script if script in _ALIKE_SCRIPTS else ""


def _name(letter: str) -> str:
    script, _, rest = unicodedata.name(letter, name_code_point(letter)).partition(" ")
    return f"{script.capitalize() if script in _ALIKE_SCRIPTS else script.lower()} {rest.lower()}".strip()


def cut_pieces(
    text: str,
    highlights: Sequence[Highlight] = (),
    limit: int = 500,
    kept: str = "",
    heaviest: float = 0.0,
    read_as: str | None = None,
    brand: str | None = None,
) -> tuple[TextPiece, ...]:
    """Cut a text into pieces that the page can mark: weights, invisible letters, and letters in disguise.

    Parameters
    ----------
    text : str
        A title or a description as written.
    highlights : sequence of Highlight
        Ranges of code points with weights; weights of ranges that overlap add up.
    limit : int, default=500
        Code points shown at most; a last piece says how many were left out.
    kept : str, default=""
        Invisible letters that stay as they are: the line breaks of a paragraph.
    heaviest : float, default=0
        The strongest weight elsewhere, if it is stronger than those of this text.
    read_as : str, optional
        How the model read the text, where that is not what a reader sees.
    brand : str, optional
        What the listing is of.

    Examples
    --------
    >>> cut_pieces("AAA bag", [Highlight(0, 3, 2.0)])
    (TextPiece(text='AAA', is_invisible=False, speaks_for='counterfeit', strength=3, disguise=''),
     TextPiece(text=' bag', is_invisible=False, speaks_for='', strength=0, disguise=''))
    """
    shown = text[:limit]
    weights = [0.0] * len(shown)
    for highlight in highlights:
        for index in range(max(highlight.start, 0), min(highlight.end, len(shown))):
            weights[index] += highlight.weight
    strongest = max(heaviest, *map(abs, weights), 0.0)
    hidden, disguises = find_invisible(shown, kept), find_disguises(shown, read_as, brand)
    styles = {weight: _style(weight, strongest) for weight in set(weights)}
    marks = [
        (letter if place in hidden else "", styles[weight], "" if place in hidden else disguises.get(place, ""))
        for place, (letter, weight) in enumerate(zip(shown, weights, strict=True))
    ]
    runs = groupby(zip(marks, shown, strict=True), itemgetter(0))
    cut = [_join(mark, "".join(letter for _, letter in run)) for mark, run in runs]
    left_out = len(text) - len(shown)
    return (*cut, TextPiece(f" … and {left_out:,} more letters")) if left_out else tuple(cut)


def tell_disguises(
    text: str, read_as: str | None = None, limit: int = 500, brand: str | None = None
) -> list[tuple[str, str]]:
    """Return what hides what a text says, each once: the letters as written, or a code point, and how they hide it.

    Examples
    --------
    >>> for letters, how in tell_disguises("Nik\u0435 Ni\u200bke"):
    ...     print(ascii(letters), how)
    '\u0435' Cyrillic small letter ie
    'U+200B' zero width space, which is not seen
    """
    shown = text[:limit]
    told: list[tuple[str, str]] = []
    last, last_how = -2, ""
    for place, how in find_disguises(shown, read_as, brand).items():
        if place == last + 1 and how == last_how:
            told[-1] = (told[-1][0] + shown[place], how)
        else:
            told.append((shown[place], how))
        last, last_how = place, how
    for place in sorted(find_invisible(shown, "\n\t")):
        told.append((name_code_point(shown[place]), f"{_name(shown[place])}, which is not seen"))
    return list(dict.fromkeys(told))


def cut_quotes(text: str) -> list[tuple[str, bool]]:
    """Cut a letter into pieces, and say of each whether it is a seller's own words, which stand isolated in it.

    Examples
    --------
    >>> cut_quotes("Listing: \u2068Bag\u2069.")
    [('Listing: ', False), ('Bag', True), ('.', False)]
    """
    pieces = re.split("\u2068([^\u2068\u2069]*)\u2069", text)
    return [(piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece]


def _style(weight: float, strongest: float) -> tuple[str, int]:
    if weight == 0:
        return "", 0
    return "counterfeit" if weight > 0 else "genuine", max(1, ceil(3 * (abs(weight) / strongest)))


def _join(mark: tuple[str, tuple[str, int], str], letters: str) -> TextPiece:
    hidden, style, disguise = mark
    if not hidden:
        return TextPiece(letters, False, *style, disguise)
    return TextPiece(name_code_point(hidden) + (f" ×{len(letters)}" if letters[1:] else ""), True, *style)


_VERSIONS = {
    file.name: sha256(file.read_bytes()).hexdigest()[:16] for file in (Path(__file__).parent / "static").iterdir()
}


def address_of_file(name: str) -> str:
    """Return the address of a file of the pages: another for each content, so that a browser asks for it once.

    Examples
    --------
    >>> address_of_file("page.css").partition("=")[0]
    '/static/page.css?v'
    """
    return f"/static/{name}?v={_VERSIONS[name]}"


_templates = make_templates("ipml.web")
_templates.globals |= {
    "age": age,
    "cut_pieces": cut_pieces,
    "cut_quotes": cut_quotes,
    "due_in": due_in,
    "exchanged": exchanged,
    "duration": duration,
    "is_recent": is_recent,
    "measure_names": MEASURES,
    "money": money,
    "name_restriction": name_restriction,
    "penalty_names": PENALTIES,
    "percent": percent,
    "percent_range": percent_range,
    "say_amount": say_amount,
    "static": address_of_file,
    "tell_disguises": tell_disguises,
    "tell_platform": tell_platform,
}


def compile_templates() -> None:
    """Compile the template of every page: that of a case takes longer than all else about it."""
    for name in _templates.list_templates():
        _templates.get_template(name)


def redirect(address: str) -> RedirectResponse:
    """Send the browser on to a page, as after a form."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return a page.

    Parameters
    ----------
    template : str
        Name of a file in the folder of templates.
    context : mapping
        What the template names; what its frame shows is added. A `message` says why what was asked for was not done.
    status : int, default=200, or 409 with a message
    """
    user, settings = getattr(request.state, "user", None), request.app.state.settings
    has_session = user is not None and settings.trusted_header is None
    frame = {
        "user": user,
        "navigation": make_bar(user.role, request.url.path) if user else None,
        "idle_seconds": round(60 * settings.idle_minutes, 1) if has_session else None,
    }
    status = status or (HTTPStatus.CONFLICT if context.get("message") else HTTPStatus.OK)
    return HTMLResponse(_templates.get_template(template).render(**frame, **context), status, headers)


def render_error(request: Request, status: int, message: str) -> HTMLResponse:
    """Return a page that says in a sentence what went wrong."""
    heading = HTTPStatus(status).phrase.capitalize()
    return render(request, "error.html", {"heading": heading, "message": message, "status": status}, status)


_READING = ("GET", "HEAD")
MOST_BYTES = 65_536  # the longest form is a note of 2,000 characters
_MOST_BYTES_OF_FILES = {"/portal/report": 1_000_000, "/portal/rights": 2_100_000}


def make_content_policy(image_sources: Sequence[str] = ()) -> str:
    """Return what a page may load and do: what is ours, and pictures of hosts that the operator names.

    Examples
    --------
    >>> "img-src 'self' https://img.example.com;" in make_content_policy(["https://img.example.com"])
    True
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            " ".join(("img-src 'self'", *image_sources)),
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


HEADERS = {
    "Content-Security-Policy": make_content_policy(),
    "X-Content-Type-Options": "nosniff",
    # Other sites learn as little as from no-referrer, which would take the origin from our own forms, too:
    # `is_from_elsewhere` needs it where browsers send no Sec-Fetch-Site (plain http to another machine).
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def protect(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse what comes from another site or is too long; put the protecting headers on every answer."""
    refusal = _refusal(request)
    response = render_error(request, *refusal) if refusal else await proceed(request)
    if response.status_code == HTTPStatus.SEE_OTHER and request.headers.get("x-sent-by") == "script":
        response.status_code = HTTPStatus.OK  # the script goes there by itself: of a redirection it would see nothing
    return add_headers(request, response)


def add_headers(request: Request, response: Response) -> Response:
    """Put the protecting headers on an answer.

    Pages are kept nowhere; a browser keeps a file for good under the address that names its content, and a picture for
    an hour.
    """
    response.headers.update(HEADERS)
    response.headers["Content-Security-Policy"] = getattr(
        request.app.state, "content_policy", HEADERS["Content-Security-Policy"]
    )
    response.headers["Cache-Control"] = _say_how_long(request, response)
    if request.url.scheme == "https":
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def _say_how_long(request: Request, response: Response) -> str:
    folder, _, name = request.url.path.rpartition("/")
    if folder == "/static":
        is_named = name in _VERSIONS and request.query_params.get("v") == _VERSIONS[name]
        return "public, max-age=31536000, immutable" if is_named else "no-cache"
    return "private, max-age=3600" if response.headers.get("content-type") == "image/webp" else "no-store"


def is_from_elsewhere(request: Request) -> bool:
    """Tell whether another site caused a request; a form that says nothing of its origin counts as such.

    Follows OWASP's cheat sheet on cross-site request forgery: Sec-Fetch-Site, or Origin where it is missing.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    if request.method in _READING:
        return False
    origin = request.headers.get("origin", "")
    return not origin or origin.partition("://")[2] != request.headers.get("host")


def _refusal(request: Request) -> tuple[int, str] | None:
    if request.method in _READING:
        return None
    if is_from_elsewhere(request):
        return HTTPStatus.FORBIDDEN, "This was sent from another site. Open the page itself and try again."
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        return HTTPStatus.LENGTH_REQUIRED, "The length of what was sent is missing."
    most = _MOST_BYTES_OF_FILES.get(request.url.path, MOST_BYTES)
    if len(length) > 9 or int(length) > most:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"More was sent than {most:,} bytes, the most expected."
    return None


_STATUS: dict[type[errors.IpmlError], HTTPStatus] = {  # the first that fits
    errors.LoginNeeded: HTTPStatus.UNAUTHORIZED,
    errors.DatabaseBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UnusableDatabase: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Failed: HTTPStatus.BAD_GATEWAY,
}
_SENTENCES = {
    HTTPStatus.NOT_FOUND: "There is no such page.",
    HTTPStatus.METHOD_NOT_ALLOWED: "That cannot be done with this page.",
}
_log = logging.getLogger(__name__)


def add_error_pages(app: FastAPI) -> None:
    """Answer every error of an application with a page, but what was asked for wrongly: see `refuse_misunderstood`."""
    app.add_exception_handler(errors.IpmlError, _answer_ipml_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_failure)


def _answer_ipml_error(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)
    if status == HTTPStatus.UNAUTHORIZED:
        return _ask_to_log_in(request, str(error))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        _log.error("%s", error)
        return render_error(
            request, status, "The database cannot be used just now. The operator finds more in the log."
        )
    return render_error(request, status, str(error))


def _ask_to_log_in(request: Request, message: str) -> Response:
    """Send to the login, or say where it is; from there one comes back to the page, or to that of the form."""
    if request.method in _READING:
        return redirect(f"/login?then={quote(_path_of(str(request.url)))}")
    then = _path_of(request.headers.get("referer", "/"))
    context = {"heading": "Unauthorized", "message": message, "status": 401, "then": then}
    return render(request, "error.html", context, HTTPStatus.UNAUTHORIZED)


def _path_of(address: str) -> str:
    parts = urlsplit(address)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _answer_http_error(request: Request, error: Exception) -> Response:
    status = HTTPStatus(getattr(error, "status_code", HTTPStatus.BAD_REQUEST))
    return render_error(request, status, _SENTENCES.get(status, "What was sent cannot be understood."))


def answer_misunderstanding(request: Request, error: Exception) -> Response:
    """Answer a request whose address or form breaks the rules of its route."""
    places = [place["loc"][0] for place in error.errors()] if isinstance(error, RequestValidationError) else []
    status = HTTPStatus.NOT_FOUND if "path" in places else HTTPStatus.BAD_REQUEST
    return render_error(request, status, _SENTENCES.get(status, "What was sent cannot be understood."))


def _answer_failure(request: Request, _error: Exception) -> Response:
    # The framework answers a failure outside of `protect`, and logs the traceback itself.
    page = render_error(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "Something failed. The operator finds more in the log."
    )
    return add_headers(request, page)
