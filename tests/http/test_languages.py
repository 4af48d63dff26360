import ast
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

import finery
from finery.contracts.permissions import Level, Permission
from finery.contracts.recipes import RECIPES
from finery.contracts.recipes.groups import GROUPS
from finery.contracts.recipes.reference import reference_of
from finery.db import Database
from finery.http.languages import LANGUAGES, catalogue_of, language_of, settings_catalogue_of
from finery.kit.field_errors import SENTENCES
from tests.builders import write_rows
from tests.domain.accounts import people
from tests.http.accounts import bearer, key_of_new_user

SOURCES = Path(finery.__file__).parent
OTHERS = [tag for tag in LANGUAGES if tag != "en"]
LETTERS = {"ko": re.compile("[가-힣]"), "zh": re.compile("[\u4e00-\u9fff]"), "ja": re.compile("[ぁ-んァ-ヶ]")}
HAN = LETTERS["zh"]
CODE = re.compile("`[^`]*`|[a-z]+(?:_[a-z]+)+")
"""What keeps its spelling in every language: code, and names of settings."""
SFT = {"model_name": "finery/tiny-llama", "dataset_path": "data/train.jsonl", "output_dir": "outputs/m"}
REGISTERED = {"job_id": "a", "model_name": "m", "dataset": "d"}

TOLD_IN = {
    *("contracts/datasets/message_reader.py", "contracts/datasets/conversation.py", "contracts/datasets/examples.py"),
    *("domain/catalog", "domain/ownership.py", "domain/files/errors.py", "domain/files/dataset_uploads.py"),
    *("domain/runs/errors.py", "domain/deployments/errors.py"),
    *("http/errors.py", "http/body.py", "http/uploads.py", "http/guard.py", "http/identity.py"),
    *("http/permission.py", "http/rate_limits.py", "http/admission.py", "http/engine_startup.py", "api/jobs"),
}
"""Where everything that is said to users is a Translatable."""

SAYING = {
    **dict.fromkeys(("__init__", "ModelNotFound", "ModelRefused", "UploadRefused", "unavailable"), 0),
    **dict.fromkeys(("Problem", "Issue", "RowRefused", "PartsDiffer"), 1),
}
"""What takes a sentence for users, and the first of its arguments that may be one."""


def templates() -> dict[str, str]:
    """Every template in the sources, with its place."""
    found = {}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Translatable":
                template = node.args[0]
                if isinstance(template, ast.Constant):
                    found[str(template.value)] = f"{path.relative_to(SOURCES)}:{node.lineno}"
    return found


def places(template: str) -> set[tuple[str, str | None, str | None]]:
    """The places of a template with how each is written."""
    parsed = string.Formatter().parse(template)
    return {(name, how, spec) for _, name, spec, how in parsed if name is not None}


def plain_sentences() -> Iterator[str]:
    """Sentences that are raised, or answered with, as plain text."""
    for path in sorted(SOURCES.rglob("*.py")):
        name = path.relative_to(SOURCES).as_posix()
        if not any(name == told or name.startswith(f"{told}/") for told in TOLD_IN):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for argument in node.args[SAYING[called] :] if called in SAYING else ():
                is_text = isinstance(argument, ast.Constant) and " " in str(argument.value)
                if isinstance(argument, ast.JoinedStr) or is_text:
                    yield f"{name}:{argument.lineno}"


def codes(text: str) -> set[str]:
    return set(CODE.findall(text))


class TestLanguageOf:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("", "en"),
            ("ko", "ko"),
            ("ko-KR", "ko"),
            ("zh-Hant-TW", "zh"),
            ("JA-jp", "ja"),
            ("fr", "en"),
            ("fr, ja;q=0.4, ko;q=0.5", "ko"),
            ("ja, ko", "ja"),
            ("ko;q=0.7, ja ; q=0.8", "ja"),
            ("ja;q=0.8, ja-JP;q=0.2, ko;q=0.7", "ja"),
            ("*", "en"),
            ("ko;q=0.5, *", "en"),
            ("fr, *;q=0.1", "en"),
            ("ko, *;q=0.1", "ko"),
            ("en;q=0, *", "ko"),
            ("en;q=0, ko;q=0, *;q=0.5", "zh"),
            ("ko;q=0", "en"),
            ("*;q=0", "en"),
            ("zh-TW;q=0, zh", "zh"),
            ("korean", "en"),
            ("ko;q=2", "en"),
            ("ko;q=-1, ja;q=0.1", "ja"),
            ("ko;q=, ja;q=0.1", "ja"),
            ("ko;q=0.0001, ja;q=0.001", "ja"),
            (";q=1,,ko", "ko"),
            ("x" * 10_000, "en"),
            (", " * 1000 + "ko", "en"),
        ],
    )
    def test_prefers(self, header: str, expected: str) -> None:
        assert language_of([header], "en").tag == expected

    def test_the_default_is_the_dialects(self) -> None:
        found = [language_of([header], "zh").tag for header in ("", "fr", "*", "en;q=0.9, ko;q=0.8", "zh;q=0, *")]
        assert found == ["zh", "zh", "zh", "en", "en"]

    def test_several_headers_are_one(self) -> None:
        assert language_of(["fr", "ko;q=0.1"], "en").tag == "ko"


class TestCatalogues:
    @pytest.mark.parametrize("tag", OTHERS)
    def test_have_all_templates_and_no_others(self, tag: str) -> None:
        assert len(templates()) > 150
        assert catalogue_of(tag).keys() == {*templates(), *SENTENCES.values()}

    @pytest.mark.parametrize("tag", OTHERS)
    def test_have_the_same_places(self, tag: str) -> None:
        assert [template for template, told in catalogue_of(tag).items() if places(template) != places(told)] == []

    @pytest.mark.parametrize("tag", OTHERS)
    def test_are_in_their_language(self, tag: str) -> None:
        sentences = {each: told for each, told in catalogue_of(tag).items() if re.search("[a-z]{2,} [a-z]{2,}", each)}
        foreign = [told for each, told in sentences.items() if not re.search("[^\x00-\x7f]", told)]
        assert foreign == []

    @pytest.mark.parametrize("tag", OTHERS)
    def test_describe_settings_in_their_language_with_the_same_code(self, tag: str) -> None:
        told = settings_catalogue_of(tag)
        assert [text for text in told.values() if not LETTERS[tag].search(text) and not HAN.search(text)] == []
        assert [text for english, text in told.items() if codes(english) != codes(text)] == []

    def test_nothing_is_said_in_english_only(self) -> None:
        assert list(plain_sentences()) == []


class TestJobsDialect:
    @pytest.fixture
    def refusals(self, client: TestClient, home: Path) -> list[tuple[str, str, object]]:
        (home / "bad.jsonl").write_text('{"messages": [{"role": "user", "content": 5}]}\n')
        client.post("/jobs", json=REGISTERED)
        client.patch("/jobs/a/status", json={"status": "failed"})
        return [
            ("GET", "/jobs/none", None),
            ("GET", "/nowhere", None),
            ("PUT", "/jobs", None),
            ("POST", "/jobs", REGISTERED),
            ("POST", "/jobs/a/cancel", None),
            ("PATCH", "/jobs/a/status", {"status": "running"}),
            ("POST", "/train/sft", {**SFT, "num_epochs": 101, "batch_sise": 4}),
            ("POST", "/train/sft", {"num_epochs": "many"}),
            ("POST", "/train/sft", SFT),
            ("POST", "/train/sft", {**SFT, "dataset_path": "bad.jsonl"}),
            ("POST", "/chat", {"instruction": "hi"}),
            ("POST", "/load_model?model_path=outputs/none", None),
            ("GET", "/jobs?limit=0", None),
            ("POST", "/train/sft", []),
        ]

    @pytest.mark.parametrize("tag", OTHERS)
    def test_refuses_in_the_language_that_is_asked_for(
        self, client: TestClient, refusals: list[tuple[str, str, object]], tag: str
    ) -> None:
        for method, path, body in refusals:
            answer = client.request(method, path, json=body, headers={"Accept-Language": f"{tag};q=0.9, en;q=0.1"})
            told = answer.json()
            assert answer.status_code >= 400
            for message in (told["detail"], *(issue["message"] for issue in told["errors"])):
                assert LETTERS[tag].search(message), (method, path, message)
            assert (answer.headers["Content-Language"], answer.headers["Vary"]) == (tag, "Accept-Language")

    def test_refuses_in_english_by_default(self, client: TestClient, refusals: list[tuple[str, str, object]]) -> None:
        for method, path, body in refusals:
            answer = client.request(method, path, json=body, headers={"Accept-Language": "fr"})
            assert not any(letters.search(answer.text) for letters in LETTERS.values()), answer.text
            assert answer.headers["Content-Language"] == "en"

    @pytest.mark.parametrize(
        ("tag", "created", "cancelled", "uploaded"),
        [
            ("en", "The SFT training job has been created", "cancellation", "The dataset has been uploaded"),
            ("ko", "SFT 학습 작업이 생성되었습니다", "취소가 요청되었습니다", "데이터셋이 업로드되었습니다"),
            ("zh", "SFT 训练作业已创建", "已请求取消", "数据集已上传"),
            ("ja", "SFT の学習ジョブを作成しました", "キャンセル", "データセットをアップロードしました"),
        ],
    )
    def test_answers(
        self, client: TestClient, home: Path, tag: str, created: str, cancelled: str, uploaded: str
    ) -> None:
        write_rows(home)
        headers = {"Accept-Language": tag}
        body = {**SFT, "dataset_path": "rows.jsonl"}
        started = client.post("/train/sft", json=body, headers=headers)
        ended = client.post(f"/jobs/{started.json()['job_id']}/cancel", headers=headers)
        kept = client.post("/upload/dataset", files={"file": ("a.jsonl", b"{}")}, headers=headers)
        assert started.json()["message"] == created
        assert started.json()["status"] == "pending"
        assert cancelled in ended.json()["message"]
        assert kept.json()["message"] == uploaded
        for answer in (started, ended, kept):
            assert answer.headers["Content-Language"] == tag
            assert answer.headers["Vary"] == "Accept-Language"

    def test_whom_to_ask(self, app: FastAPI, client: TestClient) -> None:
        database: Database = app.state.services.database
        people.first_admin(database)
        headers = {"Accept-Language": "ko", **bearer(key_of_new_user(database, "ada", Level.VIEWER))}
        answer = client.post("/train/sft", json=SFT, headers=headers)
        assert answer.status_code == 403
        assert Permission.RUNS_WRITE in answer.json()["detail"]
        assert "관리자에게 요청하세요" in answer.json()["detail"]

    def test_other_dialects_are_english(self, client: TestClient) -> None:
        answer = client.get("/v1/fine_tuning/jobs/none", headers={"Accept-Language": "ko"})
        assert json.dumps(answer.json(), ensure_ascii=False).isascii()
        assert "Content-Language" not in answer.headers


class TestNativeDialect:
    def test_refuses_in_the_language_that_is_asked_for(self, client: TestClient) -> None:
        asked = {tag: client.get("/api/v1/runs/none", headers={"Accept-Language": tag}) for tag in ("fr", "ko")}
        assert asked["fr"].json()["error"]["message"] == "there is no run 'none'"
        assert (asked["ko"].json()["error"]["message"], asked["ko"].headers["Content-Language"]) == (
            "실행 'none'이(가) 없습니다",
            "ko",
        )

    @pytest.mark.parametrize("tag", OTHERS)
    def test_a_bad_configuration(self, client: TestClient, tag: str) -> None:
        config = {**SFT, "num_epochs": -1, "lr_scheduler": "cosin", "use_lora": "maybe", "epochs": 3, "seed": 1.5}
        body = {"recipe": "sft", "config": config}
        answer = client.post("/api/v1/runs", json=body, headers={"Accept-Language": tag})
        errors = answer.json()["error"]["errors"]
        assert {error["field"] for error in errors} == {"num_epochs", "lr_scheduler", "use_lora", "epochs", "seed"}
        assert [error for error in errors if not LETTERS[tag].search(error["message"])] == []
        assert answer.headers["Content-Language"] == tag

    @pytest.mark.parametrize("tag", OTHERS)
    def test_what_is_wrong_with_an_upload(self, client: TestClient, tag: str) -> None:
        uploads = "/api/v1/uploads"
        begun = client.post(uploads, json={"filename": "rows.jsonl", "size_bytes": 9}).json()["id"]
        for path, body in ((uploads, {"filename": "a", "size_bytes": 2**50}), (f"{uploads}/{begun}/complete", {})):
            answer = client.post(path, json=body, headers={"Accept-Language": tag})
            assert LETTERS[tag].search(answer.json()["error"]["message"]), answer.text

    def test_suggests_the_word_that_was_perhaps_meant(self, client: TestClient) -> None:
        body = {"recipe": "sft", "config": {**SFT, "lr_scheduler": "cosin"}}
        [error] = client.post("/api/v1/runs", json=body).json()["error"]["errors"]
        assert error["field"] == "lr_scheduler"
        assert error["message"].endswith("; did you mean 'cosine'?")

    @pytest.mark.parametrize("tag", OTHERS)
    def test_settings_are_described_in_each_language(self, client: TestClient, tag: str) -> None:
        described = {group.title for group in GROUPS}
        for recipe in RECIPES.values():
            reference = reference_of(recipe)
            described.add(reference.title)
            for setting in reference.settings:
                described |= {setting.description, setting.auto_rule, setting.unit} - {""}
        assert settings_catalogue_of(tag).keys() == described
        told = client.get("/api/v1/recipes/sft", headers={"Accept-Language": tag}).json()
        assert told["title"] == settings_catalogue_of(tag)["supervised fine-tuning"]
        assert told["settings"][0]["description"] in settings_catalogue_of(tag).values()
