"""Refuses duplicate keys in JSON objects."""


class KeyTwice(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(f"the key {name!r} is there twice")


def unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An `object_pairs_hook` for json.loads, which otherwise keeps the last of equal keys. Raises KeyTwice."""
    keys: dict[str, object] = {}
    for name, value in pairs:
        if name in keys:
            raise KeyTwice(name)
        keys[name] = value
    return keys
