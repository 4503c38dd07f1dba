"""Configuration: finds wrong, ineffective and unknown settings.

`ipml doctor` shows all of them. `ipml serve` and `ipml worker` refuse to start on faults in settings they need, and log
the rest. A secret setting is named without its value, since the secret may have been typed in place of a file name.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from ipml.errors import IpmlError, Refused, UnusableSetting, enumerate_names, first_line
from ipml.settings import Settings
from ipml.storage.jobs import JOBS, missing_settings, plan_jobs

Process = Literal["page", "API", "worker"]
"""Process that uses a setting; `ipml serve` is the page, the API, or both."""

_log = logging.getLogger(__name__)
_OTHERS = frozenset({"IPML_CACHE"})  # read from the environment, but not settings

# Settings without effect unless one of some others is set.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "webhook_secret": ("webhook_url", "webhook_urls"),
    "transparency_token": ("transparency_url",),
    "backups_kept": ("backups",),
    "translate_key": ("translate_url",),
    "translate_to": ("translate_url",),
    "picture_networks": ("pictures",),
    **dict.fromkeys(
        ("incoming_top", "incoming_min_score", "incoming_days", "drift_reference", "drift_days"),
        ("incoming",),
    ),
    **dict.fromkeys(
        ("oidc_client_id", "oidc_client_secret", "oidc_algorithm", "oidc_scope", "oidc_name_claim", "oidc_role_claim"),
        ("oidc_issuer",),
    ),
    "oidc_roles": ("oidc_issuer",),
    **dict.fromkeys(("link_keys", "link_days", "form_limit", "form_limit_all"), ("public_pages",)),
    "repeat_days": ("repeat_share",),
    "audit_hours": ("audit_share",),
}
# Files that ipml writes; they must differ.
_WRITTEN: Mapping[str, frozenset[Process]] = {
    "anchors": frozenset({"page", "worker"}),
    "erased": frozenset({"page", "worker"}),
    "labels": frozenset({"worker"}),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A faulty setting.

    `setting` is its external name. `stops` names the processes that cannot run with it; empty for commands and for
    settings without effect. `is_problem` is False for those without effect.
    """

    setting: str
    found: str
    expected: str
    stops: frozenset[Process] = frozenset()
    is_problem: bool = True

    @property
    def words(self) -> str:
        """Found and expected value as a phrase."""
        return f"found {self.found}; expected {self.expected}"


def check_at_start(settings: Settings, processes: Iterable[Process], environment: Mapping[str, str]) -> None:
    """Log faulty settings, and refuse those that these processes cannot run with. Raises UnusableSetting."""
    faults = list(find_faults(settings, environment))
    stopping = [fault for fault in faults if fault.stops & {*processes}]
    for fault in faults:
        if fault not in stopping:
            _log.warning("%s: %s", fault.setting, fault.words)
    if stopping:
        more = f", and {len(stopping) - 1} more: see `ipml doctor`" if len(stopping) > 1 else ""
        raise UnusableSetting(stopping[0].setting, stopping[0].found, stopping[0].expected + more)


def find_faults(settings: Settings, environment: Mapping[str, str], env_file: Path = Path(".env")) -> Iterator[Fault]:
    """Yield all wrong or ineffective settings, from the variables of the process and from `env_file`.

    >>> for fault in find_faults(Settings(backups_kept=3), {"IPML_DATABSE": "sqlite:///shop.db"}, Path("no such file")):
    ...     print(fault.setting, "-", fault.words)
    IPML_DATABSE - found no setting of that name (perhaps IPML_DATABASE); expected one that the reference lists
    IPML_BACKUPS_KEPT - found no effect; expected IPML_BACKUPS with it
    """
    yield from find_unknown(environment, env_file)
    yield from _find_ignored(settings)
    yield from _find_contradictions(settings)
    yield from _find_bad_addresses(settings)
    yield from _find_unreadable(settings)
    yield from _find_unwritable(settings)


def find_unknown(environment: Mapping[str, str], env_file: Path = Path(".env")) -> Iterator[Fault]:
    """Yield variables that look like settings but are not."""
    known = {f"IPML_{name.upper()}" for name in Settings.model_fields} | _OTHERS
    given = {name.upper() for name in (*environment, *_names_in(env_file)) if name.upper().startswith("IPML_")}
    for name in sorted(given - known):
        near = enumerate_names([name], sorted(known)).removeprefix(name)
        yield Fault(name[:80], f"no setting of that name{near}", "one that the reference lists", is_problem=False)


def _names_in(env_file: Path) -> list[str]:
    from dotenv import dotenv_values

    try:
        return list(dotenv_values(env_file, interpolate=False)) if env_file.is_file() else []
    except (OSError, UnicodeDecodeError):
        return []


def _name(setting: str) -> str:
    return f"IPML_{setting.upper()}"


def _find_ignored(settings: Settings) -> Iterator[Fault]:
    for setting, others in _NEEDS.items():
        if setting in settings.model_fields_set and not any(getattr(settings, other) for other in others):
            yield _without_effect(setting, f"{' or '.join(map(_name, others))} with it")
    for job in JOBS:
        if job.name in settings.jobs and settings.jobs[job.name] != "off" and missing_settings(job, settings):
            expected = f"{' or '.join(missing_settings(job, settings))} with it"
            yield Fault("IPML_JOBS", f"a schedule of {job.name}, which is off", expected, is_problem=False)
    if settings.api_key is not None and settings.api_open:
        yield _without_effect("api_open", "it without IPML_API_KEY, whose keys are asked for")
    if settings.data != Settings.model_fields["data"].default and not settings.data.is_dir():
        yield Fault("IPML_DATA", "no such folder", "a folder with data files", is_problem=False)


def _without_effect(setting: str, expected: str) -> Fault:
    return Fault(_name(setting), "no effect", expected, is_problem=False)


def _find_contradictions(settings: Settings) -> Iterator[Fault]:
    if settings.idle_minutes > 60 * settings.session_hours:
        found = f"{settings.idle_minutes:g} minutes, though a login lasts {settings.session_hours:g} hours"
        yield Fault("IPML_IDLE_MINUTES", found, "no more than IPML_SESSION_HOURS", is_problem=False)
    seen: dict[Path, str] = {}
    for setting, stops in _WRITTEN.items():
        path = getattr(settings, setting)
        if path is not None and (other := seen.setdefault(path.resolve(), setting)) != setting:
            yield Fault(_name(setting), f"the file of {_name(other)}", "a file of its own", stops)
    if settings.incoming and settings.backups and settings.incoming.resolve() == settings.backups.resolve():
        yield Fault("IPML_BACKUPS", "the folder of IPML_INCOMING", "a folder of its own", frozenset({"worker"}))


def _find_bad_addresses(settings: Settings) -> Iterator[Fault]:
    from ipml.enforcement.statements.submission import open_client, post_to, read_token
    from ipml.enforcement.takedown.sinks import make_webhook_sink, read_secrets
    from ipml.review.pictures.addresses import PictureSources
    from ipml.review.translations import make_translator
    from ipml.web.public.links import read_public_pages
    from ipml.web.server import check_login_settings

    def check_translator() -> None:
        if translator := make_translator(settings):
            translator.close()

    page: frozenset[Process] = frozenset({"page"})
    worker: frozenset[Process] = frozenset({"worker"})
    yield from _try("", worker, lambda: plan_jobs(settings))
    yield from _try("", frozenset({"page", "worker"}), lambda: read_public_pages(settings))
    yield from _try("", frozenset({"page", "worker"}), lambda: PictureSources.read(settings))
    if settings.webhook_url or settings.webhook_urls:
        url = "webhook_url" if settings.webhook_url else "webhook_urls"
        yield from _try(url, worker, lambda: make_webhook_sink(settings, ()).close())
        yield from _try("webhook_secret", worker, lambda: read_secrets(settings.webhook_secret))
    yield from _try("translate_url", frozenset({"page"}), check_translator)
    if settings.transparency_url:
        address = settings.transparency_url
        yield from _try("transparency_token", worker, lambda: read_token(settings.transparency_token))
        with open_client() as client:
            yield from _try("transparency_url", worker, lambda: post_to(address, "token", client))
    if settings.public_url is not None and not _is_address(settings.public_url):
        expected = "an address with its scheme, such as https://review.example"
        yield Fault("IPML_PUBLIC_URL", "no such address", expected, page)
    yield from _try("", page, lambda: check_login_settings(settings))


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _find_unreadable(settings: Settings) -> Iterator[Fault]:
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.listings.brands import load_brands
    from ipml.review.ranking.policy import load_policy
    from ipml.storage.audit_trail.anchors import find_public_key
    from ipml.web.http_api.requests import make_access

    both: frozenset[Process] = frozenset({"page", "worker"})
    readers: tuple[tuple[str, frozenset[Process], Callable[[Path], object]], ...] = (
        ("policy_review", both, load_policy),
        ("policy_enforcement", both, load_enforcement_policy),
        ("policy_cooperation", both, load_cooperation_policy),
        ("brands", frozenset(), load_brands),
        ("api_key", frozenset({"API"}), lambda path: make_access(path, "127.0.0.1")),
        ("anchor_key", both, find_public_key),
        ("model_key", frozenset({"API"}), _read_secret),
    )
    for setting, stops, read in readers:
        path: Path | None = getattr(settings, setting)
        if path is not None:
            yield from _try(setting, stops, lambda read=read, path=path: read(path))  # type: ignore[misc]
    if settings.network_attributes and not settings.network_attributes.is_file():
        yield Fault("IPML_NETWORK_ATTRIBUTES", "no such file", "a Parquet file", frozenset({"worker"}))
    if settings.networks and not settings.networks.is_dir():
        expected = "a folder that `ipml cooperate network find` wrote"
        yield Fault("IPML_NETWORKS", "no such folder", expected, is_problem=False)
    reference = settings.drift_reference
    if reference and "://" not in reference and not reference.startswith("models:") and not Path(reference).exists():
        yield Fault("IPML_DRIFT_REFERENCE", "nothing there", "a model folder, or a file", frozenset({"worker"}))


def _read_secret(path: Path) -> object:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableSetting("key file", error.strerror or "no file", "a file that can be read") from error


def _try(setting: str, stops: frozenset[Process], read: Callable[[], object]) -> Iterator[Fault]:
    """Yield the error of reading a setting's value, with the setting's name added if the error lacks it."""
    try:
        read()
    except Refused as error:
        yield Fault(_name(setting) if setting else str(error.subject), error.found, error.expected, stops)
    except IpmlError as error:
        yield Fault(_name(setting), first_line(error), "one that can be used", stops)


def _find_unwritable(settings: Settings) -> Iterator[Fault]:
    for setting, stops in _WRITTEN.items():
        path: Path | None = getattr(settings, setting)
        if path is None:
            continue
        if path.is_dir():
            yield Fault(_name(setting), f"a folder ({path})", "a file", stops)
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            yield Fault(_name(setting), f"no file that can be written ({path})", "one in a folder that is there", stops)
    for setting in ("incoming", "backups"):
        folder: Path | None = getattr(settings, setting)
        if folder is None:
            continue
        nearest = next((one for one in (folder, *folder.absolute().parents) if one.exists()), folder)
        is_needed = setting == "incoming" and not folder.is_dir()
        if is_needed or not nearest.is_dir() or not os.access(nearest, os.W_OK):
            yield Fault(
                _name(setting), f"no folder that can be written ({folder})", "such a folder", frozenset({"worker"})
            )
