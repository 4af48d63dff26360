"""From tokens to text while they arrive: characters that span tokens, and stop strings that span pieces."""

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
        """What is left at the end, an unfinished character shown as U+FFFD."""
        text = self._pending_text()
        self._context_start = self._emitted_end = len(self._tokens)
        return text

    def _pending_text(self) -> str:
        context = self._decode(self._tokens[self._context_start : self._emitted_end])
        return self._decode(self._tokens[self._context_start :])[len(context) :]


class StopMatcher:
    """Ends the text before the first stop string, holding back what may yet become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        self._held += text
        found = [position for stop in self._stops if (position := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            released, self._held = self._held[: min(found)], ""
            return released
        keep = max((self._open_length(stop) for stop in self._stops), default=0)
        cut = len(self._held) - keep
        released, self._held = self._held[:cut], self._held[cut:]
        return released

    def flush(self) -> str:
        released, self._held = self._held, ""
        return released

    def _open_length(self, stop: str) -> int:
        """The length of the longest start of the stop string that ends the held text."""
        longest = min(len(stop) - 1, len(self._held))
        return next((length for length in range(longest, 0, -1) if self._held.endswith(stop[:length])), 0)
