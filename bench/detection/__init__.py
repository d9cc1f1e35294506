"""How well detection finds what is unusual, and how often it is wrong."""
