"""What must be said of a list that messages are taken off."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class StreamSettings(BaseModel):
    """`integrations.<name>.streams.<stream>.settings` of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    list: str = Field(min_length=1, max_length=200, description="The list's name.")
    take: Literal["right", "left"] = Field(
        default="right", description="The end that the oldest message is at: right where producers LPUSH."
    )
    key: str = Field(
        default="", description="Where in the message, which is JSON, the id of its entity is: order.id. Empty: none."
    )
    message_id: str = Field(
        default="", description="Where its own id is: the same id twice is one message. Empty: each counts."
    )
    size: int = Field(default=100, ge=1, le=1000, description="Messages that are taken at once.")
