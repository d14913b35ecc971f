"""Real servers for the suites that need one, started on a free port and ended with the session."""
