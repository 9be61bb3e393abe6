"""Holds fusewright's figures against PyTorch's own, for one model through every front-end.

Run from ``python/``: ``python3 -m agreement --help``.
"""
