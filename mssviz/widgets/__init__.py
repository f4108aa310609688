"""Widgets for notebooks, of which only `explorer` knows a separator."""
