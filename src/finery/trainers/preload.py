"""For the warm parent: imports what the recipes need, and does nothing else.

No tensor, tokenizer, CUDA call or thread pool may come to life here: the parent forks, and only a process
that has merely imported can be forked from without harm.
"""

import importlib

from transformers import LlamaForCausalLM

from finery.contracts.recipes import RECIPES
from finery.trainers.registry import module_of

__all__ = ["LlamaForCausalLM"]
"""Imported by name only, and by no trainer: the built-in models are of it, and many others."""

for recipe in RECIPES.values():
    if recipe.warm_start:
        importlib.import_module(module_of(recipe.trainer))
