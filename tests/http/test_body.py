import pytest

from finery.http.body import parse_json
from finery.http.problems import RequestRefused


class TestParseJson:
    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b"{", "line 1, column 2"),
            (b"", "no JSON"),
            (b'{"a": 1, "a": 2}', "'a' occurs twice"),
            (b'{"a": {"b": 1, "b": 1}}', "'b' occurs twice"),
            (b'{"a": NaN}', "NaN"),
            (b"[-Infinity]", "-Infinity"),
            (b'{"a": 1e400}', "1e400"),
            (b"-1" + b"0" * 400 + b".0", "too large"),
            (b"[" * 10_000 + b"]" * 10_000, "deep"),
            (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deep"),
            (b"[" * 101 + b"]" * 101, "deep"),
            (b"1" * 5000, "too long"),
            (b'"\\ud800"', "surrogate"),
            (b'"\xff"', "UTF-8"),
        ],
    )
    def test_refuses(self, data: bytes, says: str) -> None:
        with pytest.raises(RequestRefused) as caught:
            parse_json(data)
        assert caught.value.problem.status == 422
        assert says in caught.value.problem.message

    @pytest.mark.parametrize(
        ("data", "value"),
        [
            (b'{"a": [1, 2.5, null, "x"]}', {"a": [1, 2.5, None, "x"]}),
            (b"[" * 100 + b"]" * 100, None),
            (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
            ('"가"'.encode(), "가"),
        ],
    )
    def test_reads(self, data: bytes, value: object) -> None:
        parsed = parse_json(data)
        assert value is None or parsed == value
