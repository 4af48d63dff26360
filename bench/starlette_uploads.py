"""What uploads are measured against: Starlette's own form and UploadFile, copied to its place and hashed.

`python -m bench.starlette_uploads PORT FOLDER`
"""

import hashlib
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

COPY_BYTES = 1 << 20


def main(port: int, folder: Path) -> None:
    async def received(request: Request) -> JSONResponse:
        """The form alone: the content lies in a temporary file without a name."""
        async with request.form() as form:
            file = form["file"]
            assert isinstance(file, UploadFile)
            return JSONResponse({"size": file.size})

    async def stored(request: Request) -> JSONResponse:
        async with request.form() as form:
            file = form["file"]
            assert isinstance(file, UploadFile)
            return JSONResponse({"sha256": await run_in_threadpool(store, file)})

    def store(file: UploadFile) -> str:
        digest = hashlib.sha256()
        with (folder / "stored").open("wb") as target:
            while chunk := file.file.read(COPY_BYTES):
                digest.update(chunk)
                target.write(chunk)
        return digest.hexdigest()

    routes = [Route("/received", received, methods=["POST"]), Route("/stored", stored, methods=["POST"])]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
