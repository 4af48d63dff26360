from tests.cli.command import Finery


class TestList:
    def test_from_the_server(self, finery: Finery) -> None:
        ended = finery("recipes", "list")

        assert (ended.code, ended.err) == (0, "")
        assert "supervised fine-tuning" in ended.out

    def test_without_a_server(self, alone: Finery) -> None:
        ended = alone("recipes", "list", "--json")

        assert (ended.code, ended.json["recipes"][0]["name"]) == (0, "sft")
        assert ended.err == "finery: no server answers; this is what is installed here\n"


class TestShow:
    def test_a_setting_on_a_line(self, finery: Finery, alone: Finery) -> None:
        shown, offline = finery("recipes", "show", "sft"), alone("recipes", "show", "sft")

        assert shown.out == offline.out
        assert "sft: supervised fine-tuning" in shown.out
        (rate,) = [line for line in shown.out.splitlines() if line.startswith("learning_rate ")]
        assert 'number or "auto"' in rate
        assert "2e-05" in rate
        assert "above 0, at most 10" in rate
        (model,) = [line for line in shown.out.splitlines() if line.startswith("model_name ")]
        assert "required" in model

    def test_for_programs(self, finery: Finery) -> None:
        recipe = finery("recipes", "show", "dpo", "--json").json

        assert recipe["config_schema"]["properties"]["beta"]["default"] == 0.1

    def test_an_unknown_name(self, finery: Finery, alone: Finery) -> None:
        for ended in (finery("recipes", "show", "sfx"), alone("recipes", "show", "sfx")):
            assert ended.code == 2
            assert ended.err.splitlines()[-1] == "finery: there is no recipe 'sfx'; did you mean 'sft'?"
