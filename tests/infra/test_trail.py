"""What operators did is kept for good, and no function of the hub can touch it."""

import pytest

from tests.infra.templates import Templates

pytestmark = pytest.mark.slow
TRAIL = "hub-production-trail"


def test_the_trail_is_restorable_and_outlives_its_stack(production: Templates) -> None:
    table = production.named("AWS::DynamoDB::Table", TRAIL)

    assert table.properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table.properties["DeletionProtectionEnabled"] is True
    assert table.definition["DeletionPolicy"] == "Retain"
    assert "TimeToLiveSpecification" not in table.properties


def test_no_function_has_a_right_to_the_trail(production: Templates) -> None:
    functions = [each.properties["FunctionName"] for each in production.all("AWS::Lambda::Function")]
    rights = {resource for name in functions for resource in production.rights(str(name))}

    assert functions
    assert any("hub-production-ledger" in each for each in rights)
    assert not [each for each in rights if TRAIL in each or each.endswith((":table/*", "hub-production-*"))]
    tables = [each for each in rights if "dynamodb" in each]
    assert tables == []  # all are named by reference, none by a pattern that the trail might match
