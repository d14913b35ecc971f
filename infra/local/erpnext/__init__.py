"""The ERPNext stand-in: a small HTTP server that answers as a real ERPNext v15 was recorded to answer.

For development and tests only; it is never deployed. The recordings are in `tests/recordings/erpnext`, and
`tests/local/erpnext` replays each of them against this server.
"""
