"""Downloads of a run's artifacts: a file, or the list of a folder's files."""

from pathlib import Path

from starlette.responses import JSONResponse, Response

from finery.contracts.run import Artifact
from finery.domain.context import DomainContext
from finery.domain.errors import DomainError, ErrorKind
from finery.http.files import file_range, named_attachment
from finery.kit.paths import PathRefused, PathResolver

MAX_LISTED = 10_000


class ArtifactGone(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "artifact_gone"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:200]!r} is no file of this artifact, or was removed from disk")


def artifact_content(artifact: Artifact, context: DomainContext, inner: str | None, wanted: str | None) -> Response:
    """Returns a file's bytes, or a folder's list of files. Raises ArtifactGone.

    `inner` names a file inside of the artifact's folder; `wanted` is the Range header.
    """
    path = _inside(context.resolver, artifact.path, artifact.name)
    if inner is not None:
        path = _inside(PathResolver(path), inner, inner)
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())[:MAX_LISTED]
        files = [{"path": str(file.relative_to(path)), "size_bytes": file.stat().st_size} for file in inside]
        return JSONResponse({"files": files})
    if not path.is_file():
        raise ArtifactGone(inner or artifact.name)
    response = file_range(path, wanted, media_type="application/octet-stream")
    response.headers["Content-Disposition"] = named_attachment(path.name)
    return response


def _inside(resolver: PathResolver, text: str, name: str) -> Path:
    try:
        return resolver.resolve(text)
    except PathRefused as error:
        raise ArtifactGone(name) from error
