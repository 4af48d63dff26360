import pytest

from finery.api.openai.fine_tuning_words import in_openai_words
from finery.contracts.recipes import DpoConfig, GrpoConfig, SftConfig

TOLD = {
    "line 1 (row 1): the chat template leaves out tool calls; name one that writes them as chat_template": (
        "line 1 (row 1): the chat template leaves out tool calls; choose a model whose chat template writes them"
    ),
    "the chat template takes more than 5 seconds; choose another chat_template": (
        "the chat template takes more than 5 seconds; choose another model"
    ),
    "max_length 1024 cuts off all that is learned; the longest row has 2,000 tokens": (
        "the limit of 1024 tokens a row cuts off all that is learned; the longest row has 2,000 tokens"
    ),
    "file-a: 3 of 9 rows cut to max_length, 70 tokens are lost; raise max_length, or make the rows shorter": (
        "file-a: 3 of 9 rows cut to the limit of tokens a row, 70 tokens are lost; make the rows shorter"
    ),
    "a batch of 64 needs about 9 GiB, and the largest GPU has 8 GiB: choose batch_size 32, with more "
    "gradient_accumulation_steps": (
        "a batch of 64 needs about 9 GiB, and the largest GPU has 8 GiB: choose batch_size 32"
    ),
    "even a batch of 1 needs about 9 GiB, and this machine has 8 GiB of main memory; what would fit: max_length 256; "
    "use_lora with gradient_checkpointing": (
        "even a batch of 1 needs about 9 GiB, and this machine has 8 GiB of main memory; choose a smaller model"
    ),
    "try a higher learning_rate or more num_epochs (a lower learning_rate where it rose), and look at the rows": (
        "try a higher learning_rate_multiplier or more n_epochs (a lower learning_rate_multiplier where it rose), and "
        "look at the rows"
    ),
    "an adapter cannot teach it to write: train it in full first (recipe sft or cpt, use_lora false), or choose a "
    "trained base": "an adapter cannot teach it to write: choose a trained base",
    "choose a grader that gives parts of the score, easier or harder prompts, a higher temperature or more "
    "n_generations": ("choose a grader that gives parts of the score, easier or harder prompts"),
    "chosen automatically: num_epochs 3, batch_size 4, learning_rate 0.001": (
        "chosen automatically: n_epochs 3, batch_size 4, learning rate 0.001"
    ),
    "dataset_path: there is no file 'a'": "training_file: there is no file 'a'",
    "my_learning_rate.jsonl: line 3 (row 3): messages[0].role: must be text": (
        "my_learning_rate.jsonl: line 3 (row 3): messages[0].role: must be text"
    ),
}
SAME = {"batch_size", "beta", "learning_rate_multiplier", "seed", "grader", "packing"}
"""Settings with one name in both, and one whose name is a word of English."""


class TestInOpenAIWords:
    @pytest.mark.parametrize(("ours", "theirs"), TOLD.items())
    def test_tells(self, ours: str, theirs: str) -> None:
        assert in_openai_words(ours) == theirs
        assert in_openai_words(theirs) == theirs

    def test_names_no_setting_that_a_request_does_not_have(self) -> None:
        ours = {name for config in (SftConfig, DpoConfig, GrpoConfig) for name in config.model_fields} - SAME
        told = [in_openai_words(message).split() for message in TOLD]
        assert [word for words in told for word in words if word.strip(",;:()") in ours] == []
