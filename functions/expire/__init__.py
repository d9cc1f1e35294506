"""Approvals expire: on the queue of their timers, and on a schedule."""
