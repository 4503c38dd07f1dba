"""Everything configurable, read once: environment first (`IPML_…`), then a file `.env`, then the defaults here."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ipml.errors import UnusableSetting, describe_faults


class Settings(BaseSettings):
    """Where things are and how long they hold.

    Examples
    --------
    >>> Settings(lease_minutes=5).lease_minutes
    5.0
    """

    model_config = SettingsConfigDict(env_prefix="IPML_", env_file=".env", extra="ignore", frozen=True)

    database: str = Field("sqlite:///ipml.db", description="the review database, as a SQLAlchemy URL")
    tracking: str = Field("sqlite:///mlflow.db", description="MLflow's tracking and registry URI")
    model: str = Field(
        "models:/ipml@champion", description="the model that `ipml score` uses: a folder or a registry URI"
    )
    model_key: Path | None = Field(None, description="file with the secret that signs model files; unsigned without")
    policy: Path | None = Field(None, description="what a review is worth; the bundled policy where none is given")
    most_width: float | None = Field(
        None, gt=0, le=1, description="a score whose 90 % interval is wider than this is not given; always without"
    )
    data: Path = Field(Path("../shared/data"), description="folder in which experiments look for data files")
    brands: Path | None = Field(None, description="brand file; the bundled one where none is given")
    host: str = Field("127.0.0.1", description="address the page listens on")
    port: int = Field(8765, ge=1, le=65535, description="port the page listens on")
    lease_minutes: float = Field(15.0, gt=0, description="how long a claimed case stays with its reviewer")
    session_hours: float = Field(12.0, gt=0, description="how long a login lasts")
    api_key: Path | None = Field(
        None, description="file of keys, one a line, that callers of the API show; only this machine may call without"
    )
    api_open: bool = Field(False, description="whether the API answers without a key whoever can reach it")
    model_reload_seconds: float = Field(
        30.0,
        ge=0,
        le=86_400,
        description="how often the API looks for a newer model; 0: only when told to",
    )
    undo_minutes: float = Field(
        10.0, ge=0, description="how long reviewers can take back their own decision; a lead can at any time"
    )
    near_duplicates: bool = Field(
        True, description="whether near-duplicates of a seller wait until one of them is reviewed"
    )
    spread_audit_share: float = Field(
        0.05, ge=0, le=1, description="part of the listings a decision would spread to that a person still looks at"
    )


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process, read at the first call.

    Raises
    ------
    UnusableSetting
        The environment or the file `.env` gives a setting a value it cannot have.
    """
    try:
        return Settings()
    except ValidationError as error:
        where = "settings, from the environment (IPML_…) or the file .env"
        raise UnusableSetting(where, describe_faults(error), "values like the defaults in ipml/settings.py") from error
