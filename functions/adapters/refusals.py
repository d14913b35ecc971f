"""What AWS says when it refuses, or that it said nothing, in one word for a message."""

from botocore.exceptions import ClientError


def reason(error: Exception) -> str:
    """AWS's error code; the error's class where AWS did not answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__
