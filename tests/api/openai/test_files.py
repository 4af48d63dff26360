import hashlib
import time
from pathlib import Path

import pytest
from openai import BadRequestError, ConflictError, NotFoundError, OpenAI

from tests.api.openai.conftest import ROWS, jsonl

DATA = jsonl(list(ROWS))


class TestCreateFile:
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

    def test_unknown_after(self, sdk: OpenAI) -> None:
        with pytest.raises(NotFoundError) as refused:
            sdk.files.list(after="file-nothing")
        assert refused.value.param == "after"


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
