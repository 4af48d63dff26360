"""What an administrator sees of the settings."""

from pathlib import Path

import pytest

from finery.app.settings import Settings
from finery.app.settings_in_force import in_force


def told(settings: Settings) -> dict[str, tuple[str, bool]]:
    return {each.variable: (each.value, each.is_default) for each in in_force(settings)}


class TestInForce:
    def test_every_setting_is_told_as_it_is_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FINERY_VLLM_PYTHON", "/opt/vllm/bin/python")
        settings = Settings(
            home=tmp_path, allowed_hosts=["a.example", "b.example"], allowed_roots=["/data", "/more"], remote_setup=True
        )
        found = told(settings)
        assert found["FINERY_HOME"] == (str(tmp_path), False)
        assert found["FINERY_ALLOWED_HOSTS"] == ("a.example,b.example", False)
        assert found["FINERY_ALLOWED_ROOTS"] == ("/data:/more", False)
        assert found["FINERY_REMOTE_SETUP"] == ("true", False)
        assert found["FINERY_VLLM_PYTHON"] == ("/opt/vllm/bin/python", False)
        assert found["FINERY_PORT"] == ("8001", True)
        assert found["FINERY_MODELS_FILE"] == ("", True)

    @pytest.mark.parametrize(
        "url", ["postgresql://me:geheim@db.example/finery", "mysql://me@db.example/finery?password=geheim"]
    )
    def test_the_databases_password_is_left_out(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRAINING_DB_URL", url)
        value, is_default = told(Settings())["TRAINING_DB_URL"]
        assert "geheim" not in value
        assert "db.example/finery" in value
        assert not is_default

    def test_a_token_in_a_command_is_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        command = "vllm serve {model} --port {port} --served-model-name {name} --hf-token geheim --api-key=geheim"
        monkeypatch.setenv("FINERY_VLLM_COMMAND", f"env HF_TOKEN=geheim {command}")
        value, _ = told(Settings())["FINERY_VLLM_COMMAND"]
        assert "geheim" not in value
        assert " vllm serve {model} --port {port}" in value
