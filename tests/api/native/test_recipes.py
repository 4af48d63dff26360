from starlette.testclient import TestClient


class TestList:
    def test_names_and_titles(self, client: TestClient) -> None:
        listed = client.get("/api/v1/recipes").json()["recipes"]
        assert {"name": "sft", "title": "supervised fine-tuning"} in listed


class TestGet:
    def test_settings_and_schema(self, client: TestClient) -> None:
        recipe = client.get("/api/v1/recipes/kto").json()
        (beta,) = [setting for setting in recipe["settings"] if setting["name"] == "beta"]
        assert (beta["default"], beta["takes_auto"], beta["bounds"]) == (0.1, True, "above 0, at most 100")
        assert beta["description"] == recipe["config_schema"]["properties"]["beta"]["description"] != ""

    def test_the_nearest_is_told(self, client: TestClient) -> None:
        answer = client.get("/api/v1/recipes/gpro")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "recipe_not_found")
        assert error["message"] == "there is no recipe 'gpro'; did you mean 'grpo'?"
