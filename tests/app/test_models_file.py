from pathlib import Path

import pytest

from finery.app.errors import StartRefused
from finery.app.models_file import read_model_table
from finery.app.settings import Settings
from finery.engines.registry import ENGINES


class TestReadModelTable:
    def test_from_home_where_there_is_one(self, home: Path) -> None:
        assert read_model_table(Settings(home=home), ENGINES) == {}
        (home / "models.yaml").write_text("models:\n  gpt-4o-mini: finery/tiny-llama\n")
        assert read_model_table(Settings(home=home), ENGINES)["gpt-4o-mini"].model == "finery/tiny-llama"

    def test_from_the_file_that_is_named(self, home: Path, tmp_path: Path) -> None:
        (home / "models.yaml").write_text("models:\n  a: b\n")
        (tmp_path / "other.json").write_text('{"models": {"c": {"model": "d", "max_context": 64}}}')
        table = read_model_table(Settings(home=home, models_file=tmp_path / "other.json"), ENGINES)
        assert {name: (entry.model, entry.max_context) for name, entry in table.items()} == {"c": ("d", 64)}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("models:\n  a: b\n  a: c\n", "models.yaml: line 3: the key 'a' is there twice"),
            ("models:\n  a: {modell: b}\n", r"models.yaml: models.a.modell: "),
            (
                "models:\n  a: {model: b, engine: vlm}\n",
                "a.engine: there is no engine 'vlm'; did you mean 'vllm'",
            ),
            ("models: !!python/object:os.system {}\n", "the tag"),
        ],
    )
    def test_a_bad_one_is_one_line(self, home: Path, text: str, message: str) -> None:
        (home / "models.yaml").write_text(text)
        with pytest.raises(StartRefused, match=message) as caught:
            read_model_table(Settings(home=home), ENGINES)
        assert "\n" not in str(caught.value)

    def test_one_that_is_named_has_to_be_there(self, home: Path) -> None:
        with pytest.raises(StartRefused, match="cannot be read"):
            read_model_table(Settings(home=home, models_file=home / "none.yaml"), ENGINES)
