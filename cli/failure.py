"""How a command fails: one sentence that says what to do next, exit code 1, no traceback."""

from typing import Any
from urllib.parse import urlsplit

import typer
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from rich.console import Console
from typer.core import TyperGroup

from hub.errors import HubError
from hub.manifest import ManifestError
from infra.mistakes import ConfigurationError

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
NO_LOGIN = (
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
LOGIN_CODES = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
DENIED_CODES = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
HOW_TO_LOG_IN = "log in (`aws sso login`, or set AWS_PROFILE), then repeat the command"


class Failed(Exception):
    """A command that cannot do what it was asked; its text is the whole message to the person."""


class ToldGroup(TyperGroup):
    """The command group that turns every foreseen failure into its sentence. A bug still shows its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command; exit 1 with the sentence of a foreseen failure."""
        try:
            return super().invoke(ctx)
        except (Failed, ConfigurationError, ManifestError, HubError, BotoCoreError, ClientError) as error:
            Console(stderr=True, soft_wrap=True, markup=False, highlight=False).print(sentence(error), style="red")
            raise typer.Exit(1) from None


def sentence(error: Exception) -> str:
    """What went wrong and what to do, for a person."""
    if isinstance(error, NO_LOGIN):
        return f"AWS has no valid credentials for this command: {HOW_TO_LOG_IN}."
    if isinstance(error, NoRegionError):
        return "No AWS region is set: state `region` in the stage's configuration, or set AWS_REGION."
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        where = str(error.kwargs.get("endpoint_url", ""))
        if urlsplit(where).hostname in LOOPBACK:
            return f"The local AWS does not answer at {where.rstrip('/')}: start it with `make run`."
        return f"AWS does not answer at {where}: check the network and the stage's region."
    if isinstance(error, ClientError):
        return _refused(error)
    if isinstance(error, BotoCoreError):
        return f"The call to AWS failed: {error}."
    text = str(error)
    return text[:1].upper() + text[1:] if text.startswith("there is") else text


def _refused(error: ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "unknown")
    if code in LOGIN_CODES:
        return f"AWS does not accept these credentials ({code}): {HOW_TO_LOG_IN}."
    if code in DENIED_CODES:
        return f"These AWS credentials may not call {error.operation_name}: ask for the permission, or use others."
    return f"AWS refused {error.operation_name}: {code}."
