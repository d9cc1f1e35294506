"""``tocsin proxy``: a base URL for the clients of OpenAI and Anthropic that records their calls."""
