"""Those who ask, without an account behind them: what the domain compares is the id."""

from finery.contracts.permissions import Level, Permission, Principal, permissions_of


def researcher(name: str) -> Principal:
    return Principal(f"id-of-{name}", name, permissions_of([Level.RESEARCHER]) | {Permission.COMMANDS_RUN})


ANN, BOB = researcher("ann"), researcher("bob")
LEAD = Principal("id-of-lead", "lead", permissions_of([Level.LEAD]) | {Permission.COMMANDS_RUN})
NO_ACCOUNT = Principal(None, "no account", permissions_of([Level.RESEARCHER]) | {Permission.COMMANDS_RUN})
