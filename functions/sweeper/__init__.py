"""The sweeper, on a schedule."""
