"""Tells the settings in force, as an administrator may see them."""

import os
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy.engine import make_url

from finery.app.settings import DATABASE_VARIABLE, PREFIX, Settings
from finery.contracts.server_settings import SettingInForce
from finery.kit.attribute_docs import attribute_docs
from finery.kit.redaction import REDACTED

CREDENTIAL_WORDS = "(?:key|token|password|secret)"
SECRET_ARGUMENT = re.compile(rf"(--\S*{CREDENTIAL_WORDS}\S*?[= ]|\b\w*{CREDENTIAL_WORDS}\w*=)\S+", re.IGNORECASE)
"""An argument, or a variable that is set before the command."""


def in_force(settings: Settings) -> list[SettingInForce]:
    return list(_told(settings, PREFIX))


def _told(model: BaseModel, prefix: str) -> Iterator[SettingInForce]:
    docs = attribute_docs(type(model))
    for name, value in dict(model).items():
        if isinstance(value, BaseModel):
            yield from _told(value, f"{prefix}{name.upper()}_")
            continue
        yield SettingInForce(
            variable=DATABASE_VARIABLE if name == "database_url" else f"{prefix}{name.upper()}",
            value=_written(name, value),
            is_default=value == _default(type(model).model_fields[name]),
            description=docs.get(name, ""),
        )


def _default(field: FieldInfo) -> object:
    return field.get_default(call_default_factory=True, validated_data={})


def _written(name: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return (os.pathsep if name.endswith("_roots") else ",").join(value)
        case str() if name == "database_url":
            # What follows the ? may hold a password, too.
            return make_url(value).set(query={}).render_as_string(hide_password=True)
        case str() if name == "command":
            return SECRET_ARGUMENT.sub(rf"\1{REDACTED}", value)
        case _:
            return str(value)
