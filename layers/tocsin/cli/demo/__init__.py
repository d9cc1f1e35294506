"""Something to look at: sessions of agents that were never there, each event marked as such."""
