"""`python -m finery.engines.transformers.parity RECORD FOLDER…`: answers a trainer's parity prompts with saved models.

RECORD is a file with the JSON of contracts.parity.Record. For each model's folder, a line of JSON on stdout: Served.
"""

import asyncio
import sys
from contextlib import redirect_stdout
from pathlib import Path

from finery.contracts.chat_prompts import ChatPrompts
from finery.contracts.parity import TOKENS, Completion, Precision, Prompt, Record, Served, tolerance_of
from finery.engines.transformers.cache_size import PAGE_TOKENS, CacheSize
from finery.engines.transformers.generation import TokenGenerator
from finery.engines.transformers.loading import load_model
from finery.engines.transformers.prompts import prompts_of
from finery.engines.transformers.sampling import Sampling
from finery.engines.transformers.starting import start_generator

STOP_SECONDS = 10.0


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        print("usage: python -m finery.engines.transformers.parity RECORD FOLDER…", file=sys.stderr)
        return 2
    record = Record.model_validate_json(Path(arguments[0]).read_bytes())
    for folder in arguments[1:]:
        # An engine's log, in which it tells how it serves the model, goes to stdout, too.
        with redirect_stdout(sys.stderr):
            served = asyncio.run(serve(record, folder))
        print(served.model_dump_json(), flush=True)
    return 0


async def serve(record: Record, folder: str) -> Served:
    """Answers the record's prompts by the generator that would serve requests, too.

    Raises as load_model and start_generator do, NotRenderable and GenerationFailed.
    """
    loaded = load_model(folder, dtype="auto", quantization=None)
    prompts = [tokenize(prompts_of(loaded.tokenizer), entry.asked) for entry in record.entries]
    blocks = 1 + max(len(prompt) + TOKENS for prompt in prompts) // PAGE_TOKENS
    size = CacheSize.for_model(loaded, max_context=None, kv_blocks=blocks)
    _, generator, _ = await asyncio.to_thread(start_generator, loaded, size, loop=asyncio.get_running_loop())
    precision: Precision = str(loaded.model.dtype).removeprefix("torch.")  # type: ignore[assignment]
    tolerance = tolerance_of(record.precision, precision)
    try:
        completions = [await complete(generator, prompt, tolerance) for prompt in prompts]
    finally:
        generator.stop(timeout=STOP_SECONDS)
    return Served(precision=precision, said=completions)


def tokenize(prompts: ChatPrompts, prompt: Prompt) -> list[int]:
    return prompts.chat(prompt.messages, prompt.tools) if prompt.messages else prompts.plain(prompt.text)


async def complete(generator: TokenGenerator, prompt: list[int], tolerance: float) -> Completion:
    """Completes a prompt greedily; rivals are the tokens whose log-probability is within the tolerance."""
    greedy = Sampling(temperature=0.0, logprobs=2)
    generated = [token async for token in generator.stream(prompt, greedy, max_tokens=TOKENS)]
    return Completion(
        prompt=prompt,
        tokens=[sampled.token for sampled in generated],
        logprobs=[sampled.logprob or 0.0 for sampled in generated],
        rivals=[
            [token for token, logprob in sampled.rivals if (sampled.logprob or 0.0) - logprob <= tolerance]
            for sampled in generated
        ],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
