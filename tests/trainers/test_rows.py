from pathlib import Path

from finery.trainers.rows import Data


class TestData:
    def test_a_stored_file_is_called_what_the_request_calls_it(self) -> None:
        stored = Path("/home/datasets/blobs/0a1b2c.jsonl")
        assert Data("train", stored, reference="file-a").shown == "file-a"
        assert Data("train", Path("/home/data/mine.jsonl")).shown == "mine.jsonl"
