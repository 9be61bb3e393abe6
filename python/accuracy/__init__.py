"""Predicted kernel times against measured ones: the figures of docs/accuracy.md."""
