"""Part of a song that is seen and heard, before anything is separated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mssviz import audio
from mssviz._typing import Progress, Waveform
from mssviz.separators import entry
from mssviz.stft import Frames, StftParams, stft_frames
from mssviz.widgets.explorer.choice import Choice

#: Seconds before and behind the playhead that change first; it moves on while they are made.
HEARD_SECONDS = (0.2, 1.5)


@dataclass(eq=False, kw_only=True)
class Excerpt:
    """What was chosen of a song, to be looked at and heard; of itself, it has the mixture alone.

    Attributes
    ----------
    choice : Choice
        Song, excerpt and models that were asked for.
    mixture : Waveform
        Waveform of the mixture, ``(n_samples, n_channels)``.
    params : StftParams
        Time-frequency grid of the model that was asked for.
    selection : tuple of float or None
        Part (start, stop) that is measured, and made first, in seconds from the song's beginning;
        None for all of the excerpt.
    playhead : float or None
        Time at which the song is heard, in seconds from the song's beginning.
    visible : tuple of float or None
        (start, stop) of what is seen, in seconds from the song's beginning.
    """

    choice: Choice
    mixture: Waveform
    params: StftParams
    selection: tuple[float, float] | None = None
    playhead: float | None = None
    visible: tuple[float, float] | None = None

    @property
    def offset(self) -> float:
        """Time of the excerpt's first sample in the song, in seconds."""
        return self.choice.offset

    @property
    def mixture_stft(self) -> Frames:
        """STFT of the mixture, computed when it is looked at."""
        return stft_frames(self.mixture, self.params)

    # --- what there is beside the mixture -------------------------------------------------------

    @property
    def complete(self) -> bool:
        """Whether all masks and stems are made."""
        return False

    @property
    def masks(self) -> Mapping[str, Any]:
        """Present masks by stem."""
        return {}

    @property
    def complex_masks(self) -> Mapping[str, Any]:
        """Complex masks by stem, of a model that turns the phase."""
        return {}

    @property
    def stems(self) -> Mapping[str, Waveform]:
        """Stems as the present masks let them through, by name."""
        return {}

    @property
    def true_stems(self) -> Mapping[str, Waveform]:
        """True stems by name, where known."""
        return {}

    @property
    def true_stfts(self) -> Mapping[str, Any]:
        """STFTs of the true stems by name, where known."""
        return {}

    @property
    def compared(self) -> Mapping[str, Mapping[str, Any]]:
        """Masks to compare with, by stem, for each name of what they are."""
        return {}

    def others(self, stem: str) -> Mapping[str, Waveform]:
        """What a stem is compared with by ear, by name."""
        return {}

    # --- where people are in it -----------------------------------------------------------------

    def same_excerpt(self, other: "Excerpt") -> bool:
        """Whether another one is the same part of the same song."""
        return self.choice.excerpt == other.choice.excerpt

    def shows(self, choice: Choice) -> bool:
        """Whether the mixture would be seen and heard the same if this was chosen."""
        same_grid = entry(choice.model).preset.stft == self.params
        return self.choice.excerpt == choice.excerpt and same_grid

    def selected(self) -> tuple[float, float] | None:
        """Selected part that lies in the excerpt, in seconds from its beginning."""
        selection = self.selection  # another thread may change it
        return None if selection is None else self._within(selection)

    def _within(self, part: tuple[float, float]) -> tuple[float, float]:
        # a page can ask for any time, however far away
        end = len(self.mixture) / self.params.sample_rate
        start, stop = (min(max(time - self.offset, 0.0), end) for time in part)
        return start, stop

    def looked_at(self) -> list[tuple[float, float]]:
        """What is to change first, in seconds from the excerpt's beginning.

        That is what is about to be heard, then what is selected, then what is seen.
        """
        playhead, parts = self.playhead, [self.selection, self.visible]
        if playhead is not None:
            parts.insert(0, (playhead - HEARD_SECONDS[0], playhead + HEARD_SECONDS[1]))
        return [self._within(part) for part in parts if part is not None]


def read(choice: Choice, progress: Progress) -> Excerpt:
    """Read the mixture of an excerpt as the chosen model would get it; no model is built.

    Parameters
    ----------
    choice
        Song, excerpt and models that are asked for.
    progress
        Callback for the progress, in seconds of sound.

    Raises
    ------
    MssvizError
        Under the conditions of `Choice.load`.
    """
    preset = entry(choice.model).preset
    mixture = choice.load(preset.stft.sample_rate, progress).mixture
    return Excerpt(
        choice=choice, mixture=audio.to_channels(mixture, preset.n_channels), params=preset.stft
    )
