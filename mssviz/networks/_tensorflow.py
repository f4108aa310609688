"""The one place where TensorFlow and Keras are imported: quietly, quickly, and in settings of ours.

A session can have changed what Keras does by default, in its own code, by environment variables or
in ``~/.keras``: the backend, the order of axes, the precision. Networks are built in such a way
that none of it reaches them.
"""

import ctypes
import gc
import importlib.util
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from mssviz.errors import MssvizError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # show errors only
# On a card, the same sound gives the same bits, in another process, too; processors do that anyway.
os.environ.setdefault("TF_CUDNN_DETERMINISTIC", "1")
_BACKEND = "KERAS_BACKEND"


@contextmanager
def _quick_import() -> Iterator[None]:
    # Importing TensorFlow makes a million objects that live for ever; collecting garbage meanwhile
    # takes a third of the time (3.4 s against 2.3 s, 2 cores).
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
    # Before its logging is set up, TensorFlow prints notes on oneDNN and CUDA directly to file
    # descriptor 2. They are kept back, and shown only if the import fails.
    with ExitStack() as stack:
        try:
            kept = stack.enter_context(tempfile.TemporaryFile())
            saved = os.dup(2)
        except OSError:  # no room, or no such descriptor: the notes are shown
            yield
            return
        stack.callback(os.close, saved)
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


@contextmanager
def _on_tensorflow() -> Iterator[None]:
    # Keras reads its backend once, when it is first imported, from here or else from a file.
    wanted = os.environ.get(_BACKEND)
    if wanted not in (None, "tensorflow") and "keras" not in sys.modules:
        warnings.warn(
            f"{_BACKEND} is {wanted!r}, but mssviz needs TensorFlow: Keras runs with it in all of "
            "this process",
            stacklevel=2,
        )
    os.environ[_BACKEND] = "tensorflow"
    try:
        yield
    finally:
        if wanted is None:
            del os.environ[_BACKEND]
        else:
            os.environ[_BACKEND] = wanted


def _open_cusolver() -> None:
    # TensorFlow 2.21 looks into each of NVIDIA's packages for its libraries but this one's, and
    # without it uses no card. A library that is open already is found by its name.
    with suppress(OSError, ValueError):
        ctypes.CDLL("libcuda.so.1")  # the driver, without which none of them is of use
        packages = importlib.util.find_spec("nvidia")
        for folder in (packages and packages.submodule_search_locations) or ():
            for library in Path(folder).glob("cusolver/lib/libcusolver.so.*"):
                ctypes.CDLL(str(library))


with _quick_import(), _on_tensorflow(), _quiet_stderr():
    import keras
    import tensorflow as tf
    from tensorflow.python.framework import ops

    _open_cusolver()

if keras.config.backend() != "tensorflow":
    raise MssvizError(
        f"mssviz needs Keras with TensorFlow, but this process has imported it with the backend "
        f"{keras.config.backend()!r}: restart it, and set KERAS_BACKEND to tensorflow or import "
        "mssviz.networks.network before keras"
    )

__all__ = ["forgotten_gradients", "keras", "own_settings", "prepare_process", "tf"]

#: Whether `own_settings` are in force for the code that is running.
_in_force: ContextVar[bool] = ContextVar("in_force", default=False)
#: Precision of each thread that uses `own_settings`; Keras has one set of settings for all threads.
_users: list[str] = []
_changed = threading.Condition()
_session: tuple[Any, ...] = ()
#: Process in which networks have been built; None before the first one.
_process: int | None = None


@contextmanager
def own_settings(precision: str = "float32") -> Iterator[None]:
    """Set the defaults as networks need them, whatever the session has chosen, for a while.

    They are Keras', and that cards compute with all 32 bits: with TF32, which is TensorFlow's
    default, Spleeter's stems lie up to -54 dB of their loudest sample apart from a processor's,
    and without it -108 dB. Within another such context nothing changes. Threads share the settings;
    one that needs another precision waits until the others are done.

    Parameters
    ----------
    precision
        Keras' policy for the types of layers, such as ``"mixed_float16"``.
    """
    if _in_force.get():
        yield
        return
    _enter(precision)
    token = _in_force.set(True)
    try:
        yield
    finally:
        _in_force.reset(token)
        _leave(precision)


def _enter(precision: str) -> None:
    global _session
    settings = keras.config
    with _changed:
        _changed.wait_for(lambda: {*_users} <= {precision})
        if not _users:
            tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
            _session = (
                settings.dtype_policy(), settings.floatx(), settings.image_data_format(), tf32
            )  # fmt: skip
            _set(precision, "float32", "channels_last", tf32=False)
        _users.append(precision)


def _leave(precision: str) -> None:
    with _changed:
        _users.remove(precision)
        if not _users:
            _set(*_session)
            _changed.notify_all()


def _set(policy: Any, floatx: str, data_format: str, tf32: bool) -> None:
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format(data_format)


@contextmanager
def forgotten_gradients() -> Iterator[None]:
    """Trace functions that take gradients, of which TensorFlow keeps nothing once they are gone.

    It registers the gradient of each `tf.custom_gradient` that is traced, for what takes gradients
    of the function as a whole, and drops none: each holds all of its graph, 40 to 370 MB for one
    training of a small network. The sum of gradients over devices is one, in every optimizer. Who
    takes gradients within a function needs none of them.
    """
    # no public name leads there; where another version has it elsewhere, all is kept
    registry = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    known = set(registry)
    try:
        yield
    finally:
        for name in set(registry) - known:
            if name.startswith("CustomGradient-"):
                registry.pop(name, None)


def _share_cards() -> None:
    # Left alone, TensorFlow takes all memory of every card at once, and none is left for a second
    # notebook. Once a session has begun to use a card, it is as the session wanted it.
    for card in tf.config.list_physical_devices("GPU"):
        with suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(card, True)


def prepare_process() -> None:
    """Let cards share their memory, or raise `MssvizError` in a fork, before a network is built.

    TensorFlow's threads do not live on in a fork of a process that has built networks, and the fork
    would wait for them for ever.
    """
    global _process
    if _process is None:
        _process = os.getpid()
        _share_cards()
    elif _process != os.getpid():
        raise MssvizError(
            f"this process was forked from process {_process} after networks had run there, and "
            'TensorFlow cannot go on in a fork: use multiprocessing.get_context("spawn"), threads, '
            "or workers=… of mssviz, or fork before the first separation"
        )
