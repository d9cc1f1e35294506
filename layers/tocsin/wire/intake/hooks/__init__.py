"""Hooks of coding agents: what each product says before, between and after its calls of tools.

:mod:`.products` has them all. Nothing is imported here: ``tocsin hook`` starts at every call.
"""
