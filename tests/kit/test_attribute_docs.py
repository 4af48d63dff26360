from finery.kit.attribute_docs import attribute_docs


class Base:
    """A docstring of the class, not of an attribute."""

    first: int
    """The first,
    on two lines."""
    second: int = 2
    third = 3
    """The third."""

    def method(self) -> None:
        """A method's."""


class Derived(Base):
    second: int = 20
    """Told here."""
    third = 30
    fourth: "str"

    class Inner:
        fifth: int
        """Inside."""


class TestAttributeDocs:
    def test_what_stands_under_an_attribute(self) -> None:
        assert attribute_docs(Base) == {"first": "The first, on two lines.", "third": "The third."}

    def test_bases_tell_what_a_class_does_not(self) -> None:
        assert attribute_docs(Derived) == {**attribute_docs(Base), "second": "Told here."}

    def test_a_class_in_a_class(self) -> None:
        assert attribute_docs(Derived.Inner) == {"fifth": "Inside."}

    def test_a_class_without_a_source(self) -> None:
        assert attribute_docs(int) == {}
        assert attribute_docs(type("Made", (), {"__module__": "nowhere.at.all"})) == {}
