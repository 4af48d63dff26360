from itertools import pairwise

import pytest

from finery.contracts.permissions import (
    ANONYMOUS,
    LOCAL_ADMINISTRATOR,
    PERMISSIONS_OF_LEVEL,
    Level,
    Permission,
    Principal,
    permissions_of,
)

READS = {
    "public",
    "runs:read",
    "datasets:read",
    "models:read",
    "deployments:read",
    "system:read",
    "account:self",
    "keys:self",
}


class TestPermissionsOfLevel:
    def test_each_level_may_more_than_the_one_before(self) -> None:
        assert all(PERMISSIONS_OF_LEVEL[lower] < PERMISSIONS_OF_LEVEL[higher] for lower, higher in pairwise(Level))

    def test_viewers_read(self) -> None:
        assert PERMISSIONS_OF_LEVEL[Level.VIEWER] == READS

    def test_only_administrators_rule_over_users(self) -> None:
        ruling = {Permission.USERS_READ, Permission.USERS_WRITE, Permission.AUDIT_READ, Permission.SECRETS_ALL}
        assert [level for level in Level if PERMISSIONS_OF_LEVEL[level] & ruling] == [Level.ADMIN]
        assert PERMISSIONS_OF_LEVEL[Level.ADMIN] == frozenset(Permission)


class TestPermissionsOf:
    def test_of_several_levels(self) -> None:
        both = permissions_of([Level.VIEWER, Level.LEAD])
        assert both == PERMISSIONS_OF_LEVEL[Level.LEAD]
        assert permissions_of([]) == {Permission.PUBLIC}


class TestPrincipal:
    @pytest.mark.parametrize(
        ("principal", "sees_all"),
        [
            (LOCAL_ADMINISTRATOR, True),
            (ANONYMOUS, False),
            (Principal("1", "a", PERMISSIONS_OF_LEVEL[Level.RESEARCHER]), False),
            (Principal("1", "a", PERMISSIONS_OF_LEVEL[Level.LEAD]), True),
        ],
    )
    def test_sees(self, principal: Principal, sees_all: bool) -> None:
        assert principal.sees_all_runs is principal.sees_all_deployments is sees_all

    def test_everybody_may_what_is_public(self) -> None:
        assert Principal("1", "scoped", frozenset()).may(Permission.PUBLIC)
        assert not ANONYMOUS.may(Permission.RUNS_READ)
