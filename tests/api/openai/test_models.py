import pytest
from openai import NotFoundError, OpenAI


class TestBaseUrl:
    def test_without_v1_is_told(self, base_url: str) -> None:
        client = OpenAI(base_url=base_url, api_key="any", max_retries=0)
        with pytest.raises(NotFoundError, match="OpenAI's API is below /v1"):
            client.models.list()
        with pytest.raises(NotFoundError, match="OpenAI's API is below /v1"):
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])


class TestModels:
    def test_what_is_listed_can_be_retrieved(self, sdk: OpenAI) -> None:
        listed = sdk.models.list().data
        assert "finery/tiny-llama" in {model.id for model in listed}
        assert [sdk.models.retrieve(model.id) for model in listed] == listed

    def test_a_built_in_one_has_a_date(self, sdk: OpenAI) -> None:
        assert sdk.models.retrieve("finery/tiny-llama").created > 1_700_000_000

    @pytest.mark.parametrize(
        "name", ["none", "somebody/anything", "gpt-4o-mini", "finery/none", "ft:a:finery::none", "../x"]
    )
    def test_what_is_not_here(self, sdk: OpenAI, name: str) -> None:
        with pytest.raises(NotFoundError) as refused:
            sdk.models.retrieve(name)
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
