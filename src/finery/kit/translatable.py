"""Sentences for users that can be told in other languages."""

from collections.abc import Callable, Mapping


class Translatable(str):
    """An English sentence that still knows its template and the values in its places, as gettext's messages do.

    Wherever a plain text is wanted it is one, so that only what answers users has to know of languages. What is made of
    it otherwise (f"{sentence}", str(sentence)) stays English.
    """

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, /, **values: object) -> "Translatable":
        """`template` is formatted as by `str.format`; a value may be such a sentence, too, or an error with one."""
        said = {name: message_of(value) if isinstance(value, Exception) else value for name, value in values.items()}
        sentence = super().__new__(cls, template.format(**said))
        sentence.template, sentence.values = template, said
        return sentence

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        return (self.template,), dict(self.values)

    def told(self, translate: Callable[[str], str]) -> str:
        """Returns the sentence with every template in it replaced by what `translate` returns for it."""
        values = {
            name: value.told(translate) if isinstance(value, Translatable) else value
            for name, value in self.values.items()
        }
        return translate(self.template).format(**values)


def message_of(error: Exception) -> str:
    """Returns what an error says as it was made: str(error) would forget how it is translated."""
    said = error.args[0] if error.args else None
    return said if isinstance(said, Translatable) else str(error)
