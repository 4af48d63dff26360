"""Stored datasets and their versions."""

from pathlib import Path
from urllib.parse import quote

from pydantic import JsonValue

from finery.client.errors import FineryError
from finery.client.responses import Answer
from finery.client.transport import LONG_ANSWER_SECONDS, PREFIX, Transport, given, parse
from finery.contracts.stored_datasets import Dataset, DatasetDiff, DatasetPage, DatasetVersion, Preview, Statistics

ID_PREFIX = "ds_"


class VersionList(Answer):
    versions: list[DatasetVersion]


class Datasets:
    """`dataset` is an id everywhere; `find` gives that of a name."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upload(self, file: Path, *, name: str | None = None, note: str | None = None, shared: bool = False) -> Dataset:
        """Store a file as a dataset's first version.

        Without a name it is called as its file, and a file of the same name again becomes the next version.
        """
        fields = given({"name": name, "note": note, "shared": "true" if shared else None})
        with file.open("rb") as content:
            return self._transport.upload(Dataset, f"{PREFIX}/datasets", {"file": (file.name, content)}, fields=fields)

    def add_version(self, dataset: str, file: Path, *, note: str | None = None) -> DatasetVersion:
        path = f"{_dataset(dataset)}/versions"
        with file.open("rb") as content:
            return self._transport.upload(
                DatasetVersion, path, {"file": (file.name, content)}, fields=given({"note": note})
            )

    def find(self, text: str) -> Dataset:
        """By id or name. Raises FineryError, also where several people share one of this name."""
        if text.startswith(ID_PREFIX):
            return self.get(text)
        found = self.list_page(name=text).datasets
        if len(found) == 1:
            return found[0]
        if not found:
            raise FineryError(code="dataset_not_found", message=f"there is no dataset {text!r}", status=404)
        ids = ", ".join(each.id for each in found)
        message = f"several datasets are named {text!r}; name one by id: {ids}"
        raise FineryError(code="dataset_ambiguous", message=message, status=409)

    def get(self, dataset: str) -> Dataset:
        return self._transport.get(Dataset, _dataset(dataset))

    def list_page(self, *, limit: int | None = None, cursor: str | None = None, name: str | None = None) -> DatasetPage:
        """Newest first; `next_cursor` leads to the older ones."""
        parameters = {"limit": limit, "cursor": cursor, "name": name}
        return self._transport.get(DatasetPage, f"{PREFIX}/datasets", parameters)

    def versions(self, dataset: str) -> list[DatasetVersion]:
        """Newest first."""
        return self._transport.get(VersionList, f"{_dataset(dataset)}/versions").versions

    def preview(
        self, dataset: str, *, version: int | None = None, rows: int | None = None, offset: int | None = None
    ) -> Preview:
        parameters = {"version": version, "rows": rows, "offset": offset}
        return self._transport.get(Preview, f"{_dataset(dataset)}/preview", parameters)

    def statistics(self, dataset: str, *, version: int | None = None) -> Statistics:
        """Counted when they are first asked for, which takes as long as the file is read."""
        return self._transport.get(
            Statistics, f"{_dataset(dataset)}/statistics", {"version": version}, timeout=LONG_ANSWER_SECONDS
        )

    def diff(self, dataset: str, old: int, new: int | None = None) -> DatasetDiff:
        """The rows that came and went between two versions; `new` None: the newest."""
        return self._transport.get(
            DatasetDiff, f"{_dataset(dataset)}/diff", {"old": old, "new": new}, timeout=LONG_ANSWER_SECONDS
        )

    def restore(self, dataset: str, version: int, *, note: str | None = None) -> DatasetVersion:
        """An old version's content as the newest version."""
        body: dict[str, JsonValue] = {"version": version, **given({"note": note})}
        return self._transport.post(DatasetVersion, f"{_dataset(dataset)}/restore", body=body)

    def download(self, dataset: str, target: Path, *, version: int | None = None) -> None:
        """`target` appears only when it is whole."""
        self._transport.download(f"{_dataset(dataset)}/content", target, {"version": version})

    def change(self, dataset: str, *, name: str | None = None, shared: bool | None = None) -> Dataset:
        body = {key: value for key, value in {"name": name, "shared": shared}.items() if value is not None}
        return parse(Dataset, self._transport.request("PATCH", _dataset(dataset), body=body))

    def delete(self, dataset: str) -> None:
        """With all its versions. Refused while an unfinished run reads one of them."""
        self._transport.request("DELETE", _dataset(dataset))


def _dataset(dataset: str) -> str:
    return f"{PREFIX}/datasets/{quote(dataset, safe='')}"
