"""A song from file to files: stems, masks and pictures, written while it is being computed."""

import functools
import string
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mssviz import audio
from mssviz._ahead import ahead
from mssviz._files import Draft, ScratchFolder, writing
from mssviz._progress import reporter
from mssviz._typing import AnyArray, BitDepth, Codec, PathLike, Progress, Waveform
from mssviz.errors import AudioError, ParameterError
from mssviz.separate import Separator
from mssviz.separation import Masker, Segment, synthesise, with_margins
from mssviz.stft import magnitude

#: Columns of the pictures of a whole song.
PICTURE_COLUMNS = 1600
NAME_FIELDS = ("filename", "foldername", "instrument", "codec")


@dataclass(frozen=True)
class FileOptions:
    """How stems are written.

    Parameters
    ----------
    codec, bitrate, bit_depth
        See `audio.AudioWriter`.
    name_format
        File name below the output folder, of the fields in `NAME_FIELDS`.
    masks
        Write each stem's mask (``.npy``) and pictures of masks and mixture (``.png``), too.
    """

    codec: Codec = "wav"
    bitrate: str = "128k"
    bit_depth: BitDepth = "16"
    name_format: str = "{filename}/{instrument}.{codec}"
    masks: bool = False


def plan(
    inputs: Sequence[PathLike], targets: Sequence[str], folder: PathLike, options: FileOptions
) -> list[dict[str, Path]]:
    """Decide where each input's stems go, before any work is done.

    Returns
    -------
    list of dict
        For each input, target to path.

    Raises
    ------
    ParameterError
        If the format has an unknown field, two stems would get one path, a path would leave
        the folder, or a stem would overwrite an input.
    """
    folder = Path(folder)
    taken: dict[Path, str] = {Path(p).resolve(): "an input file" for p in inputs}
    plans = []
    for source in map(Path, inputs):
        files = {}
        for target in targets:
            name = _format_name(options.name_format, source, target, options.codec)
            path = folder / name
            owner = f"{target} of {source}"
            resolved = path.resolve()
            if not resolved.is_relative_to(folder.resolve()):
                raise ParameterError(f"{path}: the file name format leads out of {folder}")
            if resolved in taken:
                raise ParameterError(
                    f"{path}: path conflict, it would be both {taken[resolved]} and {owner}; use "
                    "{filename}, {foldername} and {instrument} in the file name format"
                )
            taken[resolved] = owner
            files[target] = path
        if options.masks:
            masks, picture = _mask_paths(files)
            for path in (*masks.values(), picture):
                if path.resolve() in taken:
                    raise ParameterError(
                        f"{path}: path conflict, masks of {source} would overwrite "
                        f"{taken[path.resolve()]}; give each song a folder and each stem a name of "
                        "its own: {filename}/{instrument}.{codec}"
                    )
                taken[path.resolve()] = f"a mask of {source}"
        plans.append(files)
    return plans


def separate_file(
    separator: Separator,
    path: PathLike,
    files: Mapping[str, Path],
    *,
    offset: float = 0.0,
    duration: float | None = None,
    options: FileOptions | None = None,
    progress: bool | Progress = True,
) -> list[Path]:
    """Separate a sound file of any length into files, in bounded memory.

    Parameters
    ----------
    separator
        Which model and masks.
    path, offset, duration
        What to read; see `audio.load_audio`.
    files
        Target to the file to write, from `plan`; targets left out are not written, though
        the ratio masks are formed over all of them. Missing folders are made.
    options
        How to write.
    progress
        As in `Separator.separate`.

    Returns
    -------
    list of Path
        All files written.

    Raises
    ------
    AudioError, ParameterError
        If reading or writing fails; then nothing was written.
    """
    options = options or FileOptions()
    unknown = set(files) - set(separator.targets)
    if unknown or not files:
        raise ParameterError(
            f"stems must be among {', '.join(separator.targets)} "
            f"(got {', '.join(unknown) or 'none'})"
        )
    params = separator.preset.stft
    n_channels, rate = separator.preset.n_channels, separator.sample_rate
    with ExitStack() as stack:
        report = stack.enter_context(reporter(progress))
        reader = stack.enter_context(audio.AudioReader(path, offset, duration, rate))
        output = stack.enter_context(_Output())
        for file in files.values():
            output.make_folder(file.parent)
        writers = {
            target: output.add(
                audio.AudioWriter(
                    file, rate, n_channels, options.codec, options.bitrate, options.bit_depth
                )
            )
            for target, file in files.items()
        }
        counted = _Counted(
            (audio.to_channels(block, n_channels) for block in reader.blocks()),
            f"{path}: no samples after offset {offset} s; choose a smaller offset",
        )
        # the network computes one patch while the one before is masked, and the one before that
        # is written
        segments: Iterable[Segment] = stack.enter_context(
            ahead(separator.segments(counted, report, reader.n_samples))
        )
        if separator.options.mwf_iterations:
            scratch = stack.enter_context(ScratchFolder())
            kept = _KeptSegments(scratch.path, separator.targets)
            kept.extend(segments)
            masker = separator.make_masker(separator.options, params, kept.again)
            segments = kept.again()
        else:
            masker = separator.make_masker(separator.options, params)
            segments = with_margins(segments, separator.options.margin(params))
        if options.masks:
            recorder = output.add(_MaskRecorder(separator, masker, files))
            segments = recorder.watch(segments)
        stems = synthesise(segments, masker, params, list(files))
        blocks = stack.enter_context(ahead(stems))
        _write_cut(writers, blocks, counted)
    written = list(files.values())
    if options.masks:
        written += recorder.paths
    return written


def separate_file_by_name(
    model: str,
    choices: tuple[tuple[str, Any], ...],
    path: PathLike,
    files: Mapping[str, Path],
    offset: float,
    duration: float | None,
    options: FileOptions,
) -> list[Path]:
    """As `separate_file`, with a separator that each process builds once; for workers."""
    return separate_file(
        _separator(model, choices), path, files, offset=offset, duration=duration,
        options=options, progress=False,
    )  # fmt: skip


@functools.lru_cache(maxsize=1)
def _separator(model: str, choices: tuple[tuple[str, Any], ...]) -> Separator:
    return Separator(model, progress=False, **dict(choices))


def _write_cut(
    writers: Mapping[str, audio.AudioWriter],
    blocks: Iterable[Mapping[str, Waveform]],
    counted: "_Counted",
) -> None:
    # The stems are up to n_fft longer than the song, whose length is known once it was read. The
    # last block, from the flush, is n_fft - hop long, so two are always held back.
    written = 0
    held: deque[Mapping[str, Waveform]] = deque()

    def write_oldest(stop: int | None) -> int:
        block = held.popleft()
        for target, samples in block.items():
            writers[target].write(samples[:stop])
        return len(next(iter(block.values())))

    for block in blocks:
        held.append(block)
        if len(held) > 2:
            written += write_oldest(None)
    while held:
        written += write_oldest(max(0, counted.n_samples - written))


class _Output:
    """Everything that one song writes: finished together, or not at all."""

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._new_folders: list[Path] = []

    def make_folder(self, folder: Path) -> None:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        self._new_folders = missing + self._new_folders  # innermost first
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, part: Any) -> Any:
        self._parts.append(part)
        return part

    def __enter__(self) -> "_Output":
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            if kind is None:
                for part in self._parts:  # here a full disk would show
                    part.finish()
                while self._parts:
                    self._parts[0].close()
                    self._parts.pop(0)
        finally:
            for part in self._parts:
                part.discard()
            for folder in self._new_folders:
                with suppress(OSError):  # not empty, as it should be
                    folder.rmdir()


class _Counted:
    """Iterates over blocks and counts their samples; raises `if_none` if there are none."""

    def __init__(self, blocks: Iterable[Waveform], if_none: str) -> None:
        self._blocks, self._if_none = blocks, if_none
        self.n_samples = 0

    def __iter__(self) -> Iterator[Waveform]:
        for block in self._blocks:
            self.n_samples += len(block)
            yield block
        if not self.n_samples:
            raise AudioError(self._if_none)


class _KeptSegments:
    """A song's segments in files, for the Wiener filter's passes over it."""

    def __init__(self, folder: Path, targets: Sequence[str]) -> None:
        self._folder, self._targets = folder, targets
        self._paths: list[Path] = []

    def extend(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            path = self._folder / f"{len(self._paths)}.npz"
            arrays: dict[str, Any] = {"mixture": segment.mixture, **segment.magnitudes}
            with writing(path):
                np.savez(path, **arrays)
            self._paths.append(path)

    def again(self) -> Iterator[Segment]:
        for path in self._paths:
            with np.load(path, allow_pickle=False) as arrays:
                yield Segment(arrays["mixture"], {t: arrays[t] for t in self._targets})


class _MaskRecorder:
    """Masks to ``.npy`` files (float16), and one picture of the whole song."""

    def __init__(self, separator: Separator, masker: Masker, files: Mapping[str, Path]) -> None:
        self._masker, self._params = masker, separator.preset.stft
        self._final, self._picture = _mask_paths(files)
        self.paths = [*self._final.values(), self._picture]
        self._drafts: dict[Path, Draft] = {}
        self._columns = {name: _Columns() for name in ("mixture", *files)}
        self._files: dict[str, BinaryIO] = {}
        self._shape: tuple[int, ...] = (0, self._params.n_bins, separator.preset.n_channels)
        for target, path in self._final.items():
            self._files[target] = self._draft(path).open("wb")
            with writing(path):
                self._write_header(self._files[target])

    def watch(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Pass segments on and record their masks."""
        for segment in segments:
            found = self._masker.masks(segment)
            for target, file in self._files.items():
                with writing(self._final[target]):
                    file.write(np.ascontiguousarray(found[target], np.float16).data)
                self._columns[target].add(found[target])
            mixture = segment.core(segment.mixture)
            self._columns["mixture"].add(magnitude(mixture))
            self._shape = (self._shape[0] + len(mixture), *self._shape[1:])
            yield segment

    def _write_header(self, file: BinaryIO) -> None:
        # numpy leaves room in the header for the first axis to grow
        header = {"descr": "<f2", "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(file, header)

    def finish(self) -> None:
        from mssviz import plots

        for target, file in self._files.items():
            with writing(self._final[target]):
                file.seek(0)
                self._write_header(file)
                file.close()
        columns = {name: columns.array() for name, columns in self._columns.items()}
        figure = plots.song_figure(columns.pop("mixture"), columns, self._params, self._shape[0])
        scratch = self._draft(self._picture)
        with writing(self._picture):
            figure.savefig(scratch, format="png", dpi=110)

    def close(self) -> None:
        for path, draft in self._drafts.items():
            with writing(path):
                draft.commit()

    def discard(self) -> None:
        for file in self._files.values():
            file.close()
        for draft in self._drafts.values():
            draft.discard()

    def _draft(self, path: Path) -> Path:
        with writing(path):
            self._drafts[path] = Draft(path)
        return self._drafts[path].scratch


class _Columns:
    """Evenly spaced frames of a song of unknown length, never more than twice PICTURE_COLUMNS."""

    def __init__(self) -> None:
        self._kept: list[AnyArray] = []
        self._stride, self._seen = 1, 0

    def add(self, frames: AnyArray) -> None:
        first = -self._seen % self._stride
        self._kept += [frame.mean(axis=1) for frame in frames[first :: self._stride]]
        self._seen += len(frames)
        while len(self._kept) > 2 * PICTURE_COLUMNS:
            self._kept = self._kept[::2]
            self._stride *= 2

    def array(self) -> AnyArray:
        """``(n_columns, n_bins, 1)``, channels averaged."""
        return np.stack(self._kept)[:, :, None]


def _mask_paths(files: Mapping[str, Path]) -> tuple[dict[str, Path], Path]:
    # target to the file of its mask, and the picture
    masks = {target: path.with_name(f"{path.stem}_mask.npy") for target, path in files.items()}
    return masks, next(iter(files.values())).with_name("masks.png")


def _format_name(name_format: str, source: Path, target: str, codec: str) -> str:
    try:
        parts = list(string.Formatter().parse(name_format))
    except ValueError as error:
        raise ParameterError(
            f"file name format {name_format!r}: {error}; write it like "
            "{filename}/{instrument}.{codec}"
        ) from error
    fields = {field for _, field, _, _ in parts if field is not None}
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise ParameterError(
            f"file name format {name_format!r}: write fields as {{instrument}}, without ! and :"
        )
    if not fields <= set(NAME_FIELDS):
        raise ParameterError(
            f"file name format {name_format!r}: unknown field "
            f"{min(fields - set(NAME_FIELDS))!r}; choose among "
            f"{', '.join('{' + f + '}' for f in NAME_FIELDS)}"
        )
    return name_format.format(
        filename=source.stem,
        foldername=source.resolve().parent.name,
        instrument=target,
        codec=codec,
    )
