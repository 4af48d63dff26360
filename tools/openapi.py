"""Prints the native API's OpenAPI document, from which the page's types are made (`make web-types`)."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from finery.api.native.dialect import PREFIX
from finery.app.asgi import create_app
from finery.app.settings import Settings

REFERENCE = re.compile(r'"#/components/schemas/([^"]+)"')


def native_document() -> dict[str, Any]:
    """Returns the document with the native API's routes, and the schemas that they need."""
    with tempfile.TemporaryDirectory() as home:
        document = create_app(Settings(home=Path(home))).openapi()
    paths = {path: item for path, item in document["paths"].items() if path.startswith(PREFIX)}
    schemas = document["components"]["schemas"]
    needed: set[str] = set()
    waiting = _references(paths)
    while waiting:
        needed |= waiting
        waiting = _references([schemas[name] for name in waiting]) - needed
    kept = {name: schema for name, schema in schemas.items() if name in needed}
    return {"openapi": document["openapi"], "info": document["info"], "paths": paths, "components": {"schemas": kept}}


def _references(part: Any) -> set[str]:
    return set(REFERENCE.findall(json.dumps(part)))


if __name__ == "__main__":
    print(json.dumps(native_document(), indent=1, sort_keys=True))
