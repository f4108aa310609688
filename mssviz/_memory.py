"""Memory that nobody uses goes back to the system."""

import ctypes
import gc
import sys

#: What has memory of its own, see `hold_large_apart`.
LARGE_BYTES = 1 << 20
_M_MMAP_THRESHOLD = -3  # of malloc.h


def hold_large_apart() -> None:
    """Let every large array have memory of its own, which goes back to the system with it.

    By itself glibc puts ever larger ones among small ones, once it has freed one of their size.
    What remains of a separation then holds the memory of all of it, and the next one adds to that.
    """
    _of_glibc("mallopt", _M_MMAP_THRESHOLD, LARGE_BYTES)


def give_back() -> None:
    """Let go of what is unreachable, and return what the allocator keeps of it to the system."""
    gc.collect()
    trim()


def trim() -> None:
    """Return freed memory to the system, in milliseconds.

    glibc keeps it in its arenas, one for each thread that has worked: a kernel that has separated
    songs would look as if it still held them all.
    """
    _of_glibc("malloc_trim", 0)


def _of_glibc(name: str, *arguments: int) -> None:
    """Call a function that other C libraries do not have."""
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*arguments)
