"""Whatever cannot be done is told in one sentence that says what to do, with exit code 1 and without a traceback."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from cli.failure import sentence
from infra.local.ministack import free_port
from tests.cli.conftest import Stage, run


def test_an_unknown_integration_is_told_with_the_known_ones(stage: Stage) -> None:
    result = stage.hub("secrets", "show", "shop-uk")

    assert (result.exit_code, result.stderr) == (
        1,
        "Stage staging has no integration 'shop-uk'; it has: erp, shop-eu.\n",
    )


def test_a_local_aws_that_is_not_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)

    result = run("secrets", "show", "shop-eu")

    assert (result.exit_code, result.stderr) == (
        1,
        f"The local AWS does not answer at {url}: start it with `make run`.\n",
    )


def test_the_wrong_stage_for_a_file_is_told(stage: Stage) -> None:
    result = stage.hub("secrets", "show", "erp", "--stage", "production")

    assert result.exit_code == 1
    assert "describes stage 'staging', not 'production'" in result.stderr


def test_a_stage_that_does_not_exist_is_told_with_those_that_do() -> None:
    result = run("config", "check", "--stage", "nowhere")

    assert result.exit_code == 1
    assert "There is no stage 'nowhere'" in result.stderr


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoCredentialsError(), "AWS has no valid credentials for this command: log in"),
        (NoRegionError(), "No AWS region is set: state `region` in the stage's configuration, or set AWS_REGION."),
        (
            EndpointConnectionError(endpoint_url="https://sqs.eu-central-1.amazonaws.com/"),
            "AWS does not answer at https://sqs.eu-central-1.amazonaws.com/: check the network",
        ),
        (
            ClientError({"Error": {"Code": "ExpiredToken"}}, "Query"),
            "AWS does not accept these credentials (ExpiredToken)",
        ),
        (
            ClientError({"Error": {"Code": "AccessDeniedException"}}, "Query"),
            "These AWS credentials may not call Query",
        ),
        (ClientError({"Error": {"Code": "Throttling"}}, "Query"), "AWS refused Query: Throttling."),
    ],
)
def test_trouble_with_aws_is_told(error: Exception, told: str) -> None:
    assert sentence(error).startswith(told)


def test_every_mistake_of_a_configuration_is_told(stage: Stage) -> None:
    stage.config.write_text("stage: staging\nintegrations: {shop-eu: {connector: shopifi}}\nflows: {}\nregoin: x\n")

    result = stage.hub("config", "check")

    assert result.exit_code == 1
    assert all(word in result.stderr for word in ("shopifi", "regoin", "flows"))


def test_a_right_configuration_is_told(stage: Stage) -> None:
    result = stage.hub("config", "check")

    assert result.exit_code == 0
    assert (
        "The configuration of stage staging is right: integrations erp, shop-eu; flows shop-eu-to-erp." in result.stdout
    )


def test_a_file_that_is_not_there_is_told(stage: Stage, tmp_path: Path) -> None:
    result = run("config", "check", "--config", str(tmp_path / "none.yaml"))

    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr
