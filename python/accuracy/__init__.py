"""How well predicted times agree with measured ones."""
