"""All pages by name: the address below `/ui/`, and what is seen when the page is whole."""

from collections.abc import Callable

from tests.web.browser.house import House

Address = Callable[[House], str]

PAGES: dict[str, Address] = {
    "overview": lambda house: "",
    "runs": lambda house: f"runs?recipe={house.trained['recipe']}",
    "run": lambda house: f"runs/{house.trained['id']}",
    "run's log": lambda house: f"runs/{house.failed['id']}?tab=log",
    "run's events": lambda house: f"runs/{house.trained['id']}?tab=events",
    "run's configuration": lambda house: f"runs/{house.trained['id']}?tab=configuration",
    "not found": lambda house: "nowhere",
}
