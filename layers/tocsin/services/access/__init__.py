"""Who may: keys, sign-ins, tickets, and how many at once. The org comes from the credential alone.

Others import these modules of it, and no other.
"""

__all__ = ["access", "presented", "seats", "sign_ins", "tickets"]
