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

    def test_a_command_that_could_not_start_vllm(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("FINERY_VLLM_COMMAND", "vllm serve {modell} --port {port}")
        with pytest.raises(SettingsError, match=r"FINERY_VLLM_COMMAND.*unknown placeholder \{modell\}"):
            load_settings({})

    def test_a_variable_that_is_no_setting(self) -> None:
        with pytest.raises(SettingsError, match="FINERY_PROT is no setting; did you mean FINERY_PORT"):
            load_settings({"FINERY_PROT": "1"})

    def test_one_that_is_near_none_is_told_all(self) -> None:
        with pytest.raises(SettingsError, match=r"FINERY_DATABASE_URL is no setting; known: .*TRAINING_DB_URL"):
            load_settings({"FINERY_DATABASE_URL": "1"})

    def test_other_programs_variables(self, environment: pytest.MonkeyPatch) -> None:
        names = ("FINERY_URL", "FINERY_API_KEY", "FINERY_FAILPOINTS", "FINERY_BENCH_UPLOAD_MIB")
        assert load_settings(dict.fromkeys(names, "x")) == load_settings({})

    def test_switches_and_times(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("FINERY_REMOTE_SETUP", "true")
        environment.setenv("FINERY_HEAD_TIMEOUT_SECONDS", "1.5")
        environment.setenv("FINERY_BODY_TIMEOUT_SECONDS", "2.5")
        environment.setenv("FINERY_MAX_CONNECTIONS", "10")
        settings = load_settings({})
        assert settings.remote_setup
        assert (settings.head_timeout_seconds, settings.body_timeout_seconds) == (1.5, 2.5)
        assert settings.max_connections == 10

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("HEAD_TIMEOUT_SECONDS", "0", "0.1"),
            ("HEAD_TIMEOUT_SECONDS", "nan", "3600"),
            ("BODY_TIMEOUT_SECONDS", "3601", "3600"),
            ("MAX_CONNECTIONS", "0", "1"),
            ("REMOTE_SETUP", "maybe", "true or false"),
            ("TRUSTED_PROXIES", "10.0.0.1,proxy.lan", "proxy.lan"),
            ("TRUSTED_PROXIES", "0.0.0.0/0", "everybody"),
            ("WEBHOOK_ALLOW_PRIVATE", "10.0.0.0/8,hooks.lan", "hooks.lan"),
            ("ALLOWED_ORIGINS", "*", "no origin"),
            ("ALLOWED_ORIGINS", "page.example", "no origin"),
            ("ALLOWED_ORIGINS", "https://", "no origin"),
            ("ALLOWED_ORIGINS", "https://page.example/", "no origin"),
            ("ALLOWED_ORIGINS", "https://Page.example", "no origin"),
            ("ALLOWED_ORIGINS", "https://page.example:443", "no origin"),
            ("ALLOWED_ORIGINS", "https://me@page.example", "no origin"),
            ("ALLOWED_ORIGINS", "ftp://page.example", "no origin"),
            ("ALLOWED_ORIGINS", "Null", "no origin"),
            ("ALLOWED_ORIGINS", "file://", "no origin"),
        ],
    )
    def test_what_cannot_be_honoured(self, environment: pytest.MonkeyPatch, name: str, value: str, reason: str) -> None:
        environment.setenv(f"FINERY_{name}", value)
        with pytest.raises(SettingsError, match=f"^FINERY_{name}: .*{reason}"):
            load_settings({})

    def test_lists(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("FINERY_ALLOWED_ORIGINS", "https://page.example, null,http://page.example:8080")
        environment.setenv("FINERY_TRUSTED_PROXIES", "10.0.0.1, fd00::/8")
        settings = load_settings({})
        assert settings.allowed_origins == ["https://page.example", "null", "http://page.example:8080"]
        assert settings.trusted_proxies == ["10.0.0.1", "fd00::/8"]

    @pytest.mark.parametrize(("given", "lacking"), [("CERTIFICATE", "KEY"), ("KEY", "CERTIFICATE")])
    def test_half_of_tls(self, environment: pytest.MonkeyPatch, given: str, lacking: str) -> None:
        environment.setenv(f"FINERY_TLS_{given}", "a.pem")
        with pytest.raises(SettingsError, match=f"^FINERY_TLS_{given} needs FINERY_TLS_{lacking} beside it$"):
            load_settings({})

    def test_a_bad_value(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("FINERY_PORT", "70000")
        with pytest.raises(SettingsError, match=r"FINERY_PORT: .*65535"):
            load_settings({})
