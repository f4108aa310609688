"""The panel that asks why: a section for each question, of which one is seen at a time."""

from mssviz.widgets.explorer.why.panel import Why as Why

__all__ = ["Why"]
