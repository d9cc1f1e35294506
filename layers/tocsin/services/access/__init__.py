"""Who may do what: keys, sign-ins, tickets, and limits. The org comes from the credential alone.

Other packages import only the modules that ``__all__`` names.
"""

__all__ = ["access", "presented", "rate", "remembered", "seats", "sign_ins", "tickets"]
