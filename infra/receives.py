"""How often a queue hands out an event before SQS itself sets it aside (`maxReceiveCount`)."""

import math

from hub.config import Retry

# SQS's own limit: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
MOST = 1_000
FEWEST = 50  # an event that waits behind another of its entity is handed out with it, and counted


def receives(retry: Retry) -> int:
    """A number that retries do not reach within their time, so that SQS's count only catches what makes the delivery
    Lambda crash.

    The delivery Lambda paces retries: it hides a message for a random wait of up to `cap_seconds`, half of that on
    average, and sets it aside itself after `give_up_after_hours`. Twice as many receives as that takes on average are
    never reached by chance; without the margin, one outage in two would end with dead letters.
    """
    doublings = math.ceil(math.log2(max(retry.cap_seconds / retry.base_seconds, 1)))
    average = retry.give_up_after_hours * 3600 / (retry.cap_seconds / 2)
    return max(FEWEST, math.ceil(2 * (average + doublings)))
