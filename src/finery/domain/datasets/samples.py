"""The datasets that ship with Finery, so that a first run needs no file of one's own and no network."""

from importlib import resources

from finery.contracts.stored_datasets import Sample
from finery.domain.errors import DomainError, ErrorKind
from finery.kit.suggest import nearest
from finery.kit.translatable import Translatable

SAMPLES = (
    Sample(name="instructions", filename="instructions.jsonl", recipes=["sft"]),
    Sample(name="preferences", filename="preferences.jsonl", recipes=["dpo", "reward"]),
    Sample(name="feedback", filename="feedback.jsonl", recipes=["kto"]),
    Sample(name="corpus", filename="corpus.jsonl", recipes=["cpt"]),
)


class SampleNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "sample_not_found"

    def __init__(self, name: str) -> None:
        known = [sample.name for sample in SAMPLES]
        close = nearest(name, known) or ", ".join(known)
        super().__init__(Translatable("there is no sample {name!r}; did you mean {close}?", name=name, close=close))


def find_sample(name: str) -> Sample:
    """Raises SampleNotFound."""
    found = next((sample for sample in SAMPLES if sample.name == name), None)
    if found is None:
        raise SampleNotFound(name)
    return found


def content_of_sample(sample: Sample) -> bytes:
    return (resources.files("finery") / "samples" / sample.filename).read_bytes()
