"""The course's demonstrations and the checks of its exercises; a file a topic.

A lesson shows a `Demonstration`: controls, a picture, sounds, and a text that says what is seen.
Its exercise is a line in the topic's ``EXERCISES``, which `check` looks up.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
