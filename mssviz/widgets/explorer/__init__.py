"""The explorer: pick a model and a song, separate, look at masks, listen to stems, measure.

There are three rooms: `session` does the work and knows no page, `controls` are what people set,
and `stage` shows a result; `explorer` joins them. Names are imported when they are used, because
the session needs no widgets.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
