"""Notebook widgets; `explorer` alone knows a separator."""
