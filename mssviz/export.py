"""A song from file to files: stems, masks and pictures, written while it is being computed."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mssviz import audio
from mssviz._ahead import ahead
from mssviz._files import Draft, ScratchFolder, mapped_blocks, writing
from mssviz._names import FileOptions, mask_paths, stem_paths
from mssviz._progress import counted, reporter
from mssviz._spleeter import check_keywords
from mssviz._typing import AnyArray, PathLike, Progress, Waveform
from mssviz.errors import AudioError, ParameterError
from mssviz.separation import Masker, Segment, make_masker, synthesise, with_margins
from mssviz.separators import TWO_STEMS, Model, Separator, find
from mssviz.separators.catalogue import Choices, find_kept
from mssviz.stft import magnitude

#: Number of columns of the pictures of a whole song.
PICTURE_COLUMNS = 1600


def separate_files(
    files: PathLike | Iterable[PathLike],
    folder: PathLike = "separated",
    model: PathLike | Model = "spleeter:2stems",
    *,
    offset: float = 0.0,
    duration: float | None = None,
    stream: int | None = None,
    progress: bool | Progress = True,
    **options: Any,
) -> list[dict[str, Path]]:
    """Separate sound files of any length into files, in bounded memory.

    Parameters
    ----------
    files
        Path of a sound file, or several paths.
    folder
        Folder for the stems; made if it is missing.
    model
        Name of a model, as `separators.find` takes it, or a model.
    offset, duration, stream
        Part and stream of each file that are read; see `audio.load_audio`.
    progress
        Bar or callback for the progress, as in `Separator.separate`.
    options
        Any of `FileOptions`: ``codec``, ``bitrate``, ``bit_depth``, ``name_format``, ``masks``.

    Returns
    -------
    list of dict
        The paths of the stems by target, for each file.

    Raises
    ------
    AudioError, FileError, ParameterError
        If a file cannot be read or written; stems of earlier files are complete and stay.
    PretrainedError
        If weights cannot be had.

    Examples
    --------
    >>> song = mssviz.datasets.example_mixture()
    >>> [stems] = mssviz.separate_files(song, "stems", duration=2.0, progress=False)
    >>> [stem.as_posix() for stem in stems.values()]
    ['stems/mixture/vocals.wav', 'stems/mixture/accompaniment.wav']
    """
    check_keywords(options, [field.name for field in fields(FileOptions)])
    chosen = FileOptions(**options)
    songs = list(files) if isinstance(files, Iterable) and not isinstance(files, str) else [files]
    separator = model if isinstance(model, Model) else find(model, progress=progress)
    plans = stem_paths(songs, separator.targets, folder, chosen)
    for song, stems in zip(songs, plans, strict=True):
        separate_file(
            separator, song, stems, offset=offset, duration=duration, stream=stream,
            options=chosen, progress=progress,
        )  # fmt: skip
    return plans


def separate_file(
    separator: Model,
    path: PathLike,
    files: Mapping[str, Path],
    *,
    offset: float = 0.0,
    duration: float | None = None,
    stream: int | None = None,
    options: FileOptions | None = None,
    progress: bool | Progress = True,
) -> list[Path]:
    """Separate a sound file of any length into files, in bounded memory; see `separate_files`.

    Parameters
    ----------
    separator
        Model, with its mask options; one that needs true stems cannot be used.
    path, offset, duration, stream
        Sound file, part and stream that are read; see `audio.load_audio`.
    files
        Files to write by target, from `stem_paths`. Targets that are left out are not written, but
        the ratio masks are formed over all targets. Missing folders are made.
    options
        Options for the files that are written.
    progress
        Bar or callback for the progress, as in `Separator.separate`.

    Returns
    -------
    list of Path
        All files written.

    Raises
    ------
    AudioError, FileError, ParameterError
        If reading or writing fails; then nothing is left behind.
    """
    options = options or FileOptions()
    _check_targets(files, separator)
    params = separator.preset.stft
    n_channels, rate = separator.preset.n_channels, separator.sample_rate
    with ExitStack() as stack:
        report = stack.enter_context(reporter(progress))
        reader = stack.enter_context(audio.AudioReader(path, offset, duration, rate, stream))
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
        samples = _Counted(
            (audio.to_channels(block, n_channels) for block in reader.blocks()),
            f"{path}: no samples after offset {offset} s; choose a smaller offset",
        )
        if isinstance(separator, Separator):
            segments, masker = _streamed(separator, samples, reader.n_samples, report, stack)
        else:
            segments, masker = _whole(separator, samples, reader.n_samples, report, stack)
        if options.masks:
            recorder = output.add(_MaskRecorder(separator, masker, files))
            segments = recorder.watch(segments)
        stems = synthesise(segments, masker, params, list(files))
        blocks = stack.enter_context(ahead(stems))
        _write_cut(writers, blocks, samples)
    return [*files.values(), *(recorder.paths if options.masks else [])]


def _streamed(
    separator: Separator,
    blocks: Iterable[Waveform],
    n_samples: int | None,
    report: Progress,
    stack: ExitStack,
) -> tuple[Iterable[Segment], Masker]:
    """Segments of a song that passes through a network, with their margins, and their masker."""
    # the network computes one patch while the patch before is masked and the one before that is
    # written
    params, options = separator.preset.stft, separator.options
    segments = stack.enter_context(ahead(separator.segments(blocks, report, n_samples)))
    if not options.mwf:
        masker = make_masker(separator.kind, options, params)
        return with_margins(segments, options.margin(params)), masker
    kept = _KeptSegments(stack.enter_context(ScratchFolder()).path, separator.targets)
    kept.extend(segments)
    return kept.again(), make_masker(separator.kind, options, params, kept.again)


def _whole(
    model: Model,
    blocks: Iterable[Waveform],
    n_samples: int | None,
    report: Progress,
    stack: ExitStack,
) -> tuple[Iterable[Segment], Masker]:
    """As `_streamed`, for a model that goes through a song more than once: it is kept in a file."""
    path, rate = stack.enter_context(ScratchFolder()).path / "mixture", model.sample_rate
    read = counted(blocks, rate, n_samples, report)
    mixture = mapped_blocks(path, read, model.preset.n_channels)
    separation = model.separate(mixture, rate, report)
    return separation.segments(), separation.masker


def _check_targets(files: Mapping[str, Path], separator: Model) -> None:
    unknown = set(files) - set(separator.targets)
    if unknown or not files:
        raise ParameterError(
            f"stems must be among {', '.join(separator.targets)} "
            f"(got {', '.join(unknown) or 'none'})"
        )


def separate_file_by_name(
    model: str,
    choices: Choices,
    path: PathLike,
    files: Mapping[str, Path],
    offset: float,
    duration: float | None,
    stream: int | None,
    options: FileOptions,
) -> list[Path]:
    """Do what `separate_file` does, for workers: each process builds its separator once."""
    return separate_file(
        find_kept(model, TWO_STEMS, choices), path, files, offset=offset, duration=duration,
        stream=stream, options=options, progress=False,
    )  # fmt: skip


def _write_cut(
    writers: Mapping[str, audio.AudioWriter],
    blocks: Iterable[Mapping[str, Waveform]],
    counted: "_Counted",
) -> None:
    # The stems are up to n_fft longer than the song, whose length is known once it has been read.
    # The last block, from the flush, is n_fft - hop long, so two blocks are always held back.
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
    """Everything that is written for one song: finished together, or not at all."""

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._new_folders: list[Path] = []

    def make_folder(self, folder: Path) -> None:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        self._new_folders = missing + self._new_folders  # the innermost comes first
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
                for part in self._parts:  # a full disk shows here
                    part.finish()
                while self._parts:
                    self._parts[0].close()
                    self._parts.pop(0)
        finally:
            for part in self._parts:
                part.discard()
            for folder in self._new_folders:
                with suppress(OSError):  # it is not empty, as it should be
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
    """A song's segments, kept in files for the Wiener filter's passes over it."""

    def __init__(self, folder: Path, targets: Sequence[str]) -> None:
        self._folder, self._targets = folder, targets
        self._paths: list[Path] = []

    def extend(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            path = self._folder / f"{len(self._paths)}.npz"
            arrays: dict[str, Any] = {"mixture": segment.mixture, **segment.values}
            with writing(path):
                np.savez(path, **arrays)
            self._paths.append(path)

    def again(self) -> Iterator[Segment]:
        for path in self._paths:
            with np.load(path, allow_pickle=False) as arrays:
                yield Segment(arrays["mixture"], {t: arrays[t] for t in self._targets})


class _MaskRecorder:
    """Writes masks to ``.npy`` files (float16), and one picture of the whole song."""

    def __init__(self, separator: Model, masker: Masker, files: Mapping[str, Path]) -> None:
        self._masker, self._params = masker, separator.preset.stft
        self.paths = mask_paths(files)
        self._final, self._picture = dict(zip(files, self.paths, strict=False)), self.paths[-1]
        self._drafts: dict[Path, Draft] = {}
        self._columns = {name: _Columns() for name in ("mixture", *files)}
        self._files: dict[str, BinaryIO] = {}
        self._shape: tuple[int, ...] = (0, self._params.n_bins, separator.preset.n_channels)
        for target, path in self._final.items():
            self._files[target] = self._draft(path).open("wb")
            with writing(path):
                self._write_header(self._files[target])

    def watch(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Pass segments on, and record their masks."""
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
    """Frames at even distances of a song of unknown length, at most twice PICTURE_COLUMNS."""

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
        """Array of the frames, ``(n_columns, n_bins, 1)``, channels averaged."""
        return np.stack(self._kept)[:, :, None]
