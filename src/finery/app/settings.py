"""The server's settings, all from the environment: `FINERY_PORT`, `FINERY_HOME`, …, and `TRAINING_DB_URL`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from finery.kit.suggest import nearest

PREFIX = "FINERY_"
OTHER_VARIABLES = frozenset({"FINERY_URL", "FINERY_API_KEY"})
"""Read by the client."""
OTHER_PREFIXES = ("FINERY_FAILPOINTS", "FINERY_PROCESS_MARK", "FINERY_TEST_", "FINERY_ATTEMPT_", "FINERY_EVENTS")

TextList = Annotated[list[str], NoDecode]


class SettingsError(Exception):
    """The message names the variables, one a line."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    home: Path = Field(default_factory=Path.cwd)
    """The directory that holds everything."""
    host: str = "127.0.0.1"
    port: int = Field(default=8001, ge=0, le=65535)
    """0: any free one."""
    database_url: str = Field(default="sqlite:///./training.db", validation_alias="TRAINING_DB_URL")
    allowed_roots: TextList = []
    """Directories beside home that requests may name, separated by colons."""
    allowed_hosts: TextList = []
    """Names of this server beside localhost, separated by commas."""
    allowed_origins: TextList = []
    """Origins of pages that may change something here, separated by commas."""
    cpu_slots: int = Field(default_factory=lambda: max(1, len(os.sched_getaffinity(0)) // 2), ge=1, le=1024)
    """How many runs may share the CPU."""
    warm_start: Literal["auto", "on", "off"] = "auto"
    max_upload_bytes: int = Field(default=8 * 2**30, ge=1)
    max_json_bytes: int = Field(default=16 * 2**20, ge=1024)
    stop_grace_seconds: float = Field(default=30.0, ge=0.1, le=3600.0)
    """Between SIGTERM and SIGKILL when a run is cancelled."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("allowed_roots", mode="before")
    @classmethod
    def _split_paths(cls, value: Any) -> Any:
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @field_validator("allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises SettingsError for a value that cannot be honoured, and for a variable that is no setting."""
    unknown = [_unknown(name) for name in sorted(environment) if _is_unknown(name)]
    if unknown:
        raise SettingsError("\n".join(unknown))
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_flaw(detail) for detail in error.errors())) from error


def _is_unknown(name: str) -> bool:
    if not name.startswith(PREFIX) or name in OTHER_VARIABLES or name.startswith(OTHER_PREFIXES):
        return False
    return name not in _variables()


def _unknown(name: str) -> str:
    close = nearest(name, _variables())
    return f"{name} is no setting" + (f"; did you mean {close}?" if close else f"; known: {', '.join(_variables())}")


def _variables() -> list[str]:
    return [f"{PREFIX}{name.upper()}" for name in Settings.model_fields if name != "database_url"]


def _flaw(detail: Any) -> str:
    name = str(detail["loc"][0])
    variable = name if name == "TRAINING_DB_URL" else f"{PREFIX}{name.upper()}"
    return f"{variable}: {detail['msg']}"
