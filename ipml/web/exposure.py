"""Settings that would let others listen, or let them in: said at the start, and by `ipml doctor`."""

from __future__ import annotations

from ipml.settings import Settings
from ipml.web.api_access import is_loopback
from ipml.web.forwarded import Network, parse_networks
from ipml.web.identities import parse_group_roles
from ipml.web.oidc import make_provider
from ipml.web.proxy_login import check_proxy_login

_WIDEST = {4: 8, 6: 32}  # the networks that one organisation is likely to have for itself


def find_exposure(settings: Settings, host: str) -> list[str]:
    """Return what makes it likely that others read or forge what goes over the network, one sentence each.

    Examples
    --------
    >>> find_exposure(Settings(), "127.0.0.1")
    []
    >>> find_exposure(Settings(), "0.0.0.0")[0][:44]
    'on 0.0.0.0 passwords, keys and cases go in t'
    """
    found = []
    if not is_loopback(host) and not settings.trusted_proxies.strip():
        found.append(
            f"on {host} passwords, keys and cases go in the clear; put a proxy with https in front and name it "
            "in IPML_TRUSTED_PROXIES, or listen on 127.0.0.1"
        )
    wide = [str(network) for network in parse_networks(settings.trusted_proxies) if _is_wide(network)]
    if wide:
        found.append(f"IPML_TRUSTED_PROXIES takes the word of everybody in {', '.join(wide)}; name the proxies alone")
    if settings.public_url and settings.public_url.startswith("http://"):
        found.append(f"people reach the page under {settings.public_url}, without https")
    return found


def check_login_settings(settings: Settings) -> None:
    """Raise what `ipml serve` would raise about the settings of logins.

    Raises
    ------
    UnusableSetting, UnknownRole
    """
    parse_networks(settings.trusted_proxies)
    check_proxy_login(settings)
    make_provider(settings)
    parse_group_roles(settings.oidc_roles)


def _is_wide(network: Network) -> bool:
    return network.prefixlen < _WIDEST[network.version]
