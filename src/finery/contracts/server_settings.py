"""The server's settings as they are in force."""

from pydantic import BaseModel

from finery.contracts.base_models import FrozenModel


class SettingInForce(FrozenModel):
    variable: str
    """The environment variable that sets it."""
    value: str
    """As it would be written there. A password in it is left out."""
    is_default: bool
    """Whether it is what holds when the variable is not set."""
    description: str
    """Empty: the name tells."""


class SettingList(BaseModel):
    settings: list[SettingInForce]
