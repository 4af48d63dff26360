"""For the warm parent: imports what the recipes need, and does nothing else.

No tensor, tokenizer, CUDA call or thread pool may come to life here: the parent forks, and only a process
that has merely imported can be forked from without harm.
"""

import datasets
import peft
import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from trl import DPOTrainer, GRPOTrainer, KTOTrainer, RewardTrainer, SFTTrainer

import finery.trainers.cpt
import finery.trainers.dpo
import finery.trainers.grpo
import finery.trainers.kto
import finery.trainers.reward
import finery.trainers.sft

__all__ = [
    "AutoModelForCausalLM",
    "AutoModelForSequenceClassification",
    "AutoTokenizer",
    "DPOTrainer",
    "GRPOTrainer",
    "KTOTrainer",
    "LlamaForCausalLM",
    "PreTrainedTokenizerFast",
    "RewardTrainer",
    "SFTTrainer",
    "datasets",
    "finery",
    "peft",
    "torch",
    "transformers",
]
