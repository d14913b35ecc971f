"""The webhooks that an app has registered at a store by the Admin API. Those of its shopify.app.toml are not listed there."""

from collections.abc import Sequence
from datetime import UTC, datetime

from connectors.shopify.admin import Admin, Declined
from hub.connector import HttpClient
from hub.subscriptions import Subscription, Wanted

# https://shopify.dev/docs/api/usage/versioning: each version is supported for twelve months at least
API_SUPPORTED_UNTIL = datetime(2027, 1, 1, tzinfo=UTC)
MOST = 250  # that Shopify lists at once; an app has one for each topic and address
COMPLIANCE = {"customers/redact", "customers/data_request", "shop/redact"}  # in the app's file only
TAKEN = "already been taken"

LIST = """query ($first: Int!) {
  webhookSubscriptions(first: $first) { nodes { topic uri apiVersion { handle supported } } }
}"""
CREATE = """mutation ($topic: WebhookSubscriptionTopic!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) {
    webhookSubscription { topic } userErrors { field message }
  }
}"""


def subscriptions_for(topics: Sequence[str]) -> list[str]:
    """The subscriptions that bring topics, as the Admin API names them: ORDERS_CREATE for orders/create."""
    return sorted(topic.replace("/", "_").upper() for topic in topics if topic not in COMPLIANCE)


def wanted(topics: Sequence[str], url: str, secret: str) -> list[Wanted]:  # noqa: ARG001 - signed by the app's own secret
    """What the store must have of these subscriptions."""
    return [Wanted(topic, url, {"uri": url, "format": "JSON"}) for topic in topics]


def subscriptions(http: HttpClient) -> "StoreSubscriptions":
    """The subscriptions of the store behind `http`."""
    return StoreSubscriptions(Admin(http))


class StoreSubscriptions:
    """As Subscriptions. The app needs the scope of each topic, as for the topic's data."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def listed(self) -> list[Subscription]:
        """All that the Admin API has registered."""
        nodes = self._admin.ask(LIST, {"first": MOST})["webhookSubscriptions"]["nodes"]
        return [
            Subscription(
                each["topic"],
                each["uri"],
                unsupported_version="" if each["apiVersion"]["supported"] else each["apiVersion"]["handle"],
            )
            for each in nodes
        ]

    def register(self, wanted: Wanted) -> str:
        """One that is there already stays as it is: Shopify has one for each topic and address."""
        try:
            self._admin.change(CREATE, {"topic": wanted.topic, "webhookSubscription": wanted.document})
        except Declined as error:
            if TAKEN in str(error):
                return "already there"
            raise
        return "created"
