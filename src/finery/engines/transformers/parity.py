"""`python -m finery.engines.transformers.parity RECORD FOLDER…`: what each model says, served, to a trainer's prompts.

RECORD is a file that holds contracts.parity.Record. One line of JSON for each folder goes to stdout: Served.
"""

import asyncio
import sys
from pathlib import Path

from finery.contracts.chat_prompts import ChatPrompts
from finery.contracts.parity import TOKENS, Completion, Precision, Prompt, Record, Served, tolerance_of
from finery.engines.transformers.generator import PAGE_TOKENS, BatchGenerator
from finery.engines.transformers.loading import load_model
from finery.engines.transformers.prompts import prompts_of
from finery.engines.transformers.sampling import SampledToken, Sampling

STOP_SECONDS = 10.0


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        print("usage: python -m finery.engines.transformers.parity RECORD FOLDER…", file=sys.stderr)
        return 2
    record = Record.model_validate_json(Path(arguments[0]).read_bytes())
    for folder in arguments[1:]:
        print(asyncio.run(serve(record, folder)).model_dump_json(), flush=True)
    return 0


async def serve(record: Record, folder: str) -> Served:
    """Through the generator that answers requests too.

    Raises what load_model raises, NotRenderable, GenerationFailed.
    """
    loaded = load_model(folder, dtype="auto", quantization=None)
    prompts = prompts_of(loaded.tokenizer)
    asked = [prompt_of(prompts, entry.asked) for entry in record.entries]
    blocks = 1 + max(len(prompt) + TOKENS for prompt in asked) // PAGE_TOKENS
    generator = BatchGenerator(loaded, max_context=None, kv_blocks=blocks, loop=asyncio.get_running_loop())
    precision: Precision = str(loaded.model.dtype).removeprefix("torch.")  # type: ignore[assignment]
    tolerance = tolerance_of(record.precision, precision)
    generator.start()
    try:
        said = [await go_on(generator, prompt, tolerance) for prompt in asked]
    finally:
        generator.stop(timeout=STOP_SECONDS)
    return Served(precision=precision, said=said)


def prompt_of(prompts: ChatPrompts, asked: Prompt) -> list[int]:
    return prompts.chat(asked.messages, asked.tools) if asked.messages else prompts.plain(asked.text)


async def go_on(generator: BatchGenerator, prompt: list[int], tolerance: float) -> Completion:
    greedy = Sampling(temperature=0.0, logprobs=2)
    made = [token async for token in generator.stream(prompt, greedy, max_tokens=TOKENS)]
    return Completion(
        prompt=prompt,
        tokens=[sampled.token for sampled in made],
        logprobs=[sampled.logprob or 0.0 for sampled in made],
        rivals=[rivals_of(sampled, tolerance) for sampled in made],
    )


def rivals_of(sampled: SampledToken, tolerance: float) -> list[int]:
    """The tokens that would have been as good."""
    return [token for token, logprob in sampled.rivals if (sampled.logprob or 0.0) - logprob <= tolerance]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
