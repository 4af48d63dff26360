"""{text}: learned whole."""

from finery.contracts.datasets.examples import Example, Text
from finery.contracts.datasets.formats.base import RowFormat


class PlainText(RowFormat, kw_only=True):
    name = "text"
    text: str

    def example(self) -> Example:
        return Text(self.text)
