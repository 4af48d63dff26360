from starlette.testclient import TestClient


class TestList:
    def test_names_and_titles(self, client: TestClient) -> None:
        listed = client.get("/api/v1/recipes").json()["recipes"]
        assert {"name": "sft", "title": "supervised fine-tuning"} in listed

    def test_titles_in_the_language_that_is_asked_for(self, client: TestClient) -> None:
        listed = client.get("/api/v1/recipes", headers={"Accept-Language": "ja"})
        assert {"name": "sft", "title": "教師ありファインチューニング"} in listed.json()["recipes"]
        assert (listed.headers["content-language"], listed.headers["vary"]) == ("ja", "Accept-Language")


class TestGet:
    def test_settings_and_schema(self, client: TestClient) -> None:
        recipe = client.get("/api/v1/recipes/kto").json()
        (beta,) = [setting for setting in recipe["settings"] if setting["name"] == "beta"]
        assert (beta["default"], beta["takes_auto"], beta["bounds"]) == (0.1, True, "above 0, at most 100")
        assert beta["description"] == recipe["config_schema"]["properties"]["beta"]["description"] != ""

    def test_in_the_language_that_is_asked_for(self, client: TestClient) -> None:
        recipe = client.get("/api/v1/recipes/sft", headers={"Accept-Language": "zh-Hans"}).json()
        settings = {setting["name"]: setting for setting in recipe["settings"]}
        length, epochs = settings["max_length"], settings["num_epochs"]
        assert (length["unit"], length["bounds"]) == ("词元", "8 到 1,048,576")
        assert (epochs["unit"], epochs["bounds"]) == ("轮", "大于 0，不大于 10,000")
        assert "模型的上下文长度" in length["auto_rule"]
        assert settings["secrets"]["bounds"] == "最多 20 项"
        assert (recipe["title"], recipe["groups"][0]["title"]) == ("监督微调", "常用设置")
        english = client.get("/api/v1/recipes/sft").json()
        assert english["settings"][0]["description"].startswith("A built-in model")

    def test_the_nearest_is_told(self, client: TestClient) -> None:
        answer = client.get("/api/v1/recipes/gpro")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "recipe_not_found")
        assert error["message"] == "there is no recipe 'gpro'; did you mean 'grpo'?"

    def test_every_setting_stands_in_one_group(self, client: TestClient) -> None:
        for name in ("sft", "grpo", "command"):
            recipe = client.get(f"/api/v1/recipes/{name}").json()
            grouped = [setting for group in recipe["groups"] for setting in group["settings"]]
            assert sorted(grouped) == sorted(setting["name"] for setting in recipe["settings"])
            assert recipe["groups"][0]["name"] == "basic"
        sft = client.get("/api/v1/recipes/sft").json()
        assert sft["groups"][0]["settings"][:2] == ["model_name", "dataset_path"]
        (rate, modules) = (
            next(setting for setting in sft["settings"] if setting["name"] == name)
            for name in ("num_epochs", "lora_target_modules")
        )
        assert (rate["unit"], rate["takes_auto"], rate["takes_lists"]) == ("epochs", True, False)
        assert "8,333" in rate["auto_rule"]
        assert modules["takes_lists"] is True
