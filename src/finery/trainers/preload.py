"""Imports the libraries of the recipes, for the warm parent process from which trainers are forked.

No tensor, tokenizer, CUDA call or thread pool may be made here: threads and device contexts do not survive a fork,
so that only a process that has merely imported can be forked safely.
"""

import importlib

from transformers import LlamaForCausalLM

from finery.contracts.recipes import RECIPES
from finery.trainers.registry import module_of

__all__ = ["LlamaForCausalLM"]
"""No trainer imports it: transformers finds architectures by name, and the built-in models are Llamas."""

for recipe in RECIPES.values():
    if recipe.warm_start:
        importlib.import_module(module_of(recipe.trainer))
