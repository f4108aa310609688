"""The list of measures that comparisons, the explorer and the score view show of an estimate.

All are in dB. Every measure rewards something and hides something; the functions' docstrings say
what.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mssviz._typing import AnyArray
from mssviz.scores.signals import log_spectral_distance, mse_db, sd_sdr, si_sdr


@dataclass(frozen=True)
class Measure:
    """One measure of an estimate against the true stem.

    Parameters
    ----------
    help
        A few words beside the measure's name that say what it is about.
    whole
        Function that measures a whole track: it takes reference and estimate,
        ``(n_samples, n_channels)``, and the sample rate in hertz, and gives dB. None for the
        measures of BSS Eval, which are taken window by window, see `evaluate`.
    """

    help: str
    whole: Callable[[AnyArray, AnyArray, int], float] | None = None


MEASURES: Mapping[str, Measure] = {
    "SDR": Measure("all errors"),
    "ISR": Measure("filtering and panning"),
    "SIR": Measure("leakage of others"),
    "SAR": Measure("artefacts"),
    "SI-SDR": Measure("all errors but a wrong level", lambda true, found, _: si_sdr(true, found)),
    "SD-SDR": Measure("all errors, a wrong level most", lambda true, found, _: sd_sdr(true, found)),
    "MSE": Measure("mean square error, less is better", lambda true, found, _: mse_db(true, found)),
    "LSD": Measure("distance of levels in the spectrum, less is better", log_spectral_distance),
}
#: Names of the measures of BSS Eval, which every window has.
OF_WINDOWS = tuple(name for name, measure in MEASURES.items() if measure.whole is None)
#: Names of the measures of a whole track.
OF_TRACKS = tuple(name for name, measure in MEASURES.items() if measure.whole is not None)


def of_track(reference: AnyArray, estimate: AnyArray, sample_rate: int) -> dict[str, float]:
    """Every measure of a whole track, in dB by name; parameters as for `Measure.whole`."""
    return {
        name: measure.whole(reference, estimate, sample_rate)
        for name, measure in MEASURES.items()
        if measure.whole is not None
    }
