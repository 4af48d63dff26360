"""Client methods that store, list and delete secrets: `FineryClient.secrets`. No answer holds a value."""

from typing import Literal

from finery.client.address import warn_of_plain_http
from finery.client.responses import Answer
from finery.client.transport import Transport, api_path, parse
from finery.contracts.accounts import SecretInfo

SecretScope = Literal["mine", "server"]
"""`mine` is for the caller's own runs, `server` for everybody's."""


COLLECTIONS: dict[SecretScope, str] = {"mine": "secrets", "server": "server-secrets"}


class SecretList(Answer):
    secrets: list[SecretInfo]


class Secrets:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def set(self, name: str, value: str, *, scope: SecretScope = "mine") -> SecretInfo:
        """Stores a secret, or another value for one that is there."""
        warn_of_plain_http(self._transport.url)
        path = api_path(COLLECTIONS[scope], name)
        return parse(SecretInfo, self._transport.request("PUT", path, body={"value": value}, repeatable=True))

    def list(self) -> list[SecretInfo]:
        """Returns the secrets that the caller's runs may use: the caller's own and the server's."""
        return self._transport.get(SecretList, api_path("secrets")).secrets

    def delete(self, name: str, *, scope: SecretScope = "mine") -> None:
        self._transport.request("DELETE", api_path(COLLECTIONS[scope], name))
