import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from finery.kit.secretbox import KEY_FILE, KeyUnusable, SecretBox, Undecipherable


class TestSecretBox:
    def test_what_goes_in_comes_out(self, tmp_path: Path) -> None:
        token = SecretBox(tmp_path).encrypt("hf_ключ\n🔑")
        assert "hf_" not in token
        assert SecretBox(tmp_path).decrypt(token) == "hf_ключ\n🔑"

    def test_equal_values_look_different(self, tmp_path: Path) -> None:
        box = SecretBox(tmp_path)
        assert box.encrypt("same") != box.encrypt("same")

    def test_the_key_is_its_owners_only(self, tmp_path: Path) -> None:
        SecretBox(tmp_path / "new").encrypt("x")
        folder = tmp_path / "new"
        assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
        assert [path.name for path in folder.iterdir()] == [KEY_FILE]

    def test_many_at_once_draw_one_key(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(16) as pool:
            tokens = list(pool.map(lambda number: SecretBox(tmp_path).encrypt(str(number)), range(16)))
        assert [SecretBox(tmp_path).decrypt(token) for token in tokens] == [str(number) for number in range(16)]
        assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]

    @pytest.mark.parametrize("change", ["another key", "a changed value", "no value at all"])
    def test_refuses_what_it_did_not_write(self, tmp_path: Path, change: str) -> None:
        token = SecretBox(tmp_path / "ours").encrypt("x")
        SecretBox(tmp_path / "other").encrypt("y")
        box = SecretBox(tmp_path / ("other" if change == "another key" else "ours"))
        changed = {"another key": token, "a changed value": token[:-4] + "AAA=", "no value at all": "plain"}[change]
        with pytest.raises(Undecipherable):
            box.decrypt(changed)

    @pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 44])
    def test_a_broken_key_is_named(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / KEY_FILE).write_bytes(content)
        with pytest.raises(KeyUnusable, match=KEY_FILE.replace(".", r"\.")):
            SecretBox(tmp_path).encrypt("x")

    def test_a_key_that_is_gone_is_not_drawn_anew_to_read(self, tmp_path: Path) -> None:
        box = SecretBox(tmp_path)
        token = box.encrypt("x")
        (tmp_path / KEY_FILE).unlink()
        with pytest.raises(KeyUnusable, match="is gone"):
            box.decrypt(token)
        assert list(tmp_path.iterdir()) == []

    def test_what_is_encrypted_after_the_key_was_lost_can_be_read(self, tmp_path: Path) -> None:
        box = SecretBox(tmp_path)
        box.encrypt("x")
        (tmp_path / KEY_FILE).unlink()
        assert SecretBox(tmp_path).decrypt(box.encrypt("y")) == "y"


class TestDerive:
    def test_the_same_for_the_same_purpose_and_key(self, tmp_path: Path) -> None:
        one, other = SecretBox(tmp_path / "one"), SecretBox(tmp_path / "other")
        assert one.derive("engine:a") == SecretBox(tmp_path / "one").derive("engine:a")
        assert len({one.derive("engine:a"), one.derive("engine:b"), other.derive("engine:a")}) == 3
        assert (tmp_path / "one" / KEY_FILE).read_text() not in one.derive("engine:a")

    def test_without_a_usable_key(self, tmp_path: Path) -> None:
        (tmp_path / KEY_FILE).write_text("no key")
        with pytest.raises(KeyUnusable):
            SecretBox(tmp_path).derive("engine:a")
