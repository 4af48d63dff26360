"""What a run made, as a download."""

from pathlib import Path

from starlette.responses import JSONResponse, Response

from finery.contracts.run import Artifact
from finery.domain.context import DomainContext
from finery.domain.errors import DomainError, ErrorKind
from finery.http.files import file_range
from finery.kit.paths import PathRefused, PathResolver

MAX_LISTED = 10_000


class ArtifactGone(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "artifact_gone"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:200]!r} is no file of this artifact, or was removed from disk")


def artifact_content(artifact: Artifact, context: DomainContext, inner: str | None, wanted: str | None) -> Response:
    """A file's bytes; of a folder, its list of files. Raises ArtifactGone."""
    path = _inside(context.resolver, artifact.path, artifact.name)
    if inner is not None:
        path = _inside(PathResolver(path), inner, inner)
    if path.is_dir():
        return JSONResponse({"files": _files(path)})
    if not path.is_file():
        raise ArtifactGone(inner or artifact.name)
    response = file_range(path, wanted, media_type="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="{_plain(path.name)}"'
    return response


def _inside(resolver: PathResolver, text: str, name: str) -> Path:
    try:
        return resolver.resolve(text)
    except PathRefused as error:
        raise ArtifactGone(name) from error


def _files(folder: Path) -> list[dict[str, object]]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())[:MAX_LISTED]
    return [{"path": str(path.relative_to(folder)), "size_bytes": path.stat().st_size} for path in found]


def _plain(name: str) -> str:
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)
