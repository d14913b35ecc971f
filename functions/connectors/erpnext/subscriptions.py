"""The webhooks of an ERPNext site that lead to the hub: documents of the DocType Webhook, told apart by their names."""

from connectors.erpnext.client import ErpNext
from hub.connector import HttpClient
from hub.subscriptions import Subscription, Wanted

OURS = "hub-%"  # how the names begin of those that the hub makes


def subscriptions(http: HttpClient) -> "SiteSubscriptions":
    """The subscriptions of the site behind `http`."""
    return SiteSubscriptions(ErpNext(http))


class SiteSubscriptions:
    """As Subscriptions. The hub's user needs the role System Manager."""

    def __init__(self, erp: ErpNext) -> None:
        self._erp = erp

    def listed(self) -> list[Subscription]:
        """Those that bear a name of the hub's."""
        found = self._erp.find("Webhook", [["name", "like", OURS]], ["name", "request_url", "enabled"])
        return [Subscription(each["name"], each["request_url"], bool(each["enabled"]), is_only=True) for each in found]

    def register(self, wanted: Wanted) -> str:
        """One that is there is renewed: it shows no secret, so that none can be compared."""
        if self._erp.get("Webhook", wanted.topic) is not None:
            self._erp.update("Webhook", wanted.topic, wanted.document)
            return "renewed"
        self._erp.insert("Webhook", wanted.document)
        return "created"
