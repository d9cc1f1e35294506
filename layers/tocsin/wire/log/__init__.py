"""The formats of evidence, as C2SP has them, so that a stranger's tools read ours and ours theirs.

A log's state is a :mod:`checkpoint <.checkpoints>` in a :mod:`signed note <.notes>`; keys and the
ways that they sign are :mod:`.keys`. The tree is served as :mod:`tiles <.tiles>`, and a
:mod:`proof <.proofs>` of one entry is a file, which a :mod:`policy <.policies>` says to trust or
not. See https://c2sp.org.
"""
