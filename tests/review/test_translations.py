"""Titles that a machine translates: what is sent, what is kept, and what a service may do wrong."""

import pytest
from support.databases import on_both
from support.receiver import wait_until
from support.transactions import act, ask
from support.translation_service import serve_translations

from ipml.errors import Failed, UnusableSetting
from ipml.review.arrivals.intake import enqueue
from ipml.review.translations import Translation, Translator, find_translation, make_translator, store_translation
from ipml.settings import Settings


@pytest.fixture
def service():
    """Give a service that translates."""
    with serve_translations() as service:
        yield service


def test_a_title_comes_back_translated(service):
    """With the language it was in; only the title was sent; one in the reader's language comes back empty."""
    for ending in ("", "/", "/translate"):
        translator = Translator(service.url + ending, None, "en")
        assert translator.translate("Sac en cuir") == Translation("Leather bag", "fr")
    assert service.asked == [{"q": "Sac en cuir", "source": "auto", "target": "en", "format": "text"}] * 3
    assert translator.translate("Leather bag") == Translation("", "en")
    assert make_translator(Settings()) is None  # nothing is sent unless a service is named
    service.answer = (200, b'{"translatedText": "Bag", "detectedLanguage": {"language": "<b>"}}')
    assert translator.translate("Sac") == Translation("Bag", None)  # what is no language is text of a stranger


def test_the_key_of_the_file_is_shown(service, tmp_path):
    """A service that asks for one refuses without."""
    service.key = "secret"
    (tmp_path / "key").write_text("secret\n")
    translator = make_translator(Settings(translate_url=service.url, translate_key=tmp_path / "key"))
    assert translator is not None
    assert translator.translate("Sac en cuir").text == "Leather bag"
    with pytest.raises(Failed, match="HTTP 403"):
        Translator(service.url, None, "en").translate("Sac en cuir")


def test_an_answer_that_is_none_is_a_failure(service, subtests):
    """Whatever it is; the service is then left alone for a while, and no redirect is followed."""
    answers = {
        **{"error": (500, b"{}"), "redirect": (302, b"{}"), "page": (200, b"<html>"), "deep": (200, b"[" * 50_000)},
        **{"empty": (200, b"{}"), "number": (200, b'{"translatedText": 7}')},
        "NUL": (200, b'{"translatedText": "a\\u0000b"}'),
        "long": (200, b'{"translatedText": "' + b"a" * 100_000 + b'"}'),
    }
    for number, (name, answer) in enumerate(answers.items(), start=1):
        with subtests.test(name):
            service.answer = answer
            translator = Translator(service.url, None, "en")
            for _ in range(2):
                with pytest.raises(Failed):
                    translator.translate("Sac en cuir")
            assert len(service.asked) == number
    with pytest.raises(Failed, match="no answer"):  # where nobody listens
        Translator("http://127.0.0.1:9", None, "en").translate("Sac")
    service.answer, service.drips = None, 0.05  # one that drips is not waited for
    with pytest.raises(Failed, match=r"or 0\.2 seconds"):
        Translator(service.url, None, "en", most_seconds=0.2).translate("Sac en cuir")
    wait_until(lambda: service.n_broken_off == 1)


def test_an_address_by_which_others_read_along_is_refused(tmp_path):
    """It is neither https nor of this machine, or holds a password; nor is a file of no key, or several, taken."""
    hosts = ("http://translate.example", "ftp://127.0.0.1", "https://a:b@translate.example", "https://", "nowhere")
    for url in hosts:
        with pytest.raises(UnusableSetting):
            Translator(url, None, "en")
    for text in ("", "two\nlines\n"):
        (tmp_path / "key").write_text(text)
        with pytest.raises(UnusableSetting):
            make_translator(Settings(translate_url="https://translate.example", translate_key=tmp_path / "key"))


@on_both
def test_what_was_translated_is_known_of_every_case_with_that_title(engine, make_scored):
    """In that language alone; a later translation takes its place, and of a title that is gone none is kept."""
    enqueue(engine, [make_scored("L1", title="Sac en cuir"), make_scored("L2", title="(erased)", seller_id="s2")])
    for text in ("Bag of leather", "Leather bag"):
        act(engine, store_translation, 1, "Sac en cuir", "en", Translation(text, "fr"))
    act(engine, store_translation, 2, "Robe", "en", Translation("Dress", "fr"))
    wanted = (("Sac en cuir", "en"), ("Sac en cuir", "de"), ("Sac", "en"), ("Robe", "en"))
    found = [ask(engine, find_translation, *one) for one in wanted]
    assert found == [Translation("Leather bag", "fr"), None, None, None]
