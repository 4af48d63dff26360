"""The built-in models, as the trainers' tests make them."""

from tests.trainers.conftest import cache, instruct, tiny_llama

__all__ = ["cache", "instruct", "tiny_llama"]
