"""The server's own log, on stderr."""

import logging

from finery.http.request_ids import RequestIdFilter

FORMAT = "%(asctime)s %(levelname)s %(name)s:%(request)s %(message)s"


def configure_log(level: str) -> None:
    """Once, before anything is logged."""
    handler = logging.StreamHandler()
    # At the handler, so that other libraries' lines have it, too.
    handler.addFilter(RequestIdFilter())
    logging.basicConfig(level=level.upper(), format=FORMAT, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
