import gzip
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mssviz.errors import PretrainedError
from mssviz.networks.converters.torch_file import read_torch

GOLDEN = Path(__file__).parent / "golden"
FORMATS = ("torch_zip.pth", "torch_legacy.pth")
NUMBERS = np.arange(12, dtype=np.float32).reshape(3, 4)
#: What golden/make_torch_file.py saved.
EXPECTED = {
    "whole": NUMBERS,
    "transposed": NUMBERS.T,
    "part": NUMBERS[1:, ::2],
    "half": np.array([0.5, -2], np.float16),
    "bfloat": np.array([1, -3.140625], np.float32),
    "double": np.array([[1e-300]]),
    "complex": np.array([1 - 2j], np.complex64),
    "count": np.array(2**40),
    "int32": np.array([-7], np.int32),
    "int16": np.array([-300], np.int16),
    "int8": np.array([-7], np.int8),
    "uint8": np.array([200], np.uint8),
    "bool": np.array([True, False, True]),
    "empty": np.zeros((0, 5), np.float32),
    "parameter": np.array([3], np.float32),
}


@pytest.mark.parametrize("name", FORMATS)
def test_files_of_pytorch_give_what_was_saved(name):
    found = read_torch(GOLDEN / name)
    for key, expected in EXPECTED.items():
        assert found[key].dtype == expected.dtype, key
        assert found[key].shape == expected.shape, key
        assert np.array_equal(found[key], expected), key
    assert found["size"] == (2, 3)
    assert found["plain"] == [None, True, -1, 2.5, "name", (1, (2,)), {"a": 1}]
    assert list(found["layer"]) == ["weight", "bias"]
    assert found["layer"]["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["layer"]["bias"].tolist() == [-1, 1]


def test_tensors_of_one_storage_share_it_and_are_not_written_to():
    found = read_torch(GOLDEN / "torch_zip.pth")
    assert np.shares_memory(found["whole"], found["part"])
    with pytest.raises(ValueError, match="read-only"):
        found["whole"][0, 0] = 1


@pytest.mark.parametrize("name", FORMATS)
def test_gzipped_files_are_the_same(name, tmp_path):
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress((GOLDEN / name).read_bytes()))
    assert np.array_equal(read_torch(path)["part"], EXPECTED["part"])


@pytest.mark.parametrize("name", FORMATS)
def test_every_truncation_is_one_clear_error(name, tmp_path):
    path, content = tmp_path / "cut.pth", (GOLDEN / name).read_bytes()
    for length in range(0, len(content) - 1, 37):
        path.write_bytes(content[:length])
        with pytest.raises(PretrainedError, match=r"cut\.pth") as error:
            read_torch(path)
        assert "\n" not in str(error.value)


def test_a_changed_byte_of_a_zip_is_noticed(tmp_path):
    path, content = tmp_path / "x.pth", bytearray((GOLDEN / "torch_zip.pth").read_bytes())
    content[content.index(NUMBERS.tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(PretrainedError, match="CRC"):
        read_torch(path)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"\x80\x02", b"a text\n", bytes(1000)])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(PretrainedError, match=r"x\.pth: .* get it again"):
        read_torch(path)
    with pytest.raises(PretrainedError, match="No such file"):
        read_torch(tmp_path / "absent.pth")


# --- Files made by hand -----------------------------------------------------------------------


class Call:
    """Pickles as a call of a global, which need not exist."""

    def __init__(self, name, *arguments):
        self.name, self.arguments = name, arguments


class Reference:
    """Pickles as a storage's persistent id."""

    def __init__(self, *pid):
        self.pid = pid


def pickled(thing):
    """Protocol 2, by hand: `pickle` itself would look globals up."""
    if isinstance(thing, Call):
        return b"c" + b"%b\n%b\n" % tuple(
            part.encode() for part in thing.name.rsplit(".", 1)
        ) + pickled(thing.arguments) + b"R"  # fmt: skip
    if isinstance(thing, Reference):
        return pickled(thing.pid) + b"Q"
    if isinstance(thing, tuple):
        return b"(" + b"".join(pickled(part) for part in thing) + b"t"
    return pickle.dumps(thing, 2)[2:-1]


FOUR = struct.pack("<4f", 0, 1, 2, 3)


def zip_file(path, body, storage=FOUR, compression=0):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x/data.pkl", b"\x80\x02" + body + b".")
        archive.writestr("x/data/0", storage)
    return path


def legacy_file(path, body, keys=("0",), storages=((4, bytes(16)),)):
    start = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001)]
    machine, names = (pickle.dumps(part, 2) for part in ({"little_endian": True}, list(keys)))
    values = b"".join(struct.pack("<q", count) + raw for count, raw in storages)
    path.write_bytes(b"".join(start) + machine + b"\x80\x02" + body + b"." + names + values)
    return path


def storage(count=4, kind="FloatStorage", key="0"):
    return Reference("storage", kind, key, "cpu", count)


def tensor(offset, size, stride, of=None):
    name = "torch._utils._rebuild_tensor_v2"
    return Call(name, of or storage(), offset, size, stride, False, ())


def test_files_made_by_hand_can_be_read(tmp_path):
    body = pickled(tensor(1, (3,), (1,)))
    assert read_torch(zip_file(tmp_path / "a", body)).tolist() == [1, 2, 3]
    assert read_torch(legacy_file(tmp_path / "b", body)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("write", [zip_file, legacy_file])
@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "posix.system",
        "builtins.eval",
        "builtins.getattr",
        "subprocess.Popen",
        "numpy.core.multiarray._reconstruct",
        "numpy.dtype",
        "torch.load",
        "torch._utils._rebuild_sparse_tensor",
        "torch.nn.modules.linear.Linear",
    ],
)
def test_other_globals_are_refused_by_name(name, write, tmp_path):
    mark = tmp_path / "ran"
    path = write(tmp_path / "evil.pth", pickled(Call(name, f"touch {mark}")))
    with pytest.raises(PretrainedError) as error:
        read_torch(path)
    assert "evil.pth" in str(error.value)
    assert f"names {name}," in str(error.value)
    assert "\n" not in str(error.value)
    assert not mark.exists()


def test_what_pickle_itself_makes_is_refused(tmp_path):
    import os

    class Evil:
        def __reduce__(self):
            return os.system, ("echo",)

    for thing in (Evil(), np.arange(3), np.float64(1)):
        for protocol in range(2, 6):
            path = zip_file(tmp_path / "x", pickle.dumps(thing, protocol)[2:-1])
            with pytest.raises(PretrainedError, match=r"names|instruction"):
                read_torch(path)


@pytest.mark.parametrize("instruction", [b"0", b"2", b"(i\x00", b"\x82\x01", b"I1\n", b"\x94\x91"])
def test_other_instructions_are_refused(instruction, tmp_path):
    with pytest.raises(PretrainedError):
        read_torch(zip_file(tmp_path / "x", b"N" + instruction))


@pytest.mark.parametrize("write", [zip_file, legacy_file])
@pytest.mark.parametrize(
    "wrong",
    [
        tensor(0, (5,), (1,)),
        tensor(1, (4,), (1,)),
        tensor(4, (1,), (1,)),
        tensor(0, (2, 2), (4, 1)),
        tensor(-1, (1,), (1,)),
        tensor(3, (2,), (-1,)),
        tensor(0, (-2,), (1,)),
        tensor(0, (10**12,), (0,)),
        tensor(0, (2**40, 2**40), (0, 0)),
        tensor(2**70, (1,), (1,)),
        tensor(0, (2,), (2**62,)),
        tensor(0, (2,), (1, 1)),
        tensor(0, (1.5,), (1,)),
        tensor(0, (True,), (1,)),
        tensor(0, "ab", "ab"),
        tensor(0, (1,) * 100, (1,) * 100),
        tensor(0, (0, 2**62, 2**62), (1, 1, 1)),
        # a tensor in place of a storage: the second would begin where the first ends
        tensor(0, (4,), (1,), of=tensor(3, (4,), (0,))),
        tensor(0, (4,), (1,), of=tensor(3, (1,), (0,))),
        tensor(0, (1,), (1,), of="1"),
        tensor(0, (1,), (1,), of=storage(5)),
        tensor(0, (1,), (1,), of=storage(10**15)),
        tensor(0, (1,), (1,), of=storage(-1)),
        tensor(0, (1,), (1,), of=storage("4")),
        tensor(0, (1,), (1,), of=storage(4, "StringStorage")),
        tensor(0, (1,), (1,), of=storage(4, "DoubleStorage")),
        tensor(0, (1,), (1,), of=storage(4, key=0)),
        tensor(0, (1,), (1,), of=Reference("storage", "FloatStorage", "0", "cpu", 4, ("0", 0, 4))),
        tensor(0, (1,), (1,), of=Reference("file", "x")),
        (storage(4), storage(4, "IntStorage")),
        Call("torch._utils._rebuild_tensor_v2"),
        Call("collections.OrderedDict", ((("a", 1),),)),
    ],
)
def test_tensors_cannot_leave_their_storage(wrong, write, tmp_path):
    with pytest.raises(PretrainedError, match="damaged"):
        read_torch(write(tmp_path / "x", pickled(wrong)))


@pytest.mark.parametrize(
    ("keys", "storages"),
    [
        ((), ()),
        (("1",), ((4, bytes(16)),)),
        (("0", "0"), ((4, bytes(16)), (4, bytes(16)))),
        (("0",), ((3, bytes(12)),)),
        (("0",), ((2**62, bytes(16)),)),
        (("0",), ((4, bytes(15)),)),
        (("0",), ()),
    ],
)
def test_storages_of_the_older_format_must_be_those_of_the_tensors(keys, storages, tmp_path):
    path = legacy_file(tmp_path / "x", pickled(tensor(0, (4,), (1,))), keys, storages)
    with pytest.raises(PretrainedError, match="damaged"):
        read_torch(path)


def test_a_file_cannot_change_what_it_names(tmp_path):
    # BUILD sets attributes: of functions, of arrays, of dictionaries
    for state in (b"}", b"}X\x05\x00\x00\x00itemsK\x01s", b"N}X\x05\x00\x00\x00shapeK\x02s\x86"):
        empty = pickled(Call("collections.OrderedDict"))
        found = read_torch(zip_file(tmp_path / "x", empty + state + b"b"))
        assert list(found.items()) == []
        with pytest.raises(PretrainedError):
            read_torch(zip_file(tmp_path / "x", pickled(tensor(0, (4,), (1,))) + state + b"b"))
    with pytest.raises(PretrainedError):  # nor write into an array
        read_torch(zip_file(tmp_path / "x", pickled(tensor(0, (4,), (1,))) + b"K\x00K\x01s"))


def test_pickles_that_would_exhaust_the_interpreter_are_refused(tmp_path):
    memory = b"N" + b"r" + struct.pack("<I", 2**30)  # 16 GB, by the number alone
    nested = b"})" + b"\x85" * 1_000_000 + b"K\x01s"  # hashing it overflows the stack
    remembered = b"})" + b"q\x00h\x00\x85" * 300_000 + b"K\x01s"
    for body in (memory, nested, remembered):
        with pytest.raises(PretrainedError, match="damaged"):
            read_torch(zip_file(tmp_path / "x", body))


def test_files_that_grow_when_they_are_expanded_are_refused(tmp_path):
    zeros = bytes(10_000_000)
    body = pickled(tensor(0, (4,), (1,), of=storage(2_500_000)))
    with pytest.raises(PretrainedError, match="compressed"):
        read_torch(zip_file(tmp_path / "x", body, zeros, zipfile.ZIP_DEFLATED))
    path = legacy_file(tmp_path / "x", body, storages=((2_500_000, zeros),))
    assert len(read_torch(path)) == 4
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(PretrainedError, match="expands"):
        read_torch(path)


def test_a_caller_may_name_stand_ins(tmp_path):
    class Stand:
        def __init__(self, *arguments):
            self.arguments = arguments

    for write in (zip_file, legacy_file):
        path = write(tmp_path / "x", pickled((Call("demucs.model.Demucs", 4), storage())))
        with pytest.raises(PretrainedError, match=r"names demucs\.model\.Demucs,"):
            read_torch(path)
        found, _ = read_torch(path, {"demucs.model.Demucs": Stand})
        assert isinstance(found, Stand)
        assert found.arguments == (4,)
    # the older format wraps classes together with their source
    wrapped = (
        b"(X\x06\x00\x00\x00modulecdemucs.model\nDemucs\nX\x01\x00\x00\x00aX\x01\x00\x00\x00btQ"
    )
    path = legacy_file(tmp_path / "x", wrapped, (), ())
    assert read_torch(path, {"demucs.model.Demucs": Stand}) is Stand


def test_big_endian_files_are_refused(tmp_path):
    path = zip_file(tmp_path / "x", pickled(tensor(0, (4,), (1,))))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x/byteorder", "big")
    with pytest.raises(PretrainedError, match="big-endian"):
        read_torch(path)
