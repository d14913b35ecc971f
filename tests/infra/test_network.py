"""Functions that reach a system in a private network run within it, and no others do."""

from typing import Any

import pytest
from pydantic import ValidationError

from hub.config import Config, Network, Reconcile, StreamConfig
from tests.infra.conftest import Synthesize
from tests.infra.templates import Templates

SUBNETS = ["subnet-0a1b2c3d4e5f60718", "subnet-0a1b2c3d"]
GROUPS = ["sg-0a1b2c3d4e5f60718"]
INSIDE = {"SubnetIds": SUBNETS, "SecurityGroupIds": GROUPS}
BY_LAMBDA_ALONE = 'if {"Null": {"lambda:SourceFunctionArn": "true"}}'
EC2 = "arn:aws:ec2:eu-central-1:ACCOUNT"


@pytest.fixture(scope="module")
def templates(synthesize: Synthesize, example: Config) -> Templates:
    """The example, whose ERPNext lies in a private network; of two shops that are read, one is held against it."""
    network = Network(subnets=SUBNETS, security_groups=GROUPS)
    integrations: dict[str, Any] = dict(example.integrations)
    integrations["erp"] = integrations["erp"].model_copy(update={"network": network})
    for shop, stated in (("shop-eu", StreamConfig(reconcile=Reconcile(every="1 day"))), ("shop-us", StreamConfig())):
        more = {"streams": {"orders": stated}, "url": f"https://{shop}.example.com"}
        integrations[shop] = integrations[shop].model_copy(update=more)
    return synthesize(example.model_copy(update={"integrations": integrations}))


@pytest.mark.slow
def test_what_reaches_the_private_system_runs_in_its_network_and_nothing_else(templates: Templates) -> None:
    functions = {
        each.properties["FunctionName"]: each.properties.get("VpcConfig")
        for each in templates.all("AWS::Lambda::Function")
    }

    inside = {name for name, network in functions.items() if network}
    assert {name: functions[name] for name in inside} == dict.fromkeys(inside, INSIDE)
    assert "hub-production-breaker-erp" in inside
    assert "hub-production-sync-shop-eu" in inside  # which asks the site for its documents
    assert "hub-production-sync-shop-us" not in inside
    deliveries = {name for name in functions if "-delivery-" in name and name.endswith("-to-erp")}
    assert deliveries <= inside
    assert not [name for name in inside if "-webhook-" in name or name.endswith("-dlq")]


@pytest.mark.slow
def test_lambda_may_make_interfaces_there_and_the_functions_code_may_not(templates: Templates) -> None:
    name = "hub-production-delivery-shop-eu-to-erp"

    rights = {target: actions for target, actions in templates.rights(name).items() if "ec2:" in str(actions)}
    assert rights == {
        "*": ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", BY_LAMBDA_ALONE],
        f"{EC2}:subnet/{SUBNETS[0]}": ["ec2:CreateNetworkInterface", BY_LAMBDA_ALONE],
        f"{EC2}:subnet/{SUBNETS[1]}": ["ec2:CreateNetworkInterface", BY_LAMBDA_ALONE],
        f"{EC2}:security-group/{GROUPS[0]}": ["ec2:CreateNetworkInterface", BY_LAMBDA_ALONE],
        f"{EC2}:network-interface/*": ["ec2:CreateNetworkInterface", BY_LAMBDA_ALONE],
        f"{EC2}:*/*": [
            "ec2:AssignPrivateIpAddresses",
            "ec2:DeleteNetworkInterface",
            "ec2:UnassignPrivateIpAddresses",
            BY_LAMBDA_ALONE,
        ],
    }


@pytest.mark.slow
def test_outside_a_network_no_function_has_rights_to_one(production: Templates) -> None:
    assert not [each for each in production.all("AWS::Lambda::Function") if "VpcConfig" in each.properties]
    assert not [name for name, text in production.files.items() if "ec2:" in text]


@pytest.mark.parametrize(
    "stated",
    [
        {"subnets": [], "security_groups": GROUPS},
        {"subnets": SUBNETS, "security_groups": []},
        {"subnets": ["sn-1"], "security_groups": GROUPS},
        {"subnets": SUBNETS, "security_groups": ["default"]},
        {"subnets": SUBNETS, "security_groups": GROUPS, "vpc": "vpc-1"},
    ],
)
def test_what_names_no_network_is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Network.model_validate(stated)
