"""The address that a webhook is told at, in one form."""

from finery.contracts.webhooks import LONGEST_URL
from finery.domain.webhooks.errors import InvalidWebhook
from finery.kit.destinations import Destinations

SCHEMES = ("http", "https")
LARGEST_PORT = 65535


def checked_url(text: str, destinations: Destinations) -> tuple[str, str]:
    """The address, its host in ASCII and its path percent-encoded; and the host as people read it.

    A name is looked up at each delivery, and what it stands for is checked then. Raises InvalidWebhook.
    """
    # Most of a second's start would go into this import, and few webhooks are ever made.
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


def _escape_refusal(host: str) -> str:
    """A look-up would take neither, or not as what the check of addresses takes it for."""
    if ":" in host:
        return f"names a zone of this machine's network in {host[:100]}; leave out the % and what follows"
    return f"has escaped characters in its host {host[:100]}; write them as they are"
