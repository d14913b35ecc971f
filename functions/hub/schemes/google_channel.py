"""Google Calendar's and Drive's push channels: the channel's token, on a channel and a resource that are ours.

https://developers.google.com/calendar/api/guides/push. The body is empty and nothing is signed: the token is the proof,
and it counts only on the channels that the integration states.
"""

from hub.deliveries import Delivery, Expected
from hub.errors import ForeignSender, NotStated
from hub.schemes import same
from hub.webhook_spec import Signature


def verify(delivery: Delivery, signature: Signature, expected: Expected) -> int:
    """Check the token, then that channel and resource belong together and to us."""
    place = same(delivery.header(signature.header), expected.secrets)
    channel, resource = delivery.header("X-Goog-Channel-ID"), delivery.header("X-Goog-Resource-ID")
    channels, resources = expected.stated_list("channel_id"), expected.stated_list("resource_id")
    if len(resources) == 1:
        resources = [*resources] * len(channels)
    if len(channels) != len(resources):
        raise NotStated("expects.resource_id must name one resource for all of expects.channel_id, or one for each")
    if (channel, resource) not in zip(channels, resources, strict=True):
        raise ForeignSender("X-Goog-Channel-ID and X-Goog-Resource-ID are not a channel that the integration states")
    return place
