"""Tells messages of runs in OpenAI's words: settings have other names there, or are the server's own choice."""

import re
from collections.abc import Mapping

REMEDIES: Mapping[str, str] = {
    r"; name one that writes them as chat_template": "; choose a model whose chat template writes them",
    r"name a chat_template that does the same": "choose a model whose template does the same",
    r"choose another chat_template( for it)?": "choose another model",
    r"train it in full first \(recipe sft or cpt, use_lora false\), or choose": "choose",
    r"raise max_length, or make the rows shorter": "make the rows shorter",
    r", with more gradient_accumulation_steps": "",
    r"what would fit: .*": "choose a smaller model",
    r", a higher temperature or more n_generations": "",
}
"""A remedy that names a setting that a fine-tuning request does not have → one that its sender can follow."""
NAMES: Mapping[str, str] = {
    r"max_length ([\d,]+)": r"the limit of \1 tokens a row",
    r"max_length": "the limit of tokens a row",
    r"num_epochs": "n_epochs",
    r"learning_rate ([\d.e-]+)": r"learning rate \1",
    r"learning_rate": "learning_rate_multiplier",
    r"eval_steps": "eval_interval",
    r"eval_generations": "eval_samples",
    r"model_name": "model",
    r"eval_dataset_path": "validation_file",
    r"dataset_path": "training_file",
}
_WORDS = [(re.compile(pattern), words) for pattern, words in REMEDIES.items()]
_WORDS += [(re.compile(rf"\b{pattern}(?!\w)"), words) for pattern, words in NAMES.items()]


def in_openai_words(message: str) -> str:
    for pattern, words in _WORDS:
        message = pattern.sub(words, message)
    return message
