"""A hub of 30 integrations with 30 flows each fits, and growing it renames nothing."""

import json
import re
from typing import Any

import pytest

from hub.config import Config
from infra.mistakes import ConfigurationError
from tests.infra.conftest import Synthesize
from tests.infra.templates import Templates

pytestmark = pytest.mark.slow

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
MAX_RESOURCES, MAX_PARAMETERS, MAX_OUTPUTS, MAX_TEMPLATE_BYTES = 500, 200, 200, 1_000_000
MAX_ROLE_POLICY_CHARS = 10_240  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAX_ROUTES = 300  # of an HTTP API
MAX_ENVIRONMENT_BYTES = 4_096
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
MAX_ALARM_RULE_CHARS, MAX_ALARMS_IN_A_RULE = 10_240, 100


def test_30_integrations_with_30_flows_each_fit_into_cloudformation(crowded: Templates) -> None:
    assert len(crowded.all("AWS::SQS::Queue")) == 2 * 30 * 30 + 2
    assert len(crowded.templates) == 1 + 30 + 31 + 1  # the hub, its sources, their and ERPNext's alarms, the pulse
    for name, template in crowded.templates.items():
        assert len(template["Resources"]) <= MAX_RESOURCES, name
        assert len(template.get("Parameters", {})) <= MAX_PARAMETERS, name
        assert len(template.get("Outputs", {})) <= MAX_OUTPUTS, name
        assert len(crowded.files[name].encode()) <= MAX_TEMPLATE_BYTES, name
    assert len(crowded.all("AWS::ApiGatewayV2::Route")) <= MAX_ROUTES


def full(text: str) -> str:
    """`text` with references as long as what they become in a region with a long name."""
    return (
        text.replace("<", "https://sqs.ap-southeast-1.amazonaws.com/123456789012/")
        .replace(">", "")
        .replace("ACCOUNT", "123456789012")
    )


def test_rules_of_composite_alarms_of_30_flows_fit(crowded: Templates) -> None:
    rules = [one.properties["AlarmRule"] for one in crowded.all("AWS::CloudWatch::CompositeAlarm")]

    assert max(len(rule) for rule in rules) <= MAX_ALARM_RULE_CHARS
    assert max(rule.count("ALARM(") for rule in rules) <= MAX_ALARMS_IN_A_RULE


def test_roles_and_environments_of_30_flows_fit(crowded: Templates) -> None:
    for function in crowded.all("AWS::Lambda::Function"):
        variables = crowded.plain(function, function.properties["Environment"]["Variables"])
        size = sum(len(key) + len(full(value).encode()) for key, value in variables.items())
        role_id = function.properties["Role"]["Fn::GetAtt"][0]
        role = crowded.templates[function.template]["Resources"][role_id]["Properties"]
        policies = full(json.dumps(crowded.plain(function, role["Policies"]), separators=(",", ":")))

        assert size <= MAX_ENVIRONMENT_BYTES, function.properties["FunctionName"]
        assert len(policies) <= MAX_ROLE_POLICY_CHARS, function.properties["FunctionName"]


def test_names_fit_what_aws_allows(crowded: Templates) -> None:
    assert max(len(one.properties["FunctionName"]) for one in crowded.all("AWS::Lambda::Function")) <= 64
    assert max(len(one.properties["QueueName"]) for one in crowded.all("AWS::SQS::Queue")) <= 80


def test_more_flows_than_an_environment_can_name_are_refused_in_plain_words(
    synthesize: Synthesize, example: Config
) -> None:
    flow = example.flows["shop-eu-to-erp"]
    flows = {f"flow-{number:02d}-with-the-longest-name-x": flow for number in range(40)}

    with pytest.raises(ConfigurationError) as refusal:
        synthesize(example.model_copy(update={"flows": flows}))

    assert str(refusal.value) == (
        "hub-production-webhook-shop-eu: the settings take 4764 bytes; a Lambda's environment holds 4096; "
        "shorten names and settings, or split the integration in two"
    )


def test_settings_of_a_flow_that_do_not_fit_are_refused_in_plain_words(synthesize: Synthesize, example: Config) -> None:
    flow = example.flows["shop-eu-to-erp"]
    long = flow.model_copy(update={"settings": {**flow.settings, "company": "x" * 4000}})

    with pytest.raises(ConfigurationError) as refusal:
        synthesize(example.model_copy(update={"flows": {"shop-eu-to-erp": long}}))

    assert str(refusal.value).startswith("hub-production-delivery-shop-eu-to-erp: the settings take ")
    assert str(refusal.value).endswith("; shorten names and settings, or split the integration in two")


def without(resource: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**resource, "Properties": {k: v for k, v in resource["Properties"].items() if k not in names}}


@pytest.fixture(scope="module")
def grown(synthesize: Synthesize, example: Config) -> Templates:
    """The example with one more shop and flow, both of which sort before everything else."""
    shop, flow = example.integrations["shop-eu"], example.flows["shop-eu-to-erp"]
    return synthesize(
        example.model_copy(
            update={
                "integrations": {"a-shop": shop, **example.integrations},
                "flows": {"a-shop-to-erp": flow.model_copy(update={"source": "a-shop"}), **example.flows},
            }
        )
    )


def shows_all_integrations(resource: dict[str, Any]) -> bool:
    """The dashboards that show the hub and what is shared by all flows, and the alarm that all integrations fail."""
    if resource["Type"] == "AWS::CloudWatch::Dashboard":
        return resource["Properties"]["DashboardName"] in ("hub-production", "hub-production-erp")
    return bool(resource["Properties"].get("AlarmName") == "hub-production-hub-blind")


def plans_of_dead_letters(resource: dict[str, Any]) -> list[Any]:
    """What the schedule of the dlq function says of each flow."""
    if resource["Type"] != "AWS::Scheduler::Schedule":
        return []
    found: list[Any] = json.loads(resource["Properties"]["Target"].get("Input", "{}")).get("plans", [])
    return found


def told_of_siblings(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource without the one thing that a function knows of other flows: what all to its destination may have in
    flight. It stands in nested templates, whose addresses say their content."""
    if resource["Type"] == "AWS::CloudFormation::Stack":
        return without(resource, "TemplateURL")
    read: dict[str, Any] = json.loads(re.sub(r'\\"pacing\\":\{[^}]*\}', "", json.dumps(resource)))
    return read


def test_adding_an_integration_and_a_flow_changes_nothing_that_exists_but_what_its_destination_may_release(
    production: Templates, grown: Templates
) -> None:
    assert set(production.templates) < set(grown.templates)
    for name, before in production.templates.items():
        after = grown.templates[name]["Resources"]
        for logical_id, resource in before["Resources"].items():
            if resource["Type"] == "AWS::ApiGatewayV2::Stage":  # lists the throttle of each route
                gone = {"DependsOn"}
                kept = {k: v for k, v in without(resource, "RouteSettings").items() if k not in gone}
                assert {k: v for k, v in without(after[logical_id], "RouteSettings").items() if k not in gone} == kept
                assert resource["Properties"]["RouteSettings"].items() <= (
                    after[logical_id]["Properties"]["RouteSettings"].items()
                )
            elif shows_all_integrations(resource):
                assert json.dumps(after[logical_id]).count("a-shop")
            elif resource["Properties"].get("Description") == "What hub-production-breaker-erp may do":
                more = json.dumps(resource).replace('["shop-eu/*",', '["a-shop/*", "shop-eu/*",')
                assert json.dumps(after[logical_id]) == more != json.dumps(resource)
            elif plans_of_dead_letters(resource):
                assert len(plans_of_dead_letters(after[logical_id])) == len(plans_of_dead_letters(resource)) + 1
            else:
                assert told_of_siblings(after[logical_id]) == told_of_siblings(resource), logical_id
        assert before.get("Outputs", {}).items() <= grown.templates[name].get("Outputs", {}).items()


def test_adding_a_flow_to_an_integration_touches_only_its_webhook_and_its_check(
    production: Templates, synthesize: Synthesize, example: Config
) -> None:
    flow = example.flows["shop-eu-to-erp"]
    grown = synthesize(example.model_copy(update={"flows": {"another": flow, **example.flows}}))

    changed = {
        resource["Properties"].get("FunctionName") or resource["Properties"].get("Description") or resource["Type"]
        for name, before in production.templates.items()
        for logical_id, resource in before["Resources"].items()
        if told_of_siblings(grown.templates[name]["Resources"][logical_id]) != told_of_siblings(resource)
    }
    assert changed == {
        "hub-production-webhook-shop-eu",
        "What hub-production-webhook-shop-eu may do",
        "hub-production-health-shop-eu",
        "What hub-production-health-shop-eu may do",
        "AWS::CloudWatch::CompositeAlarm",  # those of shop-eu's flows to the same destination
        "AWS::CloudWatch::Dashboard",
        "AWS::Scheduler::Schedule",  # what is to become of each flow's dead letters
    }
