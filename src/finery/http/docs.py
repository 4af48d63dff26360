"""Serves the API's documentation (/docs, /openapi.json) with all assets, since many readers have no internet."""

import importlib.resources
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from finery.http.admission import READS, in_lane
from finery.http.permission import Allow, Permission

READ = Depends(Allow(Permission.SYSTEM_READ))
ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
START = "start.js"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Finery API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/favicon.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
SCRIPT = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self' data:; frame-ancestors 'none'"
)

AssetName = Annotated[str, Path(pattern="^[a-z-]+\\.(js|css|png)$")]

router = APIRouter(include_in_schema=False)


@router.get("/docs", dependencies=[READ])
async def docs_page() -> Response:
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})


@router.get("/docs/{name}", dependencies=[READ])
async def docs_asset(name: AssetName) -> Response:
    return Response(SCRIPT, media_type="text/javascript") if name == START else asset(name)


@router.get("/openapi.json", dependencies=[READ])
@in_lane(READS)
def openapi_document(request: Request) -> Response:
    return JSONResponse(request.app.openapi())


def asset(name: str) -> Response:
    """Returns one of Swagger UI's files, which the package fastapi-offline has."""
    if name not in ASSETS:
        return Response(status_code=404)
    with importlib.resources.as_file(importlib.resources.files("fastapi_offline") / "static" / name) as path:
        return FileResponse(path, media_type=ASSETS[name], headers={"Cache-Control": "max-age=86400"})
