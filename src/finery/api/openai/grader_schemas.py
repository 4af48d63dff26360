"""Request and response bodies of `/v1/fine_tuning/alpha/graders`."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, JsonValue

from finery.api.openai.fine_tuning_schemas import StrictBody

LONGEST_SAMPLE = 1_000_000
"""Characters."""


class ValidateGraderRequest(StrictBody):
    grader: dict[str, JsonValue]
    """The grader, as a job's `method.reinforcement.grader`."""


class RunGraderRequest(StrictBody):
    grader: dict[str, JsonValue]
    """The grader, as a job's `method.reinforcement.grader`."""
    model_sample: Annotated[str, Field(max_length=LONGEST_SAMPLE)]
    """The answer that is graded: `{{sample.output_text}}`."""
    item: JsonValue = None
    """The row that it answers: `{{item.…}}`."""


class GraderValidated(BaseModel):
    grader: dict[str, Any]
    """The grader, with its defaults."""


class GraderErrors(BaseModel):
    """Which errors there were. The refusal of a model, and what only OpenAI's own service can lack, never are."""

    formula_parse_error: bool = False
    """The formula has no value for these scores."""
    sample_parse_error: bool = False
    """A template names a field of the answer's JSON, and the answer is not JSON or has no such field."""
    truncated_observation_error: bool = False
    """Never: nothing is cut."""
    unresponsive_reward_error: bool = False
    """Never: what takes too long is a runtime error."""
    invalid_variable_error: bool = False
    """The item has no field that a template names."""
    other_error: bool = False
    """Never: anything else is an error of the request."""
    python_grader_server_error: bool = False
    """The program's process could not be started, or the program not loaded."""
    python_grader_server_error_type: str | None = None
    """Why not."""
    python_grader_runtime_error: bool = False
    """The program failed, returned no number, or exceeded its limits."""
    python_grader_runtime_error_details: str | None = None
    """What the program said."""
    model_grader_server_error: bool = False
    """Never: a judge that does not answer is an error of the request."""
    model_grader_refusal_error: bool = False
    """Never: a judge's answer without a score cannot be read."""
    model_grader_parse_error: bool = False
    """The judge's answer contains no score."""
    model_grader_server_error_details: str | None = None
    """Always null."""


class GraderMetadata(BaseModel):
    name: str
    """The grader's name."""
    type: str
    """The grader's type."""
    errors: GraderErrors
    """What went wrong; the score is then the lowest."""
    execution_time: float
    """Seconds of grading, without the judges' answers."""
    scores: dict[str, float]
    """A grader's name → its score."""
    token_usage: int | None
    """Tokens of the judges' prompts and answers; null: there is no judge."""
    sampled_model_name: str | None
    """The judge's model, of a single judge."""


class GraderRun(BaseModel):
    reward: float
    """The score of the answer."""
    metadata: GraderMetadata
    """How it came about."""
    sub_rewards: dict[str, float]
    """The scores of a `multi` grader's parts."""
    model_grader_token_usage_per_model: dict[str, int]
    """A judge's model → tokens of its prompts and answers."""
