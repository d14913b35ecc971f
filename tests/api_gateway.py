"""Requests as API Gateway's HTTP API hands them to a Lambda (payload format 2.0).

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
from collections.abc import Mapping
from typing import Any


def api_gateway_request(
    body: bytes,
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    path: str = "/webhooks/shop-eu",
    query: str = "",
    as_base64: bool = False,
) -> dict[str, Any]:
    """What the Lambda is called with: header names in lower case, the body as text or as base64, none for an empty one."""
    request: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "a1b2c3d4e5",
            "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "a1b2c3d4e5",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": "01/Jan/2026:12:00:00 +0000",
            "timeEpoch": 1767268800000,
        },
        "isBase64Encoded": as_base64,
    }
    if body:
        request["body"] = base64.b64encode(body).decode("ascii") if as_base64 else body.decode("utf-8")
    return request
