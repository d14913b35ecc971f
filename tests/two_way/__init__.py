"""A shop and an ERPNext site that write to each other through the hub, in one process."""
