"""Reads the server's settings from environment variables: `FINERY_PORT`, `FINERY_HOME`, …, `TRAINING_DB_URL`."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from finery.engines.vllm.settings import VllmSettings
from finery.http.addresses import TrustedProxies
from finery.http.cors import NULL
from finery.kit.destinations import Destinations
from finery.kit.field_errors import sentence_of
from finery.kit.suggest import nearest

PREFIX = "FINERY_"
DATABASE_VARIABLE = "TRAINING_DB_URL"
OTHER_VARIABLES = frozenset({"FINERY_URL", "FINERY_API_KEY"})
"""Read by the client."""
OTHER_PREFIXES = (
    "FINERY_FAILPOINTS",
    "FINERY_PROCESS_MARK",
    "FINERY_TEST_",
    "FINERY_ATTEMPT_",
    "FINERY_EVENTS",
    "FINERY_BENCH_",
)

DEFAULT_PORTS = {"http": 80, "https": 443}
"""The ports that a browser leaves out of an origin."""

TextList = Annotated[list[str], NoDecode]


class SettingsError(Exception):
    """The message names the variables, one a line."""


class Settings(BaseSettings):
    # A field that is a model is given by FINERY_FIELD_ITSFIELD.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="_", env_nested_max_split=1, extra="ignore", frozen=True
    )

    home: Path = Field(default_factory=Path.cwd)
    """The directory that holds everything."""
    host: str = "127.0.0.1"
    port: int = Field(default=8001, ge=0, le=65535)
    """0: any free one."""
    database_url: str = Field(default="sqlite:///./training.db", validation_alias="TRAINING_DB_URL")
    allowed_roots: TextList = []
    """Directories beside home that requests may name, separated by colons."""
    output_roots: TextList = []
    """Directories beside home's `outputs` below which runs may put their models, separated by colons."""
    allowed_hosts: TextList = []
    """Names of this server beside localhost, separated by commas."""
    allowed_origins: TextList = []
    """Origins of other sites' pages that may use this server, separated by commas: `https://page.example`. `null`, the
    origin of a page from a file, may read, and any site can make such a page: docs/web.md tells the risk."""
    trusted_proxies: TextList = []
    """Addresses or networks of the proxies whose X-Forwarded headers are believed, separated by commas."""
    remote_setup: bool = False
    """Whether the first administrator may be made over the network, with a token that is shown once at the start."""
    take_over: bool = False
    """Whether this home carries on with the runs of the one that served the database before; for one start."""
    tls_certificate: Path | None = None
    """PEM: the server's certificate, then the intermediate ones."""
    tls_key: Path | None = None
    """PEM, not encrypted."""
    cpu_slots: int = Field(default_factory=lambda: max(1, len(os.sched_getaffinity(0)) // 2), ge=1, le=1024)
    """How many runs may share the CPU."""
    warm_start: Literal["auto", "on", "off"] = "auto"
    max_upload_bytes: int = Field(default=8 * 2**30, ge=1)
    max_json_bytes: int = Field(default=16 * 2**20, ge=1024)
    head_timeout_seconds: float = Field(default=20.0, ge=0.1, le=3600.0)
    """For a request's first line and headers to come, and for a TLS handshake, which has no more than 10 anyway."""
    body_timeout_seconds: float = Field(default=60.0, ge=0.1, le=3600.0)
    """How long a request's body may take; see http/guard.py for what gives time back."""
    max_connections: int = Field(default=4096, ge=1, le=1_000_000)
    """How many at once, TLS handshakes included; the next is answered 503."""
    stop_grace_seconds: float = Field(default=30.0, ge=0.1, le=3600.0)
    """Between SIGTERM and SIGKILL when a run is cancelled."""
    allow_python_graders: bool = False
    """Whether reinforcement runs may bring a program of their own that gives scores; see docs/graders.md."""
    keep_outputs: bool = False
    """Whether a run is refused whose output_dir holds a finished model, which it would replace."""
    parity_check: bool = False
    """Whether a run whose configuration does not say is compared with its served model; see docs/parity.md."""
    models_file: Path | None = None
    """YAML, the administrator's names for base models; None: `models.yaml` in home, where there is one."""
    engine_idle_seconds: float = Field(default=900.0, ge=0.0, le=31_536_000.0)
    """After so long without a request an engine that a request started is unloaded; 0: never."""
    engine_silence_seconds: float = Field(default=60.0, ge=1.0, le=31_536_000.0)
    """After so long without an answer a running engine is ended, and started again where it is still wanted."""
    vllm: VllmSettings = VllmSettings()
    webhook_allow_private: TextList = []
    """Networks of one's own that webhooks may reach, separated by commas: `10.1.0.0/16,127.0.0.1`."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("allowed_roots", "output_roots", mode="before")
    @classmethod
    def _split_paths(cls, value: Any) -> Any:
        return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @field_validator("allowed_hosts", "allowed_origins", "trusted_proxies", "webhook_allow_private", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("allowed_origins", mode="after")
    @classmethod
    def _origins(cls, values: list[str]) -> list[str]:
        for value in values:
            if value != NULL:
                _check_origin(value)
        return values

    @field_validator("trusted_proxies", mode="after")
    @classmethod
    def _proxies(cls, values: list[str]) -> list[str]:
        TrustedProxies.parse(values)
        return values

    @field_validator("webhook_allow_private", mode="after")
    @classmethod
    def _networks(cls, values: list[str]) -> list[str]:
        Destinations.parse(values)
        return values

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.tls_certificate is None) == (self.tls_key is None):
            return self
        given, lacking = ("CERTIFICATE", "KEY") if self.tls_key is None else ("KEY", "CERTIFICATE")
        raise ValueError(f"{PREFIX}TLS_{given} needs {PREFIX}TLS_{lacking} beside it")


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises SettingsError for a value that cannot be honoured, and for a variable that is no setting."""
    unknown = [_unknown(name) for name in sorted(environment) if _is_unknown(name)]
    if unknown:
        raise SettingsError("\n".join(unknown))
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_issue(detail) for detail in error.errors())) from error


def _is_unknown(name: str) -> bool:
    if not name.startswith(PREFIX) or name in OTHER_VARIABLES or name.startswith(OTHER_PREFIXES):
        return False
    return name not in _variables()


def _unknown(name: str) -> str:
    # The prefix that all names share would make every one near.
    known = {variable.removeprefix(PREFIX): variable for variable in (*_variables(), DATABASE_VARIABLE)}
    close = nearest(name.removeprefix(PREFIX), known)
    hint = f"did you mean {known[close]}?" if close else f"known: {', '.join(known.values())}"
    return f"{name} is no setting; {hint}"


def _variables() -> list[str]:
    return [f"{PREFIX}{name.upper()}" for name in _names(Settings) if name != "database_url"]


def _names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from (f"{name}_{inner}" for inner in _names(field.annotation))
        else:
            yield name


def _check_origin(text: str) -> None:
    """Raises ValueError unless it is written as browsers write it; they would never send another."""
    parts = urlsplit(text)
    is_plain = (
        parts.scheme in DEFAULT_PORTS
        and bool(parts.hostname)
        and text == f"{parts.scheme}://{parts.netloc.lower()}"
        and "@" not in text
    )
    if not is_plain or parts.port == DEFAULT_PORTS[parts.scheme]:
        raise ValueError(f"{text!r} is no origin; write it as https://page.example or http://page.example:8080")


def _issue(detail: Any) -> str:
    message = sentence_of(detail)
    if not detail["loc"]:
        return message
    name = "_".join(str(part) for part in detail["loc"] if isinstance(part, str))
    variable = name if name == DATABASE_VARIABLE else f"{PREFIX}{name.upper()}"
    return f"{variable}: {message}"
