"""Checks and normalises the fields of a webhook: its URL, its name and its event types."""

from collections.abc import Sequence

from finery.contracts.webhooks import LONGEST_URL
from finery.domain.webhooks.errors import InvalidWebhook
from finery.kit.destinations import Destinations
from finery.kit.printable import is_printable
from finery.kit.suggest import nearest

SCHEMES = ("http", "https")
LARGEST_PORT = 65535


def checked_url(text: str, destinations: Destinations) -> tuple[str, str]:
    """Return the URL, its host in ASCII and its path percent-encoded, and the host as people read it.

    Host names are resolved, and their addresses checked, at each delivery. Raises InvalidWebhook.
    """
    # The import takes most of a second, which the start saves, and few webhooks are ever made.
    import httpx

    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidWebhook("url", f"is no address: {error}") from error
    if url.scheme not in SCHEMES or not url.host:
        raise InvalidWebhook("url", "must begin with https:// or http://, then a host")
    if url.userinfo:
        raise InvalidWebhook("url", "must not hold a user name or password; messages are signed instead")
    if url.port is not None and not 1 <= url.port <= LARGEST_PORT:
        raise InvalidWebhook("url", f"names the port {url.port}; ports are 1 to {LARGEST_PORT}")
    if "%" in url.host:
        raise InvalidWebhook("url", _escape_refusal(url.host))
    if (refusal := destinations.refusal_of_host(url.raw_host.decode("ascii"))) is not None:
        remedy = "an administrator may allow its network with FINERY_WEBHOOK_ALLOW_PRIVATE"
        raise InvalidWebhook("url", f"the address {url.host} is {refusal}; {remedy}")
    plain = str(url.copy_with(fragment=None))
    if len(plain) > LONGEST_URL:
        raise InvalidWebhook("url", f"is longer than {LONGEST_URL:,} characters")
    return plain, url.host


def checked_name(name: str) -> str:
    """Return the name without blanks at its ends. Raises InvalidWebhook."""
    if not name.strip() or not is_printable(name):
        raise InvalidWebhook("name", "must have a letter, and no control characters")
    return name.strip()


def checked_types(types: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the event types without repetitions. Raises InvalidWebhook."""
    for index, type in enumerate(types):
        if type not in known:
            close = nearest(type, known)
            hint = f"; did you mean {close}?" if close else f"; known: {', '.join(known)}"
            raise InvalidWebhook(f"event_types.{index}", f"there is no such type{hint}")
    return list(dict.fromkeys(types))


def _escape_refusal(host: str) -> str:
    """Say why a host with a `%` is refused: a resolver would not take it for what the check of addresses does."""
    if ":" in host:
        return f"names a zone of this machine's network in {host[:100]}; leave out the % and what follows"
    return f"has escaped characters in its host {host[:100]}; write them as they are"
