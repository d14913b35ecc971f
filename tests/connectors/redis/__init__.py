"""A real Redis, and runs that are killed."""
