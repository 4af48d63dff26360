"""Names of the Hugging Face hub's models: `organization/name`, and the single words of its first years."""

import re

HUB_SCHEME = "hf://"
"""Prefix that says that a hub id follows and not a folder, as in the hub's own tools."""
HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")

_FIRST_YEARS = {
    "openai-community": ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "openai-gpt"),
    "distilbert": (
        "distilgpt2", "distilroberta-base", "distilbert-base-cased", "distilbert-base-uncased",
        "distilbert-base-multilingual-cased",
    ),
    "google-bert": (
        "bert-base-cased", "bert-base-uncased", "bert-large-cased", "bert-large-uncased", "bert-base-chinese",
        "bert-base-multilingual-cased", "bert-base-multilingual-uncased",
    ),
    "FacebookAI": ("roberta-base", "roberta-large", "xlm-roberta-base", "xlm-roberta-large"),
    "albert": ("albert-base-v1", "albert-base-v2", "albert-large-v2", "albert-xlarge-v2", "albert-xxlarge-v2"),
    "xlnet": ("xlnet-base-cased", "xlnet-large-cased"),
    "google-t5": ("t5-small", "t5-base", "t5-large", "t5-3b", "t5-11b"),
    "almanach": ("camembert-base",),
    "Salesforce": ("ctrl",),
}  # fmt: skip

ONE_WORD_NAMES: dict[str, str] = {word: f"{owner}/{word}" for owner, words in _FIRST_YEARS.items() for word in words}
"""Legacy name → canonical name. The hub still accepts these and creates no new ones."""
