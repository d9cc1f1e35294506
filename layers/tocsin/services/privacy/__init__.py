"""What an org wants forgotten of a person.

Others import these modules of it, and no other.
"""

__all__ = ["erasing"]
