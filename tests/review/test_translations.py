"""Titles that a machine translates: what is sent, what is kept, and what a service may do wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.receiver import wait_until
from support.reviewing import Make, act, ask
from support.translation_service import TranslationService, serve_translations

from ipml.errors import Failed, UnusableSetting
from ipml.review.queue import enqueue
from ipml.review.translations import Translation, Translator, find_translation, make_translator, store_translation
from ipml.settings import Settings
from ipml.storage.database import writing


@pytest.fixture
def service() -> Iterator[TranslationService]:
    """Give a service that translates."""
    with serve_translations() as service:
        yield service


def test_nothing_is_sent_unless_a_service_is_named() -> None:
    """There is no translator without an address."""
    assert make_translator(Settings()) is None


@pytest.mark.parametrize("ending", ["", "/", "/translate"])
def test_a_title_comes_back_translated(service: TranslationService, ending: str) -> None:
    """With the language it was in; only the title was sent."""
    translator = Translator(service.url + ending, None, "en")
    assert translator.translate("Sac en cuir") == Translation("Leather bag", "fr")
    assert service.asked == [{"q": "Sac en cuir", "source": "auto", "target": "en", "format": "text"}]


def test_a_title_in_the_language_of_the_reader_needs_none(service: TranslationService) -> None:
    """Its translation is empty, so that it is not asked for again."""
    assert Translator(service.url, None, "en").translate("Leather bag") == Translation("", "en")


def test_the_key_of_the_file_is_shown(service: TranslationService, tmp_path: Path) -> None:
    """A service that asks for one refuses without."""
    service.key = "secret"
    (tmp_path / "key").write_text("secret\n")
    translator = make_translator(Settings(translate_url=service.url, translate_key=tmp_path / "key"))
    assert translator is not None
    assert translator.translate("Sac en cuir").text == "Leather bag"
    with pytest.raises(Failed, match="HTTP 403"):
        Translator(service.url, None, "en").translate("Sac en cuir")


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}"),
        (302, b"{}"),
        (200, b"<html>"),
        (200, b"[" * 50_000),
        (200, b"{}"),
        (200, b'{"translatedText": 7}'),
        (200, b'{"translatedText": "a\\u0000b"}'),
        (200, b'{"translatedText": "' + b"a" * 100_000 + b'"}'),
    ],
    ids=["error", "redirect", "page", "deep", "empty", "number", "NUL", "long"],
)
def test_an_answer_that_is_none_is_a_failure(service: TranslationService, answer: tuple[int, bytes]) -> None:
    """Whatever it is; the service is then left alone for a while, and no redirect is followed."""
    service.answer = answer
    translator = Translator(service.url, None, "en")
    for _ in range(2):
        with pytest.raises(Failed):
            translator.translate("Sac en cuir")
    assert len(service.asked) == 1


def test_a_language_that_is_none_is_not_named(service: TranslationService) -> None:
    """What the service says of it is text of a stranger."""
    service.answer = (200, b'{"translatedText": "Bag", "detectedLanguage": {"language": "<b>"}}')
    assert Translator(service.url, None, "en").translate("Sac") == Translation("Bag", None)


def test_a_service_that_is_not_there_is_a_failure() -> None:
    """Nobody listens."""
    with pytest.raises(Failed, match="no answer"):
        Translator("http://127.0.0.1:9", None, "en").translate("Sac")


def test_an_answer_that_drips_is_given_up(service: TranslationService) -> None:
    """However long it would go on: it is not waited for."""
    service.drips = 0.05
    with pytest.raises(Failed, match=r"or 0\.2 seconds"):
        Translator(service.url, None, "en", most_seconds=0.2).translate("Sac en cuir")
    wait_until(lambda: service.n_broken_off == 1)


@pytest.mark.parametrize(
    "url", ["http://translate.example", "ftp://127.0.0.1", "https://a:b@translate.example", "https://", "nowhere"]
)
def test_an_address_by_which_others_read_along_is_refused(url: str) -> None:
    """It is neither https nor of this machine, or holds a password."""
    with pytest.raises(UnusableSetting):
        Translator(url, None, "en")


@pytest.mark.parametrize("text", ["", "two\nlines\n"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    """An empty one, or one with several lines."""
    (tmp_path / "key").write_text(text)
    with pytest.raises(UnusableSetting):
        make_translator(Settings(translate_url="https://translate.example", translate_key=tmp_path / "key"))


def test_what_was_translated_is_known_of_every_case_with_that_title(engine: Engine, make_scored: Make) -> None:
    """In that language alone; a later translation takes its place."""
    enqueue(engine, [make_scored("L1", title="Sac en cuir")])
    with writing(engine) as connection:
        for text in ("Bag of leather", "Leather bag"):
            store_translation(connection, 1, "Sac en cuir", "en", Translation(text, "fr"))
    assert ask(engine, find_translation, "Sac en cuir", "en") == Translation("Leather bag", "fr")
    assert ask(engine, find_translation, "Sac en cuir", "de") is None
    assert ask(engine, find_translation, "Sac", "en") is None


def test_a_title_that_is_there_no_more_is_not_kept(engine: Engine, make_scored: Make) -> None:
    """As when its seller was erased while the service thought."""
    enqueue(engine, [make_scored("L1", title="(erased)")])
    act(engine, store_translation, 1, "Sac en cuir", "en", Translation("Leather bag", "fr"))
    assert ask(engine, find_translation, "Sac en cuir", "en") is None
