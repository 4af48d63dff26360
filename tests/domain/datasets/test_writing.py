import pytest

from finery.domain.datasets.writing import NO_LETTERS, SAMPLE_CHARACTERS, writing_of


@pytest.mark.parametrize(
    ("text", "writing"),
    [
        ("The printer does not answer.", "Latn"),
        ("L'été à la façade", "Latn"),
        ("프린터가 응답하지 않습니다.", "ko"),
        ("打印机没有反应。", "zh"),
        ("プリンターが応答しません。", "ja"),
        ("東京都の天気予報を教えて", "ja"),
        ("Принтер не отвечает.", "Cyrl"),
        ("الطابعة لا تستجيب", "Arab"),
        ("เครื่องพิมพ์ไม่ตอบสนอง", "th"),
        ("한국어 설명: use print()", "ko"),
        ("12 + 30 = 42 …", NO_LETTERS),
        ("", NO_LETTERS),
        ("a" * SAMPLE_CHARACTERS + "가" * 1000, "Latn"),
    ],
)
def test_writing_of(text: str, writing: str) -> None:
    assert writing_of(text) == writing
