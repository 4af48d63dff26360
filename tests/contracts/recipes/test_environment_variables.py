import pytest
from pydantic import ValidationError

from finery.contracts.recipes import CommandConfig, RecipeConfig, SftConfig
from finery.contracts.recipes.environment_variables import (
    CREDENTIALS,
    check_secret_name,
    check_variable,
    steers_programs,
    steers_trainers,
)
from finery.executors.local.environment import PASSED
from finery.scheduler.run_launch import PROCESS_ENVIRONMENT

STEERING = [
    *("PATH", "HOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONSTARTUP", "CUDA_VISIBLE_DEVICES"),
    *("NVIDIA_VISIBLE_DEVICES", "FINERY_ATTEMPT_DIR", "FINERY_PROCESS_MARK", "OMP_NUM_THREADS", "BASH_ENV", "ENV"),
    *("MALLOC_TRIM_THRESHOLD_", "IFS", "SHELL", "HTTP_PROXY", "https_proxy", "No_Proxy", "CURL_CA_BUNDLE", "RANK"),
    *("HF_ENDPOINT", "HF_HUB_OFFLINE", "SSL_CERT_FILE"),
]


def sft(**config: object) -> SftConfig:
    return SftConfig.model_validate({"model_name": "m", "dataset_path": "d", **config})


class TestCheckSecretName:
    @pytest.mark.parametrize("name", ["HF_TOKEN", "my_secret", "_A_KEY", "WANDB_API_KEY", "S3_URL", "x" * 124 + "_KEY"])
    def test_names_of_credentials(self, name: str) -> None:
        assert check_secret_name(name) == name

    @pytest.mark.parametrize(
        "name",
        [
            *("OPENSSL_CONF", "OPENSSL_MODULES", "SSLKEYLOGFILE", "GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND"),
            *("GIT_CONFIG_VALUE_0", "_WANDB_CORE_PATH", "WANDB_DIR", "AWS_CONFIG_FILE", "HF_MODULES_CACHE", "CC"),
            *("TRITON_PTXAS_PATH", "MPLBACKEND", "EDITOR", "MINE", "KEY", "_"),
        ],
    )
    def test_what_a_library_may_load_or_run(self, name: str) -> None:
        with pytest.raises(ValueError, match="credentials only"):
            check_secret_name(name)
        assert check_variable(name) == name

    @pytest.mark.parametrize("name", ["", "1A", "A-B", "A.B", "A B", "A=B", "A\n", "Ä", "x" * 129])
    def test_what_names_none(self, name: str) -> None:
        with pytest.raises(ValueError, match="names a variable"):
            check_secret_name(name)

    @pytest.mark.parametrize("name", STEERING)
    def test_what_steers_the_machine(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"{name} steers the machine"):
            check_secret_name(name)

    def test_no_variable_of_the_server_can_be_replaced(self) -> None:
        assert [name for name in {*PASSED, *PROCESS_ENVIRONMENT} if not steers_trainers(name)] == []

    def test_credentials_can_be_stored(self) -> None:
        assert {check_secret_name(name) for name in CREDENTIALS} == CREDENTIALS


class TestSteersPrograms:
    @pytest.mark.parametrize(
        "name", ["LD_PRELOAD", "PATH", "CUDA_VISIBLE_DEVICES", "BASH_ENV", "FINERY_EVENTS", "DYLD_X", "BASH_FUNC_ls%%"]
    )
    def test_is_the_servers(self, name: str) -> None:
        assert steers_programs(name)

    @pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "PYTHONUNBUFFERED", "HTTP_PROXY", "CUDA_LAUNCH_BLOCKING"])
    def test_a_program_of_the_users_has_its_own_settings(self, name: str) -> None:
        assert not steers_programs(name)


class TestSecrets:
    def test_are_names(self) -> None:
        assert sft(secrets=["HF_TOKEN", "MY_KEY"]).secrets == ["HF_TOKEN", "MY_KEY"]
        assert sft().secrets == []

    @pytest.mark.parametrize(
        ("secrets", "place"), [(["A_KEY", "PATH"], ("secrets", 1)), (["A_KEY"] * 21, ("secrets",)), ("A", ("secrets",))]
    )
    @pytest.mark.parametrize("recipe", [SftConfig, CommandConfig])
    def test_issues_are_placed(self, recipe: type[RecipeConfig], secrets: object, place: tuple[object, ...]) -> None:
        body = {"secrets": secrets, "argv": ["x"], "model_name": "m", "dataset_path": "d"}
        config = {name: body[name] for name in body if name in recipe.model_fields}
        with pytest.raises(ValidationError) as caught:
            recipe.model_validate(config)
        assert [error["loc"] for error in caught.value.errors()] == [place]

    def test_a_program_is_told_anything(self) -> None:
        assert CommandConfig(argv=["x"], secrets=["MINE"]).secrets == ["MINE"]
        with pytest.raises(ValidationError, match="credentials only"):
            sft(secrets=["MINE"])

    def test_a_variable_has_one_source(self) -> None:
        with pytest.raises(ValidationError, match="TOKEN is one of the run's secrets"):
            CommandConfig.model_validate({"argv": ["x"], "secrets": ["TOKEN"], "environment": {"TOKEN": "x"}})


class TestCustomarySecrets:
    @pytest.mark.parametrize("model", ["org/model", "gpt2"])
    def test_the_hub_needs_its_token(self, model: str) -> None:
        assert sft().optional_secrets(model) == ["HF_TOKEN"]

    @pytest.mark.parametrize("model", ["finery/tiny-llama", "/home/outputs/x"])
    def test_what_is_here_needs_none(self, model: str) -> None:
        assert sft().optional_secrets(model) == []

    def test_trackers_need_theirs(self) -> None:
        wanted = sft(report_to=["tensorboard", "wandb"]).optional_secrets("finery/tiny-llama")
        assert wanted == ["WANDB_API_KEY", "WANDB_BASE_URL"]
        assert "MLFLOW_TRACKING_TOKEN" in sft(report_to=["mlflow"]).optional_secrets("finery/tiny-llama")
        assert sft(report_to=["trackio"]).optional_secrets("finery/tiny-llama") == ["HF_TOKEN"]

    def test_a_command_gets_what_it_names_and_no_more(self) -> None:
        assert CommandConfig(argv=["x"]).optional_secrets("") == []
