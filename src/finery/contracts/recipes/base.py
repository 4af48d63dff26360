"""Base classes of the recipes' configurations: fields of every recipe, of trainings, and of graded trainings."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator

from finery.contracts.graders import Grader
from finery.contracts.inputs import DatasetInput, ModelName
from finery.contracts.numbers import StrictNumbers
from finery.contracts.recipes.environment_variables import OPTIONAL_SECRETS, check_secret_name
from finery.contracts.recipes.trackers import check_field, check_folder, check_tags
from finery.contracts.visible_text import PLAIN
from finery.kit.translatable import Translatable

Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0.0, le=10.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
PathText = Annotated[str, Field(min_length=1, max_length=4096)]
PlainPath = Annotated[str, Field(min_length=1, max_length=4096), PLAIN]
"""A path that others will see: of an output, for example."""
SecretName = Annotated[str, AfterValidator(check_secret_name)]
MODEL, TRAINING, EVALUATION = "model_name", "dataset_path", "eval_dataset_path"
"""The fields of a TrainingConfig that name its base model, training data and evaluation data."""
TargetText = Annotated[str, Field(max_length=10_000)]
TrackerText = Annotated[str, Field(min_length=1, max_length=200)]


class RecipePart(StrictNumbers):
    """Base of the parts of a configuration: the objects in its lists, maps and fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RecipeConfig(StrictNumbers):
    """A recipe's typed configuration. Unknown keys are refused; numbers may come as text (`"1e-5"`)."""

    # defer_build saves time at start: a model that has a configuration as a field builds its own validator for it.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    output_dir: PlainPath | None = None
    """Where the finished model goes, below `outputs/`; `outputs/<run id>` when absent."""
    secrets: Annotated[list[SecretName], Field(max_length=20)] = []
    """Secrets of the run's owner, or else of the server. Each becomes the environment variable of its name."""

    def optional_secrets(self, model: str) -> list[str]:
        """Returns the secrets that the run gets if they are stored. `model`: the resolved base; empty if none."""
        return []


class TrainingConfig(RecipeConfig):
    """A recipe that trains a language model on a dataset."""

    model_name: ModelName
    """A built-in model, a folder (`./folder`), an earlier run's id or output_dir, or a hub id."""
    dataset_path: Annotated[PathText, DatasetInput(entry="dataset_name")]
    """A file (`.json`, `.jsonl`, `.csv`, `.parquet`, also `.gz`), or a folder with a `dataset_info.json`."""
    dataset_name: str | None = Field(default=None, max_length=200)
    """The entry of `dataset_info.json` to use, where the data is a folder."""
    eval_dataset_path: Annotated[PathText, DatasetInput(validates="dataset_path")] | None = None
    """Data that is only evaluated, in the same forms as `dataset_path`."""
    eval_split: Annotated[float, Field(ge=0.0, le=0.5, allow_inf_nan=False)] = 0.0
    """The share of the rows that is held out for evaluation when no evaluation file is given."""

    num_epochs: Annotated[float, Field(gt=0.0, le=10_000.0, allow_inf_nan=False)] = 3.0
    """How often the training data is gone through; parts of an epoch are allowed."""
    max_steps: Count | None = None
    """Optimizer steps; overrides num_epochs."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 4
    """Rows per device and step."""
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=4096)] = 1
    """Batches whose gradients are summed up for one optimizer step."""
    learning_rate: Rate = 2e-5
    """The peak learning rate, which the warm-up reaches and the schedule starts from."""
    learning_rate_multiplier: Annotated[float, Field(gt=0.0, le=1000.0, allow_inf_nan=False)] = 1.0
    """Scales the learning rate, whoever chose it."""
    lr_scheduler: Literal[
        "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt"
    ] = "linear"
    """How the learning rate changes after the warm-up."""
    warmup_ratio: Fraction = 0.0
    """The share of all steps in which the learning rate rises from 0 to its peak."""
    warmup_steps: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """The number of these steps; overrides warmup_ratio."""
    optimizer: Literal["adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adamw_bnb_8bit"] = "adamw_torch"
    """The optimizer. `adamw_bnb_8bit` keeps its state in 8 bits, and needs bitsandbytes."""
    weight_decay: Fraction = 0.0
    """The optimizer's weight decay; biases and norms are not decayed."""
    max_grad_norm: Annotated[float, Field(ge=0.0, le=1e6, allow_inf_nan=False)] = 1.0
    """Gradients are scaled down to this norm at most; 0: never."""
    max_length: Annotated[int, Field(ge=8, le=1_048_576)] = 1024
    """Tokens per row; the rest is cut off (and counted)."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
    """Seeds the order of the rows, dropout and new weights, so that a run can be repeated."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """`auto`: bf16 where the hardware computes in it, else fp32."""
    gradient_checkpointing: bool = False
    """Whether activations are computed again in the backward pass, which saves memory and costs time."""
    probe: Literal["auto", "on", "off"] = "auto"
    """One step on the longest rows before the training, so that memory runs out at once; `auto`: on a GPU."""

    use_lora: bool = False
    """Whether an adapter (LoRA) is trained on the frozen base, instead of all weights."""
    lora_rank: Annotated[int, Field(ge=1, le=1024)] = 16
    """The rank of the adapter's matrices: a higher one learns more and takes more memory."""
    lora_alpha: Annotated[int, Field(ge=1, le=4096)] = 32
    """The adapter's output is scaled by lora_alpha / lora_rank."""
    lora_dropout: Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)] = 0.0
    """The share of the adapter's inputs that is dropped in training."""
    lora_target_modules: TargetText | Annotated[list[TargetText], Field(max_length=1000)] = "all-linear"
    """`all-linear` (with experts, without routers and the head), or names of modules (`q_proj`, `layers.0.mlp.up_proj`,
    `gate`), as a list or with commas."""
    load_in_4bit: bool = False
    """QLoRA: the frozen base in 4 bits. Needs a GPU, bitsandbytes and use_lora."""
    load_in_8bit: bool = False
    """The frozen base in 8 bits. Needs a GPU, bitsandbytes and use_lora."""
    merge_adapter: bool = False
    """Also write the base with the adapter merged in, to `<output_dir>/merged`."""

    save_steps: Count | None = None
    """A checkpoint every so many steps; absent: at the end of an epoch, at most one in 30 seconds."""
    save_each_epoch: bool = False
    """A checkpoint at the end of every epoch, however short it was."""
    save_total_limit: Annotated[int, Field(ge=1, le=1000)] = 2
    """How many checkpoints are kept; older ones are removed."""
    parity_check: bool = False
    """Compare what the saved model says where it is served with what it said in memory; see docs/parity.md."""
    eval_steps: Count | None = None
    """Evaluates every so many steps; absent: at the end of each epoch, when there are evaluation rows."""
    logging_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Progress is told every so many steps."""
    sample_prompts: Annotated[list[str], Field(max_length=16)] = []
    """Prompts that the model answers at each evaluation and at the end."""
    sample_max_new_tokens: Annotated[int, Field(ge=1, le=2048)] = 64
    """Tokens of such an answer, at most."""
    report_to: list[Literal["none", "tensorboard", "wandb", "mlflow", "trackio"]] = ["none"]
    """Experiment trackers that get the metrics, too; each needs its package."""
    tracker_project: TrackerText | None = None
    """The project of the trackers in report_to; `finery` when absent."""
    tracker_name: TrackerText | None = None
    """How the run is called there; its id when absent."""
    tracker_entity: TrackerText | None = None
    """The team or user there."""
    tracker_tags: Annotated[list[TrackerText], Field(max_length=50)] = []
    """Tags of the run there."""
    chat_template: str | None = Field(default=None, max_length=100_000)
    """A chat template in Jinja; replaces the tokenizer's own."""
    split_special_tokens: bool = False
    """Whether special tokens that a message's text spells (`<|im_end|>`) are learned as text, not as these tokens."""
    trust_remote_code: Literal[False] = False
    """Always off: code that comes with a model is never run."""

    @field_validator("load_in_4bit", "load_in_8bit")
    @classmethod
    def _freezes_the_base(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("use_lora") is False:
            raise ValueError(Translatable("it freezes the base, so it needs use_lora"))
        if value and info.data.get("load_in_4bit"):
            raise ValueError(Translatable("load_in_4bit was chosen already; leave one of them out"))
        return value

    @field_validator("parity_check")
    @classmethod
    def _is_served_as_trained(cls, value: bool, info: ValidationInfo) -> bool:
        if value and (info.data.get("load_in_4bit") or info.data.get("load_in_8bit")):
            raise ValueError(
                Translatable("a base in 4 or 8 bits is served in full and says something else; leave one of them out")
            )
        return value

    @field_validator("tracker_project", "tracker_name", "tracker_entity", "tracker_tags")
    @classmethod
    def _is_supported(cls, value: str | list[str] | None, info: ValidationInfo) -> str | list[str] | None:
        """Checks that every tracker supports the field. `report_to` is validated before; it is absent if invalid."""
        chosen = info.data.get("report_to")
        if not value or chosen is None:
            return value
        trackers = [name for name in chosen if name != "none"]
        check_field(str(info.field_name), trackers)
        if isinstance(value, list):
            check_tags(value, trackers)
        elif info.field_name == "tracker_name" and "tensorboard" in trackers:
            check_folder(value)
        return value

    def optional_secrets(self, model: str) -> list[str]:
        is_on_hub = not model.startswith(("/", "finery/"))
        services = [*self.report_to, "hub"] if is_on_hub else self.report_to
        return sorted({name for service in services for name in OPTIONAL_SECRETS.get(service, ())})


class GradedConfig(TrainingConfig):
    """A recipe that learns from the scores that a grader gives to the model's own answers."""

    grader: Grader
    """What gives each answer its score; see docs/graders.md."""
