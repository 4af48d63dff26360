import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from finery.client import BadConnection, FineryClient, FineryError
from finery.client.credentials import (
    CredentialsRefused,
    StoredKey,
    credentials_path,
    forget_key,
    store_key,
    stored_key,
)
from tests.client.answers import run
from tests.client.scripted import Scripted, ScriptedServer, as_json

URL = "http://127.0.0.1:8001"


def a_key(key: str = "fk_one") -> StoredKey:
    return StoredKey(key=key, key_id="k1", username="mina", expires_at=datetime(2027, 1, 1, tzinfo=UTC))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("FINERY_API_KEY", raising=False)
    return tmp_path / "config" / "finery"


class TestStoreKey:
    def test_only_its_owner_reads_it(self, folder: Path) -> None:
        store_key(URL, a_key())

        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "credentials.json").stat().st_mode) == 0o600
        assert stored_key(URL) == a_key()

    def test_a_folder_that_others_could_read_is_closed(self, folder: Path) -> None:
        folder.mkdir(parents=True, mode=0o755)
        store_key(URL, a_key())

        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_the_newer_one_counts_and_others_stay(self) -> None:
        store_key(URL, a_key("fk_one"))
        store_key("https://example.org", a_key("fk_other"))
        store_key(URL, a_key("fk_two"))

        found = (stored_key(URL), stored_key("https://example.org:443/"))
        assert [each and each.key for each in found] == ["fk_two", "fk_other"]

    def test_many_at_once_lose_none(self) -> None:
        urls = [f"http://127.0.0.1:{9000 + number}" for number in range(8)]
        threads = [threading.Thread(target=store_key, args=(url, a_key())) for url in urls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert all(stored_key(url) for url in urls)

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "config").write_text("a file")

        with pytest.raises(CredentialsRefused, match="cannot be written"):
            store_key(URL, a_key())


class TestStoredKey:
    def test_nobody_logged_in(self) -> None:
        assert stored_key(URL) is None

    @pytest.mark.parametrize("other", ["http://127.0.0.1:8002", "https://127.0.0.1:8001", "http://localhost:8001"])
    def test_another_origin_has_none(self, other: str) -> None:
        store_key(URL, a_key())

        assert stored_key(other) is None

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
    def test_a_file_that_others_can_reach_is_refused(self, mode: int) -> None:
        store_key(URL, a_key())
        credentials_path().chmod(mode)

        with pytest.raises(CredentialsRefused, match=f"chmod 600 {credentials_path()}"):
            stored_key(URL)

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"servers": {"x": {"key": "a\\nb"}}}', '{"servers": 3}'])
    def test_a_malformed_file_is_refused_and_not_shown(self, text: str) -> None:
        store_key(URL, a_key())
        credentials_path().write_text(text)

        with pytest.raises(CredentialsRefused, match="is no file of keys") as caught:
            stored_key(URL)
        assert isinstance(caught.value, BadConnection)


class TestForgetKey:
    def test_is_gone_and_others_stay(self) -> None:
        store_key(URL, a_key())
        store_key("https://example.org", a_key())
        for _ in range(2):
            forget_key(URL)

        assert stored_key(URL) is None
        assert stored_key("https://example.org") is not None


class TestUse:
    def sent(self, server: ScriptedServer, api_key: str | None = None) -> str | None:
        with FineryClient(url=server.url, api_key=api_key) as client:
            client.get_run("ab12cd34")
        return server.asked[-1].headers.get("Authorization")

    def test_what_is_given_goes_before_what_is_set_and_that_before_what_is_stored(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ScriptedServer(as_json(run())) as server:
            assert self.sent(server) is None
            store_key(server.url, a_key("fk_stored"))
            assert self.sent(server) == "Bearer fk_stored"
            monkeypatch.setenv("FINERY_API_KEY", "fk_set")
            assert self.sent(server) == "Bearer fk_set"
            assert self.sent(server, "fk_given") == "Bearer fk_given"
            assert self.sent(server, "") is None

    def test_a_redirect_does_not_carry_it_away(self) -> None:
        with ScriptedServer(as_json(run())) as other:
            away = Scripted(status=307, headers={"Location": f"{other.url}/api/v1/runs/ab12cd34"})
            with ScriptedServer(away) as server:
                store_key(server.url, a_key())
                with pytest.raises(FineryError, match="answered 307"):
                    self.sent(server)
            assert other.asked == []
