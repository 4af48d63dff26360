"""`python -m bench.gpu.wheels`: what Finery's trainers, engines and server need beside torch, as pip's requirements.

Read from the installed packages, so that the versions are those that the tests ran with.
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OWN = "finery"
EXTRAS = ("train", "serve")
BROUGHT = frozenset({"torch"})
"""What the other machine has, in the build that fits its GPU, with all below it."""


def requirements() -> list[str]:
    """Returns `name==version` of everything that is needed, in alphabetical order."""
    found: dict[str, str] = {}
    open_ends = [Requirement(f"{OWN}[{','.join(EXTRAS)}]")]
    while open_ends:
        wanted = open_ends.pop()
        name = canonicalize_name(wanted.name)
        if name in BROUGHT or (name in found and not wanted.extras):
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            # One for another platform, or a newer Python.
            continue
        found[name] = package.version
        open_ends += _below(package.requires or [], wanted.extras)
    del found[OWN]
    return sorted(f"{name}=={version}" for name, version in found.items())


def _below(lines: list[str], extras: set[str]) -> Iterator[Requirement]:
    environments = [{**default_environment(), "extra": extra} for extra in extras or {""}]
    for line in lines:
        wanted = Requirement(line)
        if wanted.marker is None or any(wanted.marker.evaluate(one) for one in environments):
            yield wanted


if __name__ == "__main__":
    print("\n".join(requirements()))
