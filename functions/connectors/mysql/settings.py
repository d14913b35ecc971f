"""What must be said of a table that is read or written."""

from hub.sql.settings import FlowSettings, StreamSettings

__all__ = ["FlowSettings", "StreamSettings"]
