"""What the hub costs: what is deployed, what one event takes, and AWS's prices make a table."""
