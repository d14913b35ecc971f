"""Microsoft Graph's `clientState`: the secret of the subscription, repeated in every item of a notification.

https://learn.microsoft.com/graph/change-notifications-delivery-webhooks. Nothing is signed: one item with another
clientState and the whole delivery is refused, since one POST may bear the items of several subscriptions.
"""

from hub.deliveries import Delivery, Expected
from hub.errors import MalformedBody
from hub.facts import at, json_of
from hub.schemes import same
from hub.webhook_spec import Signature


def verify(delivery: Delivery, _signature: Signature, expected: Expected) -> int:
    """Check the clientState of every item; the oldest secret that one of them needs is the one that matched."""
    items = at(json_of(delivery), "value")
    if not isinstance(items, list) or not items:
        raise MalformedBody("not a change notification: there is no item in `value`")
    states = [at(item, "clientState") for item in items]
    return max(same(state if isinstance(state, str) else "", expected.secrets) for state in states)
