"""Songs before they are learnt: everything that is wrong with them, and room for their spectra."""

import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path

from mssviz._typing import Progress
from mssviz.datasets import MAX_RESIDUAL_DB
from mssviz.errors import FileError, ParameterError
from mssviz.training.chunks import CHOOSE_FOLDER, Chunks, Look

#: Number of songs that a message describes one by one; the others are only named or counted.
_TOLD = 10


def check(parts: Iterable[Chunks], mixture: str | None, progress: bool | Progress) -> None:
    """Raise an error for what would end a training later; warn of what is seldom meant.

    Parameters
    ----------
    parts
        Songs to learn, and songs for validation.
    mixture
        Mixture of songs that have a file of it, as in `Settings`.
    progress
        Bars or callback for the progress, as in `train`.

    Raises
    ------
    ParameterError
        If songs cannot be trained on; the error names all of them.
    FileError
        If there is no room for their spectra.
    """
    parts = list(parts)
    looks = [found for chunks in parts for found in chunks.looks(progress).items()]
    unfit = [(name, look.problem) for name, look in looks if look.problem]
    if unfit:
        n_all = sum(len(chunks.files) for chunks in parts)
        raise ParameterError(
            f"{len(unfit)} of {n_all} tracks are not fit for training; correct or leave out: "
            f"{_reasons(unfit)}"
        )
    _check_mixtures(looks, mixture)
    silent = [(name, ", ".join(look.silent)) for name, look in looks if look.silent]
    if silent:
        _warn(f"stems that are silent throughout are learnt as they are: {_told(silent)}")
    _check_room(parts[0].folder, sum(look.n_bytes for _, look in looks), len(looks))


def _check_mixtures(looks: list[tuple[str, Look]], mixture: str | None) -> None:
    other = [
        (name, f"{look.residual_db:.0f} dB")
        for name, look in looks
        if look.residual_db > MAX_RESIDUAL_DB
    ]
    if not other:
        return
    text = (
        f"the mixtures of {len(other)} of {len(looks)} tracks are not the sum of their stems; "
        f"what is left, relative to the mixture: {_told(other)}"
    )
    if mixture is None:
        raise ParameterError(
            f"{text}. If they are mastered, choose mixture='file' (--mixture file) to separate "
            "them as they are, or 'sum' to train on the sums of the stems; else correct or leave "
            "them out"
        )
    _warn(f"{text}. They are taken as they are, as mixture is 'file'")


def _check_room(folder: Path, n_bytes: int, n_songs: int) -> None:
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError:  # writing will say what is wrong
        return
    if n_bytes > free:
        raise FileError(
            f"{folder}: has {free >> 20} MiB free, the spectra of {n_songs} tracks need "
            f"{-(-n_bytes >> 20)} MiB; free some space, or {CHOOSE_FOLDER}"
        )


def _reasons(problems: list[tuple[str, str]]) -> str:
    told = [f"{name}: {problem}" for name, problem in problems[:_TOLD]]
    rest = [name for name, _ in problems[_TOLD:]]
    if rest:
        told.append(f"and {len(rest)} others: {', '.join(rest)}")
    return " | ".join(told)


def _told(remarks: list[tuple[str, str]]) -> str:
    told = [f"{name} ({remark})" for name, remark in remarks[:_TOLD]]
    if len(remarks) > _TOLD:
        told.append(f"and {len(remarks) - _TOLD} others")
    return ", ".join(told)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=5)  # the caller of train
