"""Secrets: set and listed by name; no answer holds a value."""

from typing import Literal
from urllib.parse import quote

from finery.client.address import warn_of_plain_http
from finery.client.responses import Answer
from finery.client.transport import PREFIX, Transport, parse
from finery.contracts.accounts import SecretInfo

SecretScope = Literal["mine", "server"]
"""`server`: for every run, whoever's it is."""


class SecretList(Answer):
    secrets: list[SecretInfo]


class Secrets:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def set(self, name: str, value: str, *, scope: SecretScope = "mine") -> SecretInfo:
        """Store a secret, or another value for it."""
        warn_of_plain_http(self._transport.url)
        body = {"value": value}
        return parse(SecretInfo, self._transport.request("PUT", _secret(name, scope), body=body, repeatable=True))

    def list(self) -> list[SecretInfo]:
        """Those that one's own runs may use: one's own and the server's."""
        return self._transport.get(SecretList, f"{PREFIX}/secrets").secrets

    def delete(self, name: str, *, scope: SecretScope = "mine") -> None:
        self._transport.request("DELETE", _secret(name, scope))


def _secret(name: str, scope: SecretScope) -> str:
    return f"{PREFIX}/{_COLLECTION_OF[scope]}/{quote(name, safe='')}"


_COLLECTION_OF: dict[SecretScope, str] = {"mine": "secrets", "server": "server-secrets"}
