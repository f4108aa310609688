"""A file of any size from the browser: in acknowledged blocks, with progress, into a folder."""

import contextlib
import errno
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any

import traitlets as t

from mssviz._files import ScratchFolder
from mssviz.errors import MssvizError, ParameterError, reason
from mssviz.widgets import _static
from mssviz.widgets._widget import Widget

#: Most bytes of a name; file systems take 255.
MAX_NAME_BYTES = 240
_MAX_SUFFIX_BYTES = 32
_NOT_IN_NAMES = re.compile(r'[<>:"|?*]')


class Upload(Widget):
    """A button, and a place to drop a file, which arrives in a temporary folder of the kernel.

    A notebook's server closes the connection when one message is above its limit (10 MiB), so the
    file comes in blocks of 1 MiB; each is sent when the one before has been written. A second file
    takes the place of the first, also in the middle of a transfer.

    Parameters
    ----------
    accept
        Types of files that the browser's file dialog offers, as in HTML: ``"audio/*,.flac"``. Other
        files can still be chosen.
    description
        Label of the button.
    max_bytes
        Size of the largest file that is accepted, in bytes.

    Raises
    ------
    ParameterError
        If a keyword is unknown, or a value is outside its domain.

    Examples
    --------
    >>> upload = mssviz.Upload(accept="audio/*", description="Your song")
    >>> bool(upload.path)  # no file has arrived yet
    False
    """

    _module = "upload.js"
    _esm = _static.module(_module)
    _css = _static.style("upload.css")

    # not synced, because only the kernel may say where a file lies
    path = t.Unicode(
        "",
        read_only=True,
        help="the complete file, for observers; empty before the first. It stays until the next "
        "one has arrived or the widget is closed",
    )
    accept = t.Unicode("", help="file types offered by the dialog").tag(sync=True)
    description = t.Unicode("Choose a file…", help="label of the button").tag(sync=True)
    max_bytes = t.Int(2 << 30, help="largest file taken, bytes").tag(sync=True)

    _arrived = t.Dict(help="id, name and size of the complete file").tag(sync=True)

    _transfer: "_Transfer | None" = None
    _folder: ScratchFolder | None = None

    def __init__(
        self,
        *,
        accept: str = "",
        description: str = "Choose a file…",
        max_bytes: int = 2 << 30,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise ParameterError(
                f"Upload has no parameter {', '.join(unknown)}; choose from accept, description "
                "and max_bytes"
            )
        super().__init__(accept=accept, description=description, max_bytes=max_bytes)
        self.on_msg(self._receive)

    def close(self) -> None:
        """Give up a transfer that is under way, and remove what has arrived."""
        self._abort()
        if self._folder is not None:
            self._folder.close()
            self._folder = None
        super().close()

    @t.validate("max_bytes")
    def _valid_max_bytes(self, proposal: Any) -> int:
        if proposal["value"] < 1:
            raise ParameterError(f"max_bytes must be at least 1 (got {proposal['value']})")
        return int(proposal["value"])

    # --- messages -----------------------------------------------------------------------------

    def _receive(self, _: Any, message: Any, buffers: Any) -> None:
        if not isinstance(message, dict):
            return
        kind, identifier = message.get("kind"), message.get("id")
        try:
            if kind == "begin":
                self._begin(identifier, message.get("name"), message.get("size"))
            elif self._transfer is None or self._transfer.id != identifier:
                return  # this belongs to a transfer that is over
            elif kind == "chunk":
                self._transfer.write(message.get("offset"), buffers)
            elif kind == "cancel":
                self._abort()
                return
            self._go_on()
        except (MssvizError, OSError) as error:
            self._abort()
            self.send({"kind": "failed", "id": identifier, "text": _advice(error)})

    def _begin(self, identifier: Any, name: Any, size: Any) -> None:
        if self._transfer is not None:
            text = f"{self._transfer.name}: given up, since another file was chosen"
            self.send({"kind": "failed", "id": self._transfer.id, "text": text})
        self._abort()
        if not isinstance(identifier, str) or not isinstance(name, str) or type(size) is not int:
            raise ParameterError("an upload begins with an id, a name and a size; reload the page")
        if not 0 <= size <= self.max_bytes:
            raise ParameterError(
                f"the file must have at most {self.max_bytes:,} bytes (got {size:,}); choose a "
                "smaller one"
            )
        if self._folder is None:
            self._folder = ScratchFolder()
        if shutil.disk_usage(self._folder.path).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._transfer = _Transfer.open(identifier, safe_name(name), size, self._folder.path)

    def _go_on(self) -> None:
        transfer = self._transfer
        assert transfer is not None
        if transfer.received < transfer.size:
            self.send({"kind": "taken", "id": transfer.id, "received": transfer.received})
            return
        before, path = self.path, transfer.finish()
        self._transfer = None
        self._arrived = {"id": transfer.id, "name": transfer.name, "size": transfer.size}
        self.set_trait("path", str(path))
        if before:
            shutil.rmtree(Path(before).parent, ignore_errors=True)

    def _abort(self) -> None:
        if self._transfer is not None:
            self._transfer.remove()
            self._transfer = None


@dataclass
class _Transfer:
    """A file on its way, in a folder of its own, which gets its name only when it is complete."""

    id: str
    name: str
    size: int
    file: IO[bytes]
    received: int = 0

    @classmethod
    def open(cls, identifier: str, name: str, size: int, parent: Path) -> "_Transfer":
        folder = Path(tempfile.mkdtemp(dir=parent))
        return cls(identifier, name, size, (folder / "upload.part").open("wb"))

    @property
    def part(self) -> Path:
        return Path(self.file.name)

    def write(self, offset: Any, buffers: Any) -> None:
        """Append the bytes that a message brought."""
        n_bytes = [memoryview(buffer).nbytes for buffer in buffers or ()]
        if offset != self.received or len(n_bytes) != 1 or n_bytes[0] == 0:
            raise ParameterError(
                f"{self.name}: a part arrived in the wrong order; choose the file again"
            )
        if self.received + n_bytes[0] > self.size:
            raise ParameterError(
                f"{self.name}: more bytes arrived than the {self.size:,} announced; did the file "
                "change? Choose it again"
            )
        self.file.write(buffers[0])
        self.received += n_bytes[0]

    def finish(self) -> Path:
        """Give the complete file its name."""
        self.file.close()
        n_bytes = self.part.stat().st_size
        if n_bytes != self.size:
            raise ParameterError(
                f"{self.name}: {n_bytes:,} of {self.size:,} bytes were written; choose it again"
            )
        return self.part.rename(self.part.with_name(self.name))

    def remove(self) -> None:
        """Remove the file and its folder."""
        with contextlib.suppress(OSError):  # bytes that cannot be written are not wanted
            self.file.close()
        shutil.rmtree(self.part.parent, ignore_errors=True)


def safe_name(name: str) -> str:
    """Make a file's name of `name`, in a folder that nobody may leave.

    It is the last part of a path, without control characters and without what some file system
    forbids, and not longer than `MAX_NAME_BYTES` in UTF-8; ``"upload"`` if nothing remains.

    Parameters
    ----------
    name
        Text of any form, with separators of any system.
    """
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(filter(str.isprintable, last))
    whole = PurePath(_NOT_IN_NAMES.sub("_", printable))
    stem, suffix = whole.stem, whole.suffix
    if len(suffix.encode()) > _MAX_SUFFIX_BYTES:
        stem, suffix = stem + suffix, ""
    room = MAX_NAME_BYTES - len(suffix.encode())
    cut = stem.encode()[:room].decode(errors="ignore") + suffix
    return cut.strip().rstrip(". ") or "upload"


def _advice(error: MssvizError | OSError) -> str:
    if not isinstance(error, OSError):
        return error.on_page
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            "The kernel's disk is full: free some space, or start Jupyter with TMPDIR on a "
            "larger disk, then choose the file again"
        )
    return f"The kernel cannot write the file ({reason(error)}); choose it again"
