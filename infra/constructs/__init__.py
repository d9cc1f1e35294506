"""The building blocks that stacks compose; functions have the names of their folders."""
