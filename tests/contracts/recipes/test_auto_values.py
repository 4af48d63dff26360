import pytest

from finery.contracts.recipes import RECIPES
from finery.contracts.recipes.auto_values import AUTO, choose


def chosen(key: str, *, recipe: str = "sft", rows: int = 1000, parameters: int = 10**9, **config: object) -> object:
    return choose({key: AUTO, **config}, recipe=RECIPES[recipe], rows=rows, parameters=parameters)[key]


class TestChoose:
    @pytest.mark.parametrize(
        ("rows", "epochs"),
        [(1, 25), (4, 25), (10, 10), (33, 3), (34, 3), (8333, 3), (8334, 2), (25_000, 1), (10**7, 1)],
    )
    def test_epochs_aim_at_a_hundred_rows_at_least_and_25_000_at_most(self, rows: int, epochs: int) -> None:
        assert chosen("num_epochs", rows=rows) == epochs

    @pytest.mark.parametrize(
        ("rows", "size"), [(1, 1), (3, 3), (187, 4), (2000, 4), (2001, 8), (10_000, 32), (10**6, 128)]
    )
    def test_batches_hold_a_five_hundredth_of_the_rows(self, rows: int, size: int) -> None:
        assert chosen("batch_size", rows=rows) == size

    def test_rate_falls_with_size(self) -> None:
        rates = [chosen("learning_rate", parameters=size, use_lora=False) for size in (10**6, 10**8, 10**9, 7 * 10**9)]
        assert rates == [2e-3, 9.3e-5, 2e-5, 1e-5]

    def test_an_adapter_takes_ten_times_as_much(self) -> None:
        assert chosen("learning_rate", use_lora=True) == 2e-4
        assert chosen("learning_rate", parameters=10**6, use_lora=True) == 3e-3

    def test_preferences_take_a_twentieth(self) -> None:
        assert chosen("learning_rate", recipe="dpo", use_lora=False) == 1e-6

    @pytest.mark.parametrize(("parameters", "lora"), [(1_400_000, False), (199_999_999, False), (200_000_000, True)])
    def test_large_models_get_adapters(self, parameters: int, lora: bool) -> None:
        assert chosen("use_lora", parameters=parameters) is lora

    def test_the_rate_follows_the_method_that_is_chosen_with_it(self) -> None:
        both = choose({"learning_rate": AUTO, "use_lora": AUTO}, recipe=RECIPES["sft"], rows=10, parameters=10**9)
        assert both == {"learning_rate": 2e-4, "use_lora": True}

    def test_what_is_given_is_left_alone(self) -> None:
        assert choose({"num_epochs": 7, "precision": AUTO}, recipe=RECIPES["sft"], rows=10, parameters=1) == {}
