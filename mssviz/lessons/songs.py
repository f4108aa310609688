"""The excerpts that lessons use: parts of the songs that come with mssviz, read once."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from mssviz import datasets, separators
from mssviz._fetch import no_progress
from mssviz._typing import Progress, Waveform
from mssviz.errors import ParameterError
from mssviz.separation import Separation
from mssviz.separators import TWO_STEMS
from mssviz.stft import StftParams

SAMPLE_RATE = 44100
#: Grid of STFTs in lessons, which is Spleeter's, too.
PARAMS = StftParams(SAMPLE_RATE)
#: Name of the network that most lessons are about.
SPLEETER = "spleeter:2stems"
#: Songs that lessons offer.
SONGS = ("lithium", "francium")
#: Length of the excerpts that lessons play, in seconds.
SECONDS = 4.0


class Excerpt(NamedTuple):
    """Some seconds of a song with its true stems.

    Attributes
    ----------
    mixture : Waveform
    stems : dict
        Waveforms by source.
    """

    mixture: Waveform
    stems: Mapping[str, Waveform]

    @property
    def two(self) -> dict[str, Waveform]:
        """Vocals and accompaniment, the sum of all other stems."""
        found = datasets.to_targets(self.stems, TWO_STEMS)
        assert found is not None  # all songs of lessons have vocals
        return found


def excerpt(song: str = "lithium", seconds: float = SECONDS) -> Excerpt:
    """Read the beginning of a song that comes with mssviz, at 44,100 Hz.

    What is given may be changed: the next call gives the song as it is.

    Parameters
    ----------
    song
        Name of the song, ``"lithium"`` (vocals, drums, bass, other) or ``"francium"`` (vocals,
        drums, other).
    seconds
        Length.

    Raises
    ------
    ParameterError
        If no such song comes with mssviz.
    """
    if song not in SONGS:
        raise ParameterError(f"song must be one of {', '.join(SONGS)} (got {song!r})")
    mixture, stems = _loaded(song, seconds)
    return Excerpt(mixture.copy(), {name: stem.copy() for name, stem in stems.items()})


@cache
def _loaded(song: str, seconds: float) -> tuple[Waveform, Mapping[str, Waveform]]:
    return datasets.examples()[song].load(0.0, seconds, SAMPLE_RATE)


_separated: dict[tuple[str, str, float], Separation] = {}


def separated(
    model: str,
    song: str = "lithium",
    seconds: float = SECONDS,
    progress: bool | Progress = no_progress,
) -> Separation:
    """Separate the beginning of a song into vocals and accompaniment, once.

    Parameters
    ----------
    model
        Name of a model with these two stems, or of an oracle, as for `separators.find`.
    song
        Name of the song, as for `excerpt`.
    seconds
        Length.
    progress
        Callback for the progress, as for `Separator.separate`.
    """
    key = model, song, seconds
    if key not in _separated:
        found = excerpt(song, seconds)
        _separated[key] = separators.find(model).separate(
            found.mixture, SAMPLE_RATE, references=found.two, progress=progress
        )
    return _separated[key]
