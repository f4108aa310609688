"""The one place where TensorFlow and Keras are imported, quietly and quickly."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors only
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


@contextmanager
def _quick_import() -> Iterator[None]:
    # Importing TensorFlow makes a million objects that live for ever; collecting garbage
    # meanwhile costs a third of the time (3.4 s against 2.3 s, 2 cores).
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    # Before its logging is set up, TensorFlow prints notes on oneDNN and CUDA straight to file
    # descriptor 2. They are kept back, and shown only if the import fails.
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    with tempfile.TemporaryFile() as kept:
        sys.stderr.flush()
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(saved, kept.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


with _quick_import(), _quiet_stderr():
    import keras
    import tensorflow as tf

__all__ = ["keras", "tf"]
