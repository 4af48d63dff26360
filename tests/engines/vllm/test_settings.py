from pathlib import Path

import pytest

from finery.engines.vllm.settings import DEFAULT_COMMAND, CommandRefused, VllmSettings, fill_command, split_command


class TestSplitCommand:
    @pytest.mark.parametrize(
        ("template", "message"),
        [
            ("", "empty"),
            ("vllm serve {model} --port {port}", r"lacks the placeholder \{name\}"),
            ("vllm {modell} {port} {name}", r"unknown placeholder \{modell\}; known: \{model\}"),
            ("vllm {} {model} {port} {name}", r"unknown placeholder \{\}"),
            ("vllm '{model} {port} {name}", "cannot be split"),
            ("vllm {model} {port} {name} {", "cannot be split"),
        ],
    )
    def test_refuses_what_could_start_nothing(self, template: str, message: str) -> None:
        with pytest.raises(CommandRefused, match=message):
            split_command(template)

    def test_the_default_is_one(self) -> None:
        assert split_command(DEFAULT_COMMAND)[:2] == ["vllm", "serve"]


class TestFillCommand:
    def test_a_value_is_one_argument_whatever_it_holds(self) -> None:
        template = "vllm serve {model} --port {port} --served-model-name={name} --override '{{\"a\": 1}}'"
        found = fill_command(template, model="/a b; rm {port}", port=8100, name="x' $(y)")
        assert found == [
            *("vllm", "serve", "/a b; rm {port}", "--port", "8100", "--served-model-name=x' $(y)"),
            *("--override", '{"a": 1}'),
        ]


class TestExecutable:
    def test_beside_the_given_python_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for folder in ("environment", "path"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "vllm").write_text("#!/bin/sh\n")
            (tmp_path / folder / "vllm").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "path"))
        assert VllmSettings().executable() == str(tmp_path / "path" / "vllm")
        python = tmp_path / "environment" / "python"
        assert VllmSettings(python=python).executable() == str(tmp_path / "environment" / "vllm")

    def test_nowhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert VllmSettings(python=tmp_path / "python").executable() is None
