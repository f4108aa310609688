"""What validation measures beside the loss, and why a loss that does not fall stays where it is."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from mssviz import datasets, scores
from mssviz._typing import AnyArray
from mssviz.separators import Separator
from mssviz.tracks import Track

if TYPE_CHECKING:
    from mssviz.networks.fit import Fit

#: Epochs and steps after which a loss is expected to have fallen, and the share by which.
FLAT_EPOCHS, FLAT_STEPS, FLAT_SHARE = 3, 100, 0.01
#: Losses of two things are taken for the same if they differ by less than this share.
_ALIKE = 0.02
#: Learning rate below which nothing happens in thousands of steps.
_LEAST_RATE = 1e-6


def usdr(separator: Separator, tracks: Iterable[Track], seconds: float) -> float:
    """Measure what is heard of the middles of songs.

    Parameters
    ----------
    separator
        Separator with the network that is measured.
    tracks
        Songs, whose stems give the separator's targets.
    seconds
        Length of the middles.

    Returns
    -------
    float
        uSDR in dB, see `scores.usdr`, the mean over targets and songs.
    """
    rate, found = separator.sample_rate, []
    for track in tracks:
        length = track.seconds
        if length is not None and length > seconds:
            track = track.excerpt((length - seconds) / 2, seconds)
        mixture, stems = track.load(sample_rate=rate)
        true = datasets.to_targets(stems, separator.targets)
        assert true is not None, "checked before"
        estimates = separator.separate(mixture, rate, progress=False).estimates
        found += [
            scores.usdr(separator.prepared(true[target], rate), estimate)
            for target, estimate in estimates.items()
        ]
    return float(np.mean(found))


def is_flat(losses: list[float], step: int) -> bool:
    """Whether mean losses of epochs, one after the other, have not fallen where they should.

    Parameters
    ----------
    losses
        Mean loss of each epoch.
    step
        Number of the last step.
    """
    due = len(losses) >= FLAT_EPOCHS and step >= FLAT_STEPS
    return due and min(losses[1:]) > (1 - FLAT_SHARE) * losses[0]


def why_flat(fit: "Fit", batch: AnyArray, learning_rate: float, began_with: str | None) -> str:
    """Find out why a loss does not fall.

    Parameters
    ----------
    fit
        Network in training.
    batch
        Examples, as in `Fit.step`.
    learning_rate
        Present learning rate.
    began_with
        Name of the preset that training began with, if any.

    Returns
    -------
    str
        Sentence on what was found, with a remedy.
    """
    if not batch[:, 1:].any():
        return "all targets of the last batch are silent: check the songs"
    found = fit.look_into(batch)
    if found.loss == 0:
        return "the loss is 0: the targets are what the network gives without learning"
    if found.gradient == 0:
        return (
            "no weight has a gradient: the network's units are all switched off, or its output is "
            "cut; begin anew with a lower learning rate or another seed"
        )
    if learning_rate < _LEAST_RATE:
        return f"the learning rate {learning_rate:g} changes next to nothing; choose a higher one"
    if abs(found.silence - found.loss) < _ALIKE * found.loss:
        return (
            f"it is that of silence ({found.silence:.4g}): the network gives nothing; begin anew "
            "with a lower learning rate, or with songs in which the targets sound more often"
        )
    if began_with is not None:
        return (
            f"{began_with}, which it began with, may be as good as these songs make it; look at "
            "the validation, and stop"
        )
    return (
        f"weights do change (gradient {found.gradient:.2g}, learning rate {learning_rate:g}): try "
        "a learning rate three times as high, then one three times as low; then look whether the "
        "stems belong to their mixtures"
    )
