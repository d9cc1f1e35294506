"""Real parts for tests: each started on a free port, and ended by who started it."""
