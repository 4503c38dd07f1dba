"""Settings that let others listen are told at the start."""

from ipml.settings import Settings
from ipml.web.server import find_exposure


def test_an_open_address_without_a_proxy_is_named() -> None:
    """On an address that others reach, without a proxy that speaks https, the warning says what to do."""
    for host in ("127.0.0.1", "::1", "localhost"):
        assert find_exposure(Settings(), host) == []
    for host in ("0.0.0.0", "::", "192.0.2.7", "page.example"):
        (words,) = find_exposure(Settings(), host)
        assert host in words
        assert "IPML_TRUSTED_PROXIES" in words
        assert find_exposure(Settings(trusted_proxies="10.0.0.2"), host) == []


def test_trusting_everybody_is_named() -> None:
    """A proxy list that holds the whole world is a mistake."""
    (words,) = find_exposure(Settings(trusted_proxies="0.0.0.0/0, 10.0.0.2"), "0.0.0.0")
    assert "0.0.0.0/0" in words
    assert "10.0.0.2" not in words


def test_a_public_address_without_https_is_named() -> None:
    """People's passwords would go in the clear to the address they are told."""
    (words,) = find_exposure(Settings(public_url="http://page.example"), "127.0.0.1")
    assert "http://page.example" in words
