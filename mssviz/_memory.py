"""Memory that nobody uses goes back to the system."""

import ctypes
import gc
import sys


def give_back() -> None:
    """Let go of what is unreachable, and return what the allocator keeps of it to the system.

    glibc keeps freed memory in its arenas, one for each thread that has worked: a kernel that has
    separated songs would look as if it still held them all.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # other C libraries have none
        trim(0)
