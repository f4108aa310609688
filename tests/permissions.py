"""Being somebody whom permissions bind, which root is not."""

import ctypes
import os
from contextlib import contextmanager


class _Capabilities(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


@contextmanager
def bound():
    """Give up passing over permissions, in this thread and for a while."""
    # the user stays, as another might not be let into the folders that hold Python and the tests
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None)
    header, found = (ctypes.c_uint32 * 2)(0x20080522, 0), (_Capabilities * 2)()
    assert libc.capget(header, found) == 0
    kept = found[0].effective
    found[0].effective = kept & ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, found) == 0
    try:
        yield
    finally:
        found[0].effective = kept
        assert libc.capset(header, found) == 0
