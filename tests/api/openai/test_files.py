import errno
import hashlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import APIStatusError, BadRequestError, ConflictError, NotFoundError, OpenAI, omit
from sqlalchemy import func, insert, select, update

from finery.api.openai.fine_tuning_events import results_csv
from finery.api.openai.fine_tuning_mapping import result_file_id
from finery.app.composition import Composition
from finery.app.settings import Settings
from finery.contracts.events import ProgressData
from finery.contracts.permissions import SERVER
from finery.contracts.status import RunStatus
from finery.domain.files.uploads import MOST_PARTS
from finery.domain.runs.queries import lock_row
from finery.domain.runs.transitions import append_event, change_status
from finery.kit.clock import utc_now
from finery.models import FileRow, RunRow, UploadPartRow, UploadRow
from tests.api.openai.conftest import ROWS, jsonl

DATA = jsonl(list(ROWS))


def begin(sdk: OpenAI, size: int = len(DATA)) -> str:
    return sdk.uploads.create(bytes=size, filename="a.jsonl", mime_type="text/jsonl", purpose="fine-tune").id


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return answer.status_code, error["type"], error["code"]


def leftovers(home: Path) -> list[Path]:
    return [path for path in (home / "datasets").rglob("*") if path.is_file()]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@dataclass(frozen=True)
class Door:
    """One of the two addresses that take a file's content, and the form in which they take it."""

    url: str
    part: str
    fields: dict[str, str]

    def send(self, content: bytes) -> httpx.Response:
        return httpx.post(self.url, files={self.part: ("a.jsonl", content)}, data=self.fields)

    def send_form(self, body: bytes | Iterator[bytes]) -> httpx.Response:
        return httpx.post(self.url, content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})

    def connect(self, *headers: str) -> socket.socket:
        """A request whose body is still to come."""
        url = httpx.URL(self.url)
        connection = socket.create_connection((url.host, url.port or 80), timeout=10)
        head = [f"POST {url.path} HTTP/1.1", "Host: localhost", "Content-Type: multipart/form-data; boundary=x"]
        connection.sendall("\r\n".join([*head, *headers, "", ""]).encode())
        return connection

    def form(self, content: bytes, *, filename: str = "a.jsonl") -> bytes:
        before = "".join(
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in self.fields.items()
        )
        head = f'--x\r\nContent-Disposition: form-data; name="{self.part}"; filename="{filename}"\r\n\r\n'
        return f"{before}{head}".encode() + content + b"\r\n--x--\r\n"


@pytest.fixture(params=["file", "part"])
def door(request: pytest.FixtureRequest, sdk: OpenAI, base_url: str) -> Door:
    if request.param == "file":
        return Door(f"{base_url}/v1/files", "file", {"purpose": "fine-tune"})
    return Door(f"{base_url}/v1/uploads/{begin(sdk, 4000)}/parts", "data", {})


class ForgetfulTransport(httpx.HTTPTransport):
    """Loses the first answer to each part of an upload."""

    def __init__(self) -> None:
        super().__init__()
        self.retries: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if request.url.path.endswith("/parts"):
            answer.read()
            self.retries.append(request.headers["X-Stainless-Retry-Count"])
            if self.retries[-1] == "0":
                raise httpx.ReadError("the connection was lost")
        return answer


class TestCreateFile:
    @pytest.mark.parametrize(("first", "again"), [(3600, None), (None, 3600), (3600, 7200), (3600, 3600), (None, None)])
    def test_sent_once_more_with_the_same_lifetime(self, sdk: OpenAI, first: int | None, again: int | None) -> None:
        ids = [
            sdk.files.create(
                file=("a.jsonl", DATA),
                purpose="fine-tune",
                expires_after=omit if seconds is None else {"anchor": "created_at", "seconds": seconds},
                extra_headers={"X-Stainless-Retry-Count": count},
            ).id
            for seconds, count in ((first, "0"), (again, "1"))
        ]
        assert (ids[0] == ids[1]) is (first == again)

    def test_as_the_sdk_sends_it(self, sdk: OpenAI) -> None:
        file = sdk.files.create(file=("训练 数据.jsonl", DATA), purpose="fine-tune")
        assert file.id.startswith("file-")
        assert (file.bytes, file.filename, file.purpose) == (len(DATA), "训练 数据.jsonl", "fine-tune")
        assert (file.status, file.expires_at) == ("processed", None)
        assert abs(file.created_at - time.time()) < 60
        assert sdk.files.content(file.id).read() == DATA

    def test_the_same_content_twice_is_stored_once(self, sdk: OpenAI, blobs: Path) -> None:
        ids = {sdk.files.create(file=("a.jsonl", DATA), purpose="fine-tune").id for _ in range(3)}
        assert len(ids) == 3
        assert len(list(blobs.glob("*/*"))) == 1

    def test_a_lifetime(self, sdk: OpenAI) -> None:
        file = sdk.files.create(
            file=("a.jsonl", DATA), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
        )
        assert file.expires_at == pytest.approx(file.created_at + 3600, abs=1)

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"purpose": "fine-tuning"}, "purpose"),
            ({}, "purpose"),
            ({"purpose": "fine-tune", "colour": "red"}, "colour"),
            ({"purpose": "fine-tune", "expires_after[anchor]": "now", "expires_after[seconds]": "3600"},
             "expires_after.anchor"),
            ({"purpose": "fine-tune", "expires_after[anchor]": "created_at", "expires_after[seconds]": "5"},
             "expires_after.seconds"),
        ],
    )  # fmt: skip
    def test_bad_fields_are_named(self, sdk: OpenAI, body: dict[str, str], param: str, blobs: Path) -> None:
        with pytest.raises(BadRequestError) as refused:
            sdk.post("/files", cast_to=object, body=body, files=[("file", ("a.jsonl", DATA))],
                     options={"headers": {"Content-Type": "multipart/form-data"}})  # fmt: skip
        assert refused.value.param == param
        assert refused.value.code
        assert not [path for path in blobs.rglob("*") if path.is_file()]

    def test_an_empty_part_is_refused_by_its_name(self, sdk: OpenAI) -> None:
        with pytest.raises(BadRequestError, match="empty") as refused:
            sdk.uploads.parts.create(begin(sdk, 10), data=b"")
        assert refused.value.param == "data"

    def test_an_empty_file_is_refused(self, sdk: OpenAI) -> None:
        with pytest.raises(BadRequestError) as refused:
            sdk.files.create(file=("a.jsonl", b""), purpose="fine-tune")
        assert refused.value.param == "file"


class TestListFiles:
    def test_pages_in_both_orders(self, sdk: OpenAI) -> None:
        ids = [sdk.files.create(file=("a.jsonl", DATA), purpose="fine-tune").id for _ in range(5)]
        assert [file.id for file in sdk.files.list(limit=2)] == ids[::-1]
        assert [file.id for file in sdk.files.list(limit=2, order="asc")] == ids

    def test_by_purpose(self, sdk: OpenAI) -> None:
        wanted = sdk.files.create(file=("a.txt", b"a"), purpose="user_data").id
        sdk.files.create(file=("a.jsonl", DATA), purpose="fine-tune")
        assert [file.id for file in sdk.files.list(purpose="user_data")] == [wanted]
        assert list(sdk.files.list(purpose="fine-tune-results")) == []

    def test_fields_of_a_part_that_nobody_reads(self, sdk: OpenAI, base_url: str) -> None:
        address = f"{base_url}/v1/uploads/{begin(sdk, 10)}/parts"
        answer = httpx.post(address, files={"data": ("a", b"x" * 10)}, data={"foo": "1"})
        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (400, "foo", "unknown_parameter")

    def test_unknown_after(self, sdk: OpenAI) -> None:
        with pytest.raises(BadRequestError) as refused:
            sdk.files.list(after="file-nothing")
        assert refused.value.param == "after"


class TestListResults:
    """The figures of finished jobs."""

    @pytest.fixture
    def jobs(self, sdk: OpenAI, training_file: str, composition: Composition) -> list[str]:
        ids = [sdk.fine_tuning.jobs.create(model="finery/tiny-llama", training_file=training_file).id for _ in range(5)]
        with composition.services.database.write() as session:
            for number, job in enumerate(ids):
                row = lock_row(session, job, SERVER)
                change_status(session, row, RunStatus.STARTING)
                change_status(session, row, RunStatus.RUNNING)
                for step in range(number):
                    append_event(session, row, ProgressData(step=step, loss=1 / 3))
                change_status(session, row, RunStatus.SUCCEEDED)
        return ids

    @pytest.fixture
    def written(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The sizes of the contents that were written."""
        sizes: list[int] = []

        def write(metrics: Iterable[tuple[str, Mapping[str, Any]]]) -> bytes:
            content = results_csv(metrics)
            sizes.append(len(content))
            return content

        monkeypatch.setattr("finery.api.openai.file_listing.results_csv", write)
        return sizes

    def test_pages_in_both_orders(self, sdk: OpenAI, jobs: list[str]) -> None:
        ids = [result_file_id(job) for job in jobs]
        assert [file.id for file in sdk.files.list(purpose="fine-tune-results", limit=2)] == ids[::-1]
        assert [file.id for file in sdk.files.list(purpose="fine-tune-results", limit=2, order="asc")] == ids
        page = sdk.files.list(purpose="fine-tune-results", limit=5)
        assert (len(page.data), page.has_more) == (5, False)

    def test_unknown_after(self, sdk: OpenAI, training_file: str) -> None:
        for unknown in ("file-results-none", training_file):
            with pytest.raises(BadRequestError) as refused:
                sdk.files.list(purpose="fine-tune-results", after=unknown)
            assert refused.value.param == "after"

    def test_their_sizes_are_those_of_their_contents(self, sdk: OpenAI, jobs: list[str], written: list[int]) -> None:
        found = list(sdk.files.list(purpose="fine-tune-results"))
        assert len({file.bytes for file in found}) == len(written) == len(jobs)
        for file in found:
            assert len(sdk.files.content(file.id).read()) == sdk.files.retrieve(file.id).bytes == file.bytes

    def test_they_stay_as_long_as_their_jobs(self, sdk: OpenAI, jobs: list[str]) -> None:
        with pytest.raises(ConflictError, match="as long as its job") as refused:
            sdk.files.delete(result_file_id(jobs[0]))
        assert (refused.value.code, refused.value.param) == ("file_not_deletable", "file_id")
        with pytest.raises(NotFoundError):
            sdk.files.delete("file-results-none")

    def test_a_content_is_written_once_for_its_size(self, sdk: OpenAI, jobs: list[str], written: list[int]) -> None:
        sdk.files.retrieve(result_file_id(jobs[0]))
        for _ in range(3):
            assert len(list(sdk.files.list(purpose="fine-tune-results", limit=2))) == 5
        assert len(written) == 5

    @pytest.mark.parametrize(("bound", "length"), [("MOST_NEW_SIZES", 2), ("MOST_NEW_BYTES", 1)])
    def test_a_page_ends_early_where_it_costs_much(
        self, sdk: OpenAI, jobs: list[str], monkeypatch: pytest.MonkeyPatch, bound: str, length: int
    ) -> None:
        monkeypatch.setattr(f"finery.api.openai.file_listing.{bound}", length)
        page = sdk.files.list(purpose="fine-tune-results")
        assert (len(page.data), page.has_more) == (length, True)
        assert [file.id for file in page] == [result_file_id(job) for job in reversed(jobs)]
        page = sdk.files.list(purpose="fine-tune-results")
        assert (len(page.data), page.has_more) == (5, False)

    def test_of_more_than_a_thousand_jobs(self, sdk: OpenAI, jobs: list[str], composition: Composition) -> None:
        with composition.services.database.write() as session:
            row = dict(session.execute(select(RunRow.__table__).where(RunRow.id == jobs[0])).mappings().one())
            del row["number"]
            session.execute(insert(RunRow), [row | {"id": f"ftjob-{number}"} for number in range(1000)])
        oldest = sdk.files.list(purpose="fine-tune-results", order="asc", limit=1)
        assert [file.id for file in oldest.data] == [result_file_id(jobs[0])]
        rest = sdk.files.list(purpose="fine-tune-results", after=result_file_id(jobs[1]), limit=1)
        assert ([file.id for file in rest.data], rest.has_more) == ([result_file_id(jobs[0])], False)
        page = sdk.files.list(purpose="fine-tune-results", after="file-results-999")
        assert (len(page.data), page.has_more) == (100, True)


class TestFileName:
    @pytest.mark.parametrize(
        ("filename", "disposition"),
        [
            ("train rows.jsonl", 'attachment; filename="train rows.jsonl"'),
            ("锻.jsonl", "attachment; filename=\"_.jsonl\"; filename*=UTF-8''%E9%94%BB.jsonl"),
            ("a;b'c%22.csv", "attachment; filename=\"a_b_c_22.csv\"; filename*=UTF-8''a%3Bb%27c%2522.csv"),
        ],
    )
    def test_content_is_saved_under_it(self, sdk: OpenAI, filename: str, disposition: str) -> None:
        file = sdk.files.create(file=(filename, DATA), purpose="user_data")
        content = sdk.files.with_raw_response.content(file.id)
        assert content.headers["Content-Disposition"] == disposition
        assert content.content == DATA


class TestDeleteFile:
    def test_it_is_gone(self, sdk: OpenAI, training_file: str) -> None:
        answer = sdk.files.delete(training_file)
        assert (answer.id, answer.deleted) == (training_file, True)
        with pytest.raises(NotFoundError) as refused:
            sdk.files.retrieve(training_file)
        assert (refused.value.code, refused.value.param) == ("file_not_found", "file_id")

    def test_not_while_a_queued_job_needs_it(self, sdk: OpenAI, training_file: str) -> None:
        job = sdk.fine_tuning.jobs.create(model="finery/tiny-llama", training_file=training_file)
        with pytest.raises(ConflictError) as refused:
            sdk.files.delete(training_file)
        assert refused.value.code == "file_in_use"
        assert job.id in refused.value.message
        sdk.fine_tuning.jobs.cancel(job.id)
        assert sdk.files.delete(training_file).deleted

    def test_another_file_of_the_same_content_may_go(self, sdk: OpenAI, training_file: str) -> None:
        other = sdk.files.create(file=("b.jsonl", DATA), purpose="fine-tune").id
        sdk.fine_tuning.jobs.create(model="finery/tiny-llama", training_file=training_file)
        assert sdk.files.delete(other).deleted


class TestUploads:
    def test_parts_out_of_order(self, sdk: OpenAI, home: Path) -> None:
        upload = sdk.uploads.create(bytes=len(DATA), filename="a.jsonl", mime_type="text/jsonl", purpose="fine-tune")
        assert (upload.status, upload.file, upload.bytes) == ("pending", None, len(DATA))
        cut = len(DATA) // 3
        last = sdk.uploads.parts.create(upload.id, data=DATA[2 * cut :])
        first = sdk.uploads.parts.create(upload.id, data=DATA[:cut])
        middle = sdk.uploads.parts.create(upload.id, data=DATA[cut : 2 * cut])
        order = [first.id, middle.id, last.id]
        done = sdk.uploads.complete(upload.id, part_ids=order, md5=hashlib.md5(DATA, usedforsecurity=False).hexdigest())
        assert done.status == "completed"
        assert done.file is not None
        assert sdk.files.content(done.file.id).read() == DATA
        again = sdk.uploads.complete(upload.id, part_ids=order)
        assert again.file is not None
        assert again.file.id == done.file.id

    def test_the_sdks_own_cutting(self, sdk: OpenAI, tmp_path: Path) -> None:
        path = tmp_path / "big.jsonl"
        path.write_bytes(DATA * 50)
        done = sdk.uploads.upload_file_chunked(file=path, mime_type="text/jsonl", purpose="fine-tune", part_size=7000)
        assert done.file is not None
        assert sdk.files.content(done.file.id).read() == DATA * 50

    def test_what_was_not_announced(self, sdk: OpenAI) -> None:
        upload = sdk.uploads.create(bytes=10, filename="a.jsonl", mime_type="text/jsonl", purpose="fine-tune")
        with pytest.raises(BadRequestError) as refused:
            sdk.uploads.parts.create(upload.id, data=b"x" * 11)
        assert refused.value.param == "data"
        part = sdk.uploads.parts.create(upload.id, data=b"x" * 9)
        with pytest.raises(BadRequestError, match="9 bytes; 10 were announced"):
            sdk.uploads.complete(upload.id, part_ids=[part.id])
        rest = sdk.uploads.parts.create(upload.id, data=b"y")
        for part_ids, md5 in (
            [[part.id, "part_none"], None],
            [[part.id, part.id], None],
            [[part.id, rest.id], "0" * 32],
        ):
            with pytest.raises(BadRequestError):
                sdk.uploads.complete(upload.id, part_ids=part_ids, **({"md5": md5} if md5 else {}))
        done = sdk.uploads.complete(upload.id, part_ids=[part.id, rest.id])
        assert done.file is not None

    def test_cancelled(self, sdk: OpenAI) -> None:
        upload = sdk.uploads.create(bytes=10, filename="a.jsonl", mime_type="text/jsonl", purpose="fine-tune")
        part = sdk.uploads.parts.create(upload.id, data=b"x" * 10)
        assert sdk.uploads.cancel(upload.id).status == "cancelled"
        for attempt in (
            lambda: sdk.uploads.parts.create(upload.id, data=b"x"),
            lambda: sdk.uploads.complete(upload.id, part_ids=[part.id]),
        ):
            with pytest.raises(BadRequestError, match="is cancelled"):
                attempt()
        with pytest.raises(NotFoundError):
            sdk.uploads.cancel("upload_none")

    def test_every_answer_to_a_part_is_lost_once(
        self, sdk: OpenAI, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The parts in the middle are all alike."""
        data = b"a" * 1000 + b"b" * 5000 + b"c" * 500
        path = tmp_path / "big.jsonl"
        path.write_bytes(data)
        monkeypatch.setattr(OpenAI, "_calculate_retry_timeout", lambda *_: 0.0)
        transport = ForgetfulTransport()
        with httpx.Client(transport=transport) as http_client:
            forgetful = sdk.with_options(max_retries=2, http_client=http_client)
            done = forgetful.uploads.upload_file_chunked(
                file=path, mime_type="text/jsonl", purpose="fine-tune", part_size=1000
            )
        assert transport.retries == ["0", "1"] * 7
        assert done.file is not None
        assert sdk.files.content(done.file.id).read() == data
        assert len(list((home / "datasets" / "parts").iterdir())) == 7

    def test_ten_thousand_parts(self, sdk: OpenAI, composition: Composition, home: Path) -> None:
        upload = begin(sdk, MOST_PARTS + 1)
        row = {"upload_id": upload, "size_bytes": 1, "created_at": utc_now()}
        with composition.services.database.write() as session:
            session.execute(insert(UploadPartRow), [{"id": f"part_{n}", **row} for n in range(MOST_PARTS)])
        with pytest.raises(APIStatusError, match="10000 parts at most") as refused:
            sdk.uploads.parts.create(upload, data=b"x")
        assert refusal(refused.value.response) == (413, "invalid_request_error", "too_large")
        assert refused.value.param == "data"
        assert leftovers(home) == []

    def test_expired(self, sdk: OpenAI, composition: Composition) -> None:
        upload = begin(sdk, 10)
        part = sdk.uploads.parts.create(upload, data=b"x" * 10)
        with composition.services.database.write() as session:
            session.execute(update(UploadRow).values(expires_at=utc_now() - timedelta(seconds=1)))
        for attempt in (
            lambda: sdk.uploads.parts.create(upload, data=b"x"),
            lambda: sdk.uploads.complete(upload, part_ids=[part.id]),
            lambda: sdk.uploads.cancel(upload),
        ):
            with pytest.raises(BadRequestError, match="is expired; begin another") as refused:
                attempt()
            assert (refused.value.code, refused.value.param) == ("upload_not_pending", "upload_id")


class TestContents:
    """Of files and of parts."""

    @pytest.mark.parametrize("place", ["finery.http.uploads._Sink.write", "pathlib.Path.replace"])
    def test_full_disk(self, door: Door, home: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            assert refusal(door.send(DATA)) == (507, "server_error", "disk_full")
        assert leftovers(home) == []
        assert door.send(DATA).status_code == 200

    def test_empty(self, door: Door, home: Path) -> None:
        assert refusal(door.send(b"")) == (400, "invalid_request_error", "invalid_upload")
        assert leftovers(home) == []

    @pytest.mark.parametrize(
        ("filename", "shown"),
        [
            ("../../x.jsonl", "x.jsonl"),
            ("x" * 300 + ".jsonl", "x" * 200),
            ("a\0b.jsonl", "ab.jsonl"),
            ("a\N{RIGHT-TO-LEFT OVERRIDE}lnosj.jsonl", "alnosj.jsonl"),
        ],
    )
    def test_its_name_is_for_people_only(self, door: Door, home: Path, filename: str, shown: str) -> None:
        answer = door.send_form(door.form(DATA, filename=filename))
        assert answer.status_code == 200
        assert answer.json().get("filename", shown) == shown
        [file] = leftovers(home)
        assert file.name.startswith((hashlib.sha256(DATA).hexdigest(), answer.json()["id"]))
        assert file.relative_to(home / "datasets").parts[0] in ("blobs", "parts")

    def test_client_gone_half_way(self, door: Door, home: Path, composition: Composition) -> None:
        with door.connect("Content-Length: 10000000") as connection:
            connection.sendall(door.form(b"y" * 3_000_000)[:-50])
            wait_until(lambda: any(path.stat().st_size for path in leftovers(home)))
        wait_until(lambda: not leftovers(home))
        with composition.services.database.read() as session:
            for table in (FileRow, UploadPartRow):
                assert session.scalar(select(func.count()).select_from(table)) == 0


class TestLimit:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"max_upload_bytes": 4096})

    def test_declared(self, door: Door, home: Path) -> None:
        """Answered before anything of the body has come."""
        with door.connect("Content-Length: 4097") as connection:
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
        assert refusal(door.send(b"x" * 4096)) == (413, "invalid_request_error", "too_large")
        assert leftovers(home) == []

    def test_chunked(self, door: Door, home: Path) -> None:
        """Answered before the rest of the body has come."""
        body = door.form(b"x" * 5000)

        def chunks() -> Iterator[bytes]:
            for start in range(0, len(body), 1000):
                yield body[start : start + 1000]

        assert refusal(door.send_form(chunks())) == (413, "invalid_request_error", "too_large")
        with door.connect("Transfer-Encoding: chunked") as connection:
            connection.sendall(b"1388\r\n" + body[:5000] + b"\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
        wait_until(lambda: not leftovers(home))

    def test_announced(self, sdk: OpenAI) -> None:
        with pytest.raises(APIStatusError) as refused:
            begin(sdk, 4097)
        assert refusal(refused.value.response) == (413, "invalid_request_error", "too_large")
        assert refused.value.param == "bytes"
