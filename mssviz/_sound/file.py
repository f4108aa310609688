"""The bytes of a sound file before FFmpeg sees them: what may be opened, and where tags end.

A local file is opened here and handed on as a file object, so that its name is never taken for an
address, and no container in it can name other files.
"""

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import av

from mssviz._checks import as_path
from mssviz._typing import PathLike, SoundSource
from mssviz.errors import AudioError, ParameterError, one_line, reason

# Demuxers of containers that hold sound, and nothing that refers to other files or addresses.
FORMATS = (
    "3gp,aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,iff,ircam,loas,matroska,"
    "mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,nistsphere,ogg,oma,qcp,rm,sox,tak,truehd,tta,voc,w64,wav,wsd,"
    "wv,xwma"
)
_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "", "max_size": "65536"}
# Tags that are no UTF-8 are an error before PyAV 19, unless something else is said; later never.
_TAGS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)
_UNKNOWN_SIZE = 0x7FFF0000


class SoundFile:
    """An open sound file, which is read through any number of views.

    Parameters
    ----------
    source
        Path, or a binary file object that can seek, which is left open.

    Attributes
    ----------
    name : str
        Name of the file for messages, in one line.
    size : int
        Size in bytes, without tags in front.

    Raises
    ------
    AudioError
        If the file is missing, no regular file, empty, or may not be read.
    ParameterError
        If `source` is neither a path nor such an object.
    """

    def __init__(self, source: SoundSource) -> None:
        if isinstance(source, str | os.PathLike):
            if "://" in str(source) and not os.path.lexists(source):
                raise AudioError(
                    f"{one_line(source)}: is an address and no file; download it, then give the "
                    "file's path"
                )
            path = as_path(source, "a sound file")
            self.name, self._suffix = _label(path), path.suffix
            self._raw: BinaryIO = _open_path(path, self.name)
            self._owned = True
        else:
            self._raw, self._owned = _checked_object(source), False
            given = getattr(source, "name", None)
            self.name = _label(given) if isinstance(given, str) else "sound in memory"
            self._suffix = Path(given).suffix if isinstance(given, str) else ""
        self._raised: list[BaseException] = []  # while FFmpeg read
        with self._reading():
            size = self._raw.seek(0, os.SEEK_END)
        if not size:
            self.close()
            raise AudioError(f"{self.name}: is empty (0 bytes); copy or record it again")
        with self._reading():
            start = _end_of_tags(self._raw)
        self._start = start if start < size else 0
        self.size = size - self._start

    def view(self) -> "View":
        """A reader with a position of its own."""
        return View(self._read_at, self.size, f"sound{self._suffix}")

    def container(self, **options: str) -> Any:
        """Open the file with FFmpeg.

        Parameters
        ----------
        options
            More options of FFmpeg.

        Raises
        ------
        AudioError
            If FFmpeg does not know the format.
        """
        view = _Watched(self._read_at, self.size, f"sound{self._suffix}", self._raised)
        try:
            container = av.open(view, "r", options=_OPTIONS | options, **_TAGS)
            self.check()
            return container
        except (av.FFmpegError, OSError, ValueError) as error:
            self.check()
            raise AudioError(
                f"{self.name}: not a sound file that FFmpeg knows, or damaged at its start "
                f"({reason(error)}); convert or copy it again"
            ) from error

    def check(self) -> None:
        """Raise what was raised while FFmpeg read, such as an interruption.

        FFmpeg takes it for the end of the file, or for damage.
        """
        if self._raised:
            raise self._raised.pop()

    def _read_at(self, offset: int, size: int) -> bytes:
        with self._reading():
            self._raw.seek(self._start + offset)
            return self._raw.read(size) or b""

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AudioError(
                f"{self.name}: cannot be read ({reason(error)}); check the disk, or copy the file"
            ) from error

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._owned:
            self._raw.close()


class View:
    """A part of a file with a position of its own, in the form that PyAV wants.

    Parameters
    ----------
    read
        Function that reads the file, from a byte of the part, so many bytes.
    size
        Size of the part, in bytes.
    name
        Name of the file, whose suffix helps FFmpeg to guess the format.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int, name: str) -> None:
        self._read, self.size, self.name = read, size, name
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes, or all that are left if `size` is negative."""
        left = max(0, self.size - self._at)
        found = self._read(self._at, left if size < 0 else min(size, left))
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Current position, in bytes."""
        return self._at

    def read_at(self, offset: int, size: int) -> bytes:
        """Read at most `size` bytes from `offset`."""
        self.seek(offset)
        return self.read(size)


class _Watched(View):
    """A `View` that FFmpeg reads: nothing is raised there, as FFmpeg would not hand it on.

    Parameters
    ----------
    read, size, name
        The same as for `View`.
    raised
        List that takes what is raised; the file ends there.
    """

    def __init__(
        self,
        read: Callable[[int, int], bytes],
        size: int,
        name: str,
        raised: list[BaseException],
    ) -> None:
        super().__init__(read, size, name)
        self._raised = raised

    def read(self, size: int = -1) -> bytes:
        try:
            return b"" if self._raised else super().read(size)
        except BaseException as error:
            self._raised.append(error)
            return b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return super().seek(offset, whence)
        except BaseException as error:
            self._raised.append(error)
            return self._at


def missing_bytes(view: View) -> int:
    """Count the bytes of sound that a file's header states beyond the file's end.

    This is only for containers that FFmpeg takes for complete when they are cut short: wav, w64,
    caf.
    """
    head = view.read_at(0, 40)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _missing_of_chunks(view, _Chunks(12, 4, 4, "little", 2))
    if head[:4] == b"caff":
        return _missing_of_chunks(view, _Chunks(8, 4, 8, "big", 1))
    if head[:4] == b"riff" and head[24:28] == b"wave":
        return _missing_of_chunks(view, _Chunks(40, 16, 8, "little", 8))
    return 0


class _Chunks(NamedTuple):
    start: int  # of the first one, in bytes
    name_size: int
    size_size: int
    order: Literal["little", "big"]
    alignment: int


def _missing_of_chunks(view: View, chunks: _Chunks) -> int:
    at, head_size = chunks.start, chunks.name_size + chunks.size_size
    while at + head_size <= view.size:
        head = view.read_at(at, head_size)
        size = int.from_bytes(head[chunks.name_size :], chunks.order)
        if chunks.name_size == 16:  # Sony's wave64 counts the head into the size
            size = max(0, size - head_size)
        at += head_size
        if head[:4] == b"data":
            # programs that write into a pipe state no size
            return 0 if size >= _UNKNOWN_SIZE else max(0, at + size - view.size)
        at += -(-size // chunks.alignment) * chunks.alignment
    return 0


def _label(path: PathLike) -> str:
    text = one_line(path)
    return text if len(text) <= 500 else f"{text[:200]} … {text[-200:]}"


def _open_path(path: Path, name: str) -> BinaryIO:
    try:
        kind = path.stat().st_mode
        if stat.S_ISREG(kind):
            return path.open("rb", buffering=0)
    except (FileNotFoundError, NotADirectoryError):
        raise AudioError(f"{name}: no such file; check its name and folder") from None
    except PermissionError:
        raise AudioError(f"{name}: may not be read; change its permissions") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: cannot be opened ({reason(error)}); check its name") from None
    if stat.S_ISDIR(kind):
        raise AudioError(f"{name}: is a folder; name a sound file in it")
    raise AudioError(f"{name}: is no file but a pipe, device or socket; copy the sound to a file")


def _checked_object(source: Any) -> BinaryIO:
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    if not (hasattr(source, "read") and hasattr(source, "seek")):
        raise ParameterError(
            "a sound file must be a path, or a binary file object that can seek such as "
            f"io.BytesIO(content) (got {type(source).__name__})"
        )
    try:
        source.seek(0)
        is_binary = isinstance(source.read(0), bytes)
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"the file object must be open and able to seek ({reason(error)}); give "
            "io.BytesIO(content)"
        ) from error
    if not is_binary:
        raise ParameterError("the file object must give bytes (got text); open it with mode 'rb'")
    return source


def _end_of_tags(raw: BinaryIO) -> int:
    # first byte after the ID3v2 tags at the start, which not every demuxer skips
    at = 0
    while True:
        raw.seek(at)
        size = id3_size(raw.read(10))
        if not size:
            return at
        at += size


def id3_size(head: bytes) -> int:
    """Size in bytes of the ID3v2 tag that begins with these 10 bytes; 0 if they begin no tag."""
    if head[:3] != b"ID3" or len(head) < 10 or any(byte & 0x80 for byte in head[6:10]):
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte
    return 10 + size + (10 if head[5] & 0x10 else 0)
