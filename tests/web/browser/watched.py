"""Notes what a page asks for outside its server, and what goes wrong in it."""

from playwright.sync_api import ConsoleMessage, Page, Request


class Watched:
    def __init__(self, page: Page, address: str, allows: tuple[str, ...] = ()) -> None:
        self.page = page
        self.address = address
        self.allows = allows
        self.outside: list[str] = []
        self.faults: list[str] = []
        page.on("request", self._note_request)
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self._note_fault(str(error)))

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.address}/", "data:", "blob:")):
            self.outside.append(request.url)

    def _note_message(self, message: ConsoleMessage) -> None:
        # Chromium writes a refused style or script, and every answer that is an error, as an error.
        if message.type == "error":
            self._note_fault(f"{message.text} {message.location.get('url', '')}")

    def _note_fault(self, text: str) -> None:
        if not any(part in text for part in self.allows):
            self.faults.append(text)
