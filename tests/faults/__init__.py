"""The whole hub under all faults at once: the real Lambda code, faked time, and an oracle that knows nothing of it."""
