"""Settings: everything configurable, read once from the environment (`IPML_…`), else a file `.env`, else defaults."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ipml.errors import UnusableSetting, describe_faults


class SecondPersonRule(BaseModel, frozen=True, extra="forbid"):
    """Verdicts that need a second person: those that meet every condition named here.

    Unknown values of a listing count as met, so that omitting them does not avoid the rule.
    """

    verdict: Literal["counterfeit", "genuine", "cannot tell"] = "counterfeit"
    categories: tuple[str, ...] | None = None
    least_price: float | None = Field(None, ge=0)
    currency: str | None = Field(None, pattern="^[A-Z]{3}$")
    least_seller_sales: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _name_the_currency(self) -> Self:
        if self.least_price is not None and self.currency is None:
            raise ValueError("least_price needs a currency beside it, such as EUR")
        return self


class Settings(BaseSettings):
    """Locations, limits and durations of an installation."""

    model_config = SettingsConfigDict(env_prefix="IPML_", env_file=".env", extra="ignore", frozen=True)

    database: str = Field("sqlite:///ipml.db", description="the review database, as a SQLAlchemy URL")
    tracking: str = Field("sqlite:///mlflow.db", description="MLflow's tracking and registry URI")
    model: str = Field(
        "models:/ipml@champion", description="the model that commands and `ipml worker` use: a folder or a registry URI"
    )
    model_key: Path | None = Field(None, description="file with the secret that signs model files; unsigned without")
    trusted_models: str = Field(
        "",
        description="what models that ipml did not train may need, between commas: pickle (to load one runs the code "
        "that its maker put in), lightgbm, catboost, names of types such as sklearn.tree._tree.Tree, the beginning "
        "of an address to which listings may be sent, or models:/NAME, a model in the registry that "
        "`mlflow.sklearn.log_model` kept by skops; nothing without",
    )
    policy_review: Path | None = Field(
        None, description="what a review is worth; the bundled policy where none is given"
    )
    policy_enforcement: Path | None = Field(
        None, description="what follows from a decision; the bundled policy where none is given"
    )
    policy_cooperation: Path | None = Field(
        None, description="rules of notices, referrals and reports; the bundled policy where none is given"
    )
    networks: Path | None = Field(
        None, description="folder that `ipml cooperate network find` wrote, for the page and for referrals"
    )
    anchor_key: Path | None = Field(
        None, description="file with the secret key that signs anchors of the audit trail; unsigned without"
    )
    anchors: Path | None = Field(
        None, description="file outside the database to which anchors of the audit trail are added, one a line"
    )
    webhook_url: str | None = Field(None, description="where `ipml worker` and `ipml outbox deliver` send messages")
    webhook_urls: dict[str, str] = Field(
        {}, description="as JSON: addresses for platform, seller or holder that differ from that one"
    )
    webhook_secret: Path | None = Field(None, description="file with the secrets that sign messages, one a line")
    transparency_url: str | None = Field(
        None, description="where statements of reasons are sent, such as https://…/api/v1/statements"
    )
    transparency_token: Path | None = Field(None, description="file with the token that is shown there")
    erased: Path | None = Field(
        None, description="file outside the database that lists erased sellers, so that a restore can erase them again"
    )
    most_width: float | None = Field(
        None, gt=0, le=1, description="a score whose 90 % interval is wider than this is not given; always without"
    )
    jobs: dict[str, str] = Field(
        {},
        description="as JSON: schedules of `ipml worker` that differ from the usual ones, by the job's name: an "
        "interval such as 15m, a time of day in UTC such as 03:00, or off",
    )
    incoming: Path | None = Field(
        None, description="folder whose files of listings `ipml worker` scores and enqueues, and then moves into `done`"
    )
    incoming_top: int | None = Field(None, ge=1, description="how many listings of such a file are enqueued at most")
    incoming_min_score: float | None = Field(
        None, ge=0, le=1, description="from which score on listings of such a file are enqueued"
    )
    incoming_days: float = Field(
        30.0, gt=0, description="after how many days such files, and what was made of them, are deleted"
    )
    backups: Path | None = Field(
        None, description="folder into which `ipml worker` writes backups, and every upgrade of the database one before"
    )
    backups_kept: int = Field(14, ge=1, description="how many of these backups are kept; the oldest are deleted")
    labels: Path | None = Field(None, description="file of labels that `ipml worker` writes anew, to train from")
    network_attributes: Path | None = Field(
        None, description="Parquet of what sellers share, which `ipml worker` adds to the networks"
    )
    drift_reference: str | None = Field(
        None, description="model folder, or reference file, with which `ipml worker` compares the files it scored"
    )
    drift_days: float = Field(7.0, gt=0, description="of how many days these are")
    data: Path = Field(Path("../shared/data"), description="folder in which experiments look for data files")
    brands: Path | None = Field(
        None, description="brand file for training, which a model then keeps; the bundled one where none is given"
    )
    extractors: str = Field(
        "",
        description="extractors that models and experiments may hold besides those of ipml, with commas between: "
        '"mypackage.features:Mine", or "scikit-learn" for transformers of that library',
    )
    translate_url: str | None = Field(
        None,
        description="service with LibreTranslate's API that translates titles of cases; without it none are sent",
    )
    translate_key: Path | None = Field(None, description="file with the key that this service asks for, if any")
    translate_to: str = Field(
        "en", pattern="^[A-Za-z]{2,3}(-[A-Za-z]{2,4})?$", description="code of the language they are translated into"
    )
    pictures: Path | None = Field(
        None,
        description="folder into which `ipml worker` fetches pictures of cases, and of which the page shows copies",
    )
    picture_hosts: str = Field(
        "",
        description="the only hosts that pictures are loaded from, between commas, such as img.example.com or "
        "*.example.com: by browsers, or by the worker where IPML_PICTURES is set; without it browsers load none, and "
        "the worker goes to any public address",
    )
    picture_networks: str = Field(
        "",
        description="networks, between commas, from which the worker fetches pictures besides public addresses, such "
        "as 10.2.0.0/16 of the marketplace's own picture server",
    )
    host: str = Field("127.0.0.1", description="address the page listens on")
    port: int = Field(8765, ge=1, le=65535, description="port the page listens on")
    shutdown_seconds: float = Field(
        10.0,
        ge=0,
        le=600,
        description="how long after SIGTERM `ipml serve` goes on answering, with `/health/ready` at 503, if anybody "
        "asked for that in the last minute",
    )
    lease_minutes: float = Field(15.0, gt=0, description="how long a claimed case stays with its reviewer")
    session_hours: float = Field(12.0, gt=0, description="how long a login lasts")
    api_key: Path | None = Field(
        None,
        description="file of keys that callers of the API show, one a line: KEY, then score, listings, appeals, "
        "measures, notices, lists, metrics or some of these between commas (a key alone is for score), then, where it "
        "is for notices, notifier=E-MAIL or notifier=*, and perhaps name=NAME for the audit trail; only this machine "
        "may call without",
    )
    api_open: bool = Field(False, description="whether the API answers any caller without a key")
    model_reload_seconds: float = Field(
        30.0,
        ge=0,
        le=86_400,
        description="how often the API looks for a newer model; 0: only on request",
    )
    undo_minutes: float = Field(
        10.0, ge=0, description="how long reviewers can take back their own decision; a lead can at any time"
    )
    shift_target: int = Field(
        0, ge=0, description="how many verdicts a reviewer is to give in a shift, shown beside their own; 0: none"
    )
    shift_hours: float = Field(8.0, gt=0, le=48, description="how far back own progress counts verdicts")
    near_duplicates: bool = Field(
        True, description="whether near-duplicates of a seller wait until one of them is reviewed"
    )
    spread_audit_share: float = Field(
        0.05, ge=0, le=1, description="part of the listings a decision would spread to that a person still looks at"
    )
    explore: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="share of the reviewers' time for listings drawn at random, with known probability",
    )
    idle_minutes: float = Field(60.0, gt=0, description="after how long without a request a login ends")
    trusted_proxies: str = Field(
        "",
        description="addresses or networks of proxies, between commas, whose word on address and https is taken, such "
        "as 127.0.0.1; nobody's without",
    )
    trusted_header: str | None = Field(
        None, description="header in which a trusted proxy names who is logged in; needs IPML_TRUSTED_PROXIES"
    )
    public_url: str | None = Field(
        None, description="address under which people reach the page; OIDC and public pages need it"
    )
    public_pages: str = Field(
        "",
        description="pages that need no login, between commas: seller (a restriction, behind the signed link of its "
        "letter, and the appeal) and notices (a form, and the state of a notice); none without",
    )
    link_keys: Path | None = Field(
        None, description="file with the keys that sign links of the seller's page, one a line; the first one signs"
    )
    link_days: float = Field(365.0, gt=0, le=3660, description="how long such a link is valid")
    form_limit: int = Field(
        10, ge=1, description="how many forms of public pages one address may send within 15 minutes"
    )
    form_limit_all: int = Field(100, ge=1, description="how many all addresses together may send, of each form")
    oidc_issuer: str | None = Field(None, description="OpenID Connect provider by which people may log in")
    oidc_client_id: str | None = Field(None, description="what the provider calls this service")
    oidc_client_secret: Path | None = Field(None, description="file with the secret shared with the provider, if any")
    oidc_algorithm: Literal["RS256", "PS256", "ES256"] = Field(
        "RS256", description="how the provider signs; nothing else is accepted"
    )
    oidc_scope: str = Field("openid profile", description="what the provider is asked for")
    oidc_name_claim: str = Field("preferred_username", description="claim from which a new user gets their name")
    oidc_role_claim: str = Field("groups", description="claim in which `oidc_roles` are looked for")
    oidc_roles: str = Field(
        "",
        description="who may do what, as GROUP=ROLE; GROUP=ROLE; without it only users known by `ipml admin user link`",
    )
    control_share: float = Field(0.02, ge=0, le=0.25, description="share of reviews that are of control cases")
    repeat_share: float = Field(0.03, ge=0, le=0.25, description="share that a reviewer decided before, unseen again")
    repeat_days: float = Field(14.0, ge=0, description="how many days later at the earliest")
    audit_share: float = Field(0.02, ge=0, le=0.25, description="share that another reviewer decided")
    audit_hours: float = Field(
        24.0,
        ge=0,
        description="how many hours later at the earliest: nobody meets today what was decided today",
    )
    second_person: tuple[SecondPersonRule, ...] = Field(
        (), description="as JSON: which verdicts hold only when a second person agrees"
    )

    def with_tracking(self, uri: str | None) -> Self:
        """Return the settings with another MLflow store, if one is given."""
        return self.model_copy(update={"tracking": uri}) if uri else self


DEFAULT_SETTINGS = Settings.model_construct()
"""Default settings without the environment, for functions called without settings.

Entry points pass the settings of the process, from `get_settings`.
"""


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process, read at the first call; raise UnusableSetting for an invalid value."""
    try:
        return Settings()
    except ValidationError as error:
        where = "settings, from the environment (IPML_…) or the file .env"
        raise UnusableSetting(where, describe_faults(error), "values like the defaults in ipml/settings.py") from error
