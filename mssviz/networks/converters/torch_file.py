"""Files of ``torch.save``, read without PyTorch and without trusting them.

::

    zip (PyTorch 1.6 and later)       legacy, often gzipped
      NAME/data.pkl  the object         pickle of a magic number
      NAME/data/0    values             pickle of the format's version
      NAME/data/1    values             pickle about the machine
      …                                 pickle of the object
                                        pickle of the storages' keys, in order
                                        for each of them: count in 8 bytes, values

The object is a pickle in which a tensor is a call with storage, offset, shape and strides. A pickle
may call whatever it names, so a file can take over the program that unpickles it. Here only the few
names exist that plain weights need. What they do is written below, and arrays are views within the
file's own values.

Source: PyTorch 2.13, ``torch/serialization.py`` and ``torch/_utils.py``.
"""

import gzip
import io
import math
import pickle
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import PretrainedError, reason

_MAGIC = 0x1950A86A20F9469CFC6C
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
#: Largest factor by which a gzipped file may grow; weights hardly grow.
_EXPANSION = 16
#: Types of the numbers in PyTorch's storages, little-endian, by class.
_NUMBERS = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",  # the upper half of a float32
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "u1",
    "ComplexFloatStorage": "<c8",
    "ComplexDoubleStorage": "<c16",
}
#: The instructions of pickles that weights need.
_INSTRUCTIONS = frozenset([
    "PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET",
    "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
    "BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS",
    "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS",
    "GLOBAL", "STACK_GLOBAL", "BINPERSID", "REDUCE", "NEWOBJ", "BUILD",
])  # fmt: skip
#: Most tuples within each other.
_DEEPEST = 100
_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
)

#: Function of class, key and count to a storage's values, which may come into the array later.
_Storage = Callable[[str, str, int], AnyArray]
_Classes = Mapping[str, Callable[..., Any]]


def read_torch(path: Path, classes: _Classes | None = None) -> Any:
    """Read a file that ``torch.save`` wrote.

    Parameters
    ----------
    path
        Path of a file in the zip format or the one before PyTorch 1.6, perhaps gzipped.
    classes
        Stand-ins for whatever else the file may name, by ``"module.name"``. A stand-in gets the
        file's data, so it must do nothing with it.

    Returns
    -------
    Any
        The object that was saved. Tensors and parameters are arrays of the same type that cannot be
        written to, but bfloat16 becomes float32. Arrays of one storage share memory.

    Raises
    ------
    PretrainedError
        If the file cannot be read, is damaged, or names anything but tensors and plain Python data.
    """
    classes = classes or {}
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(len(_ZIP))
            file.seek(0)
            if start == _ZIP:
                return _read_zip(file, size, path, classes)
            content = file.read()
        if start.startswith(_GZIP):
            content = _expanded(content, path)
        if content.startswith(_ZIP):
            return _read_zip(io.BytesIO(content), len(content), path, classes)
        return _read_legacy(content, path, classes)
    except _DAMAGE as error:
        raise PretrainedError(
            f"{path}: not a file of torch.save, or damaged ({reason(error)}); get it again"
        ) from error
    except OSError as error:
        raise PretrainedError(f"{path}: cannot be read ({reason(error)})") from error


def _expanded(content: bytes, path: Path) -> bytes:
    limit = _EXPANSION * len(content) + 2**16
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        expanded = file.read(limit)
        if file.read(1):
            raise PretrainedError(f"{path}: expands to over {limit} bytes; these are no weights")
    return expanded


def _read_zip(file: IO[bytes], size: int, path: Path, classes: _Classes) -> Any:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        # PyTorch compresses nothing, so members are never larger than the file
        if any(m.compress_type for m in members) or sum(m.file_size for m in members) > size:
            raise PretrainedError(f"{path}: its members are compressed; PyTorch does not do that")
        roots = [n.removesuffix("data.pkl") for n in archive.namelist() if n.endswith("/data.pkl")]
        if len(roots) != 1:
            raise ValueError("not one object")
        root = roots[0]
        if f"{root}byteorder" in archive.namelist():
            _check_order(archive.read(f"{root}byteorder") == b"little", path)

        def storage(kind: str, key: str, count: int) -> AnyArray:
            return _values(kind, count, archive.read(f"{root}data/{key}"))

        return _unpickle(io.BytesIO(archive.read(f"{root}data.pkl")), storage, path, classes)


def _read_legacy(content: bytes, path: Path, classes: _Classes) -> Any:
    stream = io.BytesIO(content)
    storages: dict[str, tuple[str, AnyArray]] = {}
    n_bytes = 0

    def storage(kind: str, key: str, count: int) -> AnyArray:
        # the values come after the object, into arrays for which the file must be large enough
        nonlocal n_bytes
        n_bytes += count * np.dtype(_NUMBERS[kind]).itemsize
        if n_bytes > len(content):
            raise ValueError("shorter than its tensors")
        array = np.zeros(count, _values(kind, 0, b"").dtype)
        storages[key] = kind, array
        return array

    if _unpickle(stream, storage, path, {}) != _MAGIC:
        raise ValueError("no magic number")
    _unpickle(stream, storage, path, {})  # version
    machine = _unpickle(stream, storage, path, {})
    _check_order(machine["little_endian"] is True, path)
    found = _unpickle(stream, storage, path, classes)
    keys = _unpickle(stream, storage, path, {})
    if sorted(keys) != sorted(storages):
        raise ValueError("other storages than its tensors have")
    for key in keys:
        kind, array = storages[key]
        (count,) = struct.unpack("<q", stream.read(8))
        if count != len(array):
            raise ValueError("a storage of another size than its tensors have")
        raw = stream.read(count * np.dtype(_NUMBERS[kind]).itemsize)
        array[:] = _values(kind, count, raw)
    return found


def _check_order(little: bool, path: Path) -> None:
    if not little:
        raise PretrainedError(
            f"{path}: was written on a big-endian machine; save it on another one"
        )


def _values(kind: str, count: int, raw: bytes) -> AnyArray:
    """Numbers of a storage, ``(count,)``."""
    values = np.frombuffer(raw, _NUMBERS[kind])
    if len(values) != count:
        raise ValueError(f"a storage of {len(values)} numbers instead of {count}")
    if kind == "BoolStorage":
        return values != 0
    if kind == "BFloat16Storage":
        return (values.astype("<u4") << 16).view("<f4")
    return values


def _tensor(storage: AnyArray, offset: Any, size: Any, stride: Any) -> AnyArray:
    """View of a storage's values, which can neither leave nor multiply them."""
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError("a tensor of impossible shape")
    if 0 in size:
        return np.zeros(size, storage.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= len(storage) or math.prod(size) > len(storage):
        raise ValueError("a tensor that reaches beyond its storage")
    strides = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides, writeable=False)


def _unpickle(stream: io.BytesIO, storage: _Storage, path: Path, classes: _Classes) -> Any:
    begin = stream.tell()
    _check_instructions(stream, path)
    pickled = stream.getvalue()[begin : stream.tell()]
    return _Unpickler(io.BytesIO(pickled), storage, path, classes).load()


class _Dict(dict[Any, Any]):
    # For OrderedDict, whose attributes a pickle may set: PyTorch keeps versions of layers there.
    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: IO[bytes], storage: _Storage, path: Path, classes: _Classes) -> None:
        super().__init__(stream)
        self._storage, self._path = storage, path
        self._storages: dict[str, tuple[str, AnyArray]] = {}
        # Made anew for each file, since a pickle can set attributes of what it names. None of them
        # copies its arguments: a few bytes of a pickle must not make large things.
        self._names: dict[str, Any] = {
            "collections.OrderedDict": lambda: _Dict(),
            "torch._utils._rebuild_tensor_v2": lambda key, offset, size, stride, *_: _tensor(
                self._storages[key][1], offset, size, stride
            ),
            "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
            "torch.Size": lambda size: size,
            **{f"torch.{kind}": kind for kind in _NUMBERS},
            **classes,
        }

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in self._names:
            raise PretrainedError(
                f"{self._path}: names {full}, which could run code of the file's own; only tensors "
                "and plain data are read"
            )
        return self._names[full]

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "module":  # in legacy files: a class, its file, its source
            return pid[1]
        if pid[0] != "storage" or any(view is not None for view in pid[5:]):
            raise ValueError("an unknown kind of reference")
        kind, key, _, count = pid[1:5]
        if kind not in _NUMBERS or type(key) is not str or type(count) is not int or count < 0:
            raise ValueError("a storage of an unknown kind")
        if key not in self._storages:
            self._storages[key] = kind, self._storage(kind, key, count)
        known, values = self._storages[key]
        if known != kind or len(values) != count:
            raise ValueError("one storage of two kinds")
        return key  # a pickle could pass anything as a storage, so tensors look it up


def _check_instructions(stream: IO[bytes], path: Path) -> None:
    """Read on to the end of a pickle, and refuse those that would harm the interpreter itself.

    The interpreter makes room for as many remembered things as the highest number under which one
    is remembered, and it overflows its stack when it hashes tuples that are nested a million times.
    """
    depths: list[int] = []  # how deeply tuples are nested in each thing on the stack
    marks: list[int] = []
    memory: dict[Any, int] = {}
    for number, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
        name = instruction.name
        if name not in _INSTRUCTIONS:
            raise PretrainedError(f"{path}: has the pickle instruction {name}, which weights lack")
        before = instruction.stack_before
        if name == "MARK":
            marks.append(len(depths))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            key = len(memory) if argument is None else argument
            if key > number:
                raise ValueError("a pickle with wrong numbers")
            memory[key] = depths[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            depths.append(memory[argument])
        else:
            if pickletools.markobject in before:
                first = marks.pop() - before.index(pickletools.markobject)
            else:
                first = len(depths) - len(before)
            if first < 0:
                raise ValueError("a pickle that ends its stack")
            deepest = max(depths[first:], default=0) + name.startswith("TUPLE")
            if deepest > _DEEPEST:
                raise ValueError("tuples nested too deeply")
            depths[first:] = [deepest] * len(instruction.stack_after)
