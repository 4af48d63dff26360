from pathlib import Path

import pytest

from finery.app.settings import SettingsError, load_settings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("FINERY_HOME", "FINERY_PORT", "TRAINING_DB_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


class TestLoadSettings:
    def test_defaults(self, environment: pytest.MonkeyPatch) -> None:
        settings = load_settings({})
        assert (settings.host, settings.port, settings.home) == ("127.0.0.1", 8001, Path.cwd())
        assert settings.database_url == "sqlite:///./training.db"
        assert settings.cpu_slots >= 1

    def test_from_the_environment(self, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
        environment.setenv("FINERY_HOME", str(tmp_path))
        environment.setenv("FINERY_ALLOWED_ROOTS", "/data:/models")
        environment.setenv("FINERY_ALLOWED_HOSTS", "gpu.lan, box:8001")
        environment.setenv("TRAINING_DB_URL", "postgresql://db/finery")
        settings = load_settings({})
        assert settings.home == tmp_path
        assert settings.allowed_roots == ["/data", "/models"]
        assert settings.allowed_hosts == ["gpu.lan", "box:8001"]
        assert settings.database_url == "postgresql://db/finery"

    def test_a_variable_that_is_no_setting(self) -> None:
        with pytest.raises(SettingsError, match="FINERY_PROT is no setting; did you mean FINERY_PORT"):
            load_settings({"FINERY_PROT": "1"})

    def test_other_programs_variables(self, environment: pytest.MonkeyPatch) -> None:
        load_settings(
            {"FINERY_URL": "x", "FINERY_API_KEY": "x", "FINERY_FAILPOINTS": "x", "FINERY_TEST_DATABASES": "x"}
        )

    def test_a_bad_value(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("FINERY_PORT", "70000")
        with pytest.raises(SettingsError, match=r"FINERY_PORT: .*65535"):
            load_settings({})
