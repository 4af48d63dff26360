"""Streaming detokenization: joins characters that span tokens and cuts the text at stop strings."""

from collections.abc import Callable, Sequence

REPLACEMENT = "\ufffd"


class Detokenizer:
    """Turns tokens into text as they come, holding back tokens that end inside a character.

    Decoding each token alone breaks characters of several bytes and loses the spaces that some tokenizers put between
    tokens, so the new tokens are decoded together with the previous piece, and that piece's text is cut off.
    """

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        self._tokens: list[int] = []
        self._context_start = 0
        self._emitted_end = 0

    def push(self, token: int) -> str:
        self._tokens.append(token)
        text = self._pending_text()
        if not text or text.endswith(REPLACEMENT):
            return ""
        self._context_start, self._emitted_end = self._emitted_end, len(self._tokens)
        return text

    def flush(self) -> str:
        """Returns the text that is left at the end; an unfinished character becomes U+FFFD."""
        text = self._pending_text()
        self._context_start = self._emitted_end = len(self._tokens)
        return text

    def _pending_text(self) -> str:
        context = self._decode(self._tokens[self._context_start : self._emitted_end])
        return self._decode(self._tokens[self._context_start :])[len(context) :]


class StopMatcher:
    """Ends the text before the first stop string, and holds back what may yet become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._buffer = ""
        self.stopped = False

    def push(self, text: str) -> str:
        self._buffer += text
        positions = [position for stop in self._stops if (position := self._buffer.find(stop)) >= 0]
        if positions:
            self.stopped = True
            released, self._buffer = self._buffer[: min(positions)], ""
            return released
        keep = max((open_length(self._buffer, stop) for stop in self._stops), default=0)
        cut = len(self._buffer) - keep
        released, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return released

    def flush(self) -> str:
        released, self._buffer = self._buffer, ""
        return released


def open_length(text: str, mark: str) -> int:
    """Returns the length of the longest unfinished start of `mark` that ends the text."""
    longest = min(len(mark) - 1, len(text))
    return next((length for length in range(longest, 0, -1) if text.endswith(mark[:length])), 0)
