"""What all models that are made of others have in common."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mssviz._stems import known_parts, source_name
from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import ParameterError
from mssviz.presets import TRAINED_ON_TEST, WEIGHTLESS, Preset, Weights
from mssviz.separation import SPECTRUM, Kind, MaskOptions, Run, Store
from mssviz.separators.blocks import blocks_of
from mssviz.separators.model import GRID, Model, weightless
from mssviz.stft import stft_frames

#: Function that lets all models work, and gives the function that makes a block of each stem.
Work = Callable[[Progress], Callable[[slice], Mapping[str, AnyArray]]]
#: Names of stems that are whatever no other stem is.
_RESTS = ("other", "accompaniment")


class Compound(Model):
    """Model that is made of others, and has the licences and training data of all of them.

    Parameters
    ----------
    models
        Models that it is made of.
    name, title
        Name and description in one line.
    targets
        Names of the stems.

    Raises
    ------
    ParameterError
        If the models differ in sample rate or number of channels.
    """

    kind: Kind = SPECTRUM

    def __init__(
        self, models: Sequence[Model], name: str, title: str, targets: Sequence[str]
    ) -> None:
        self.models = list(models)
        self.preset = _together([model.preset for model in models], name, title, targets)
        self.options = MaskOptions()
        self.needs_references = any(model.needs_references for model in models)

    def fingerprint(self) -> str:
        """Everything that the result depends on, as `Model.fingerprint`, for all models."""
        return " | ".join([super().fingerprint(), *(m.fingerprint() for m in self.models)])

    def run(self, mixture: Waveform, work: Work) -> Run:
        """Begin a separation whose stems are made block by block, once all models have worked.

        Parameters
        ----------
        mixture
            Waveform from `prepared`.
        work
            Function of a callback for progress, that gives a function of samples to stems.
        """
        store, grid = Store(), self.preset.stft
        stems = {target: store.empty(mixture.shape) for target in self.targets}
        spectra = {target: stft_frames(stem, grid) for target, stem in stems.items()}
        separation = self.separation(mixture, spectra, store)
        n_samples, seconds = len(mixture), len(mixture) / self.sample_rate

        def parts(report: Progress) -> Iterator[slice]:
            made, done = work(report), 0
            for samples in blocks_of(n_samples):
                for target, found in made(samples).items():
                    stems[target][samples] = found
                report(seconds, seconds, "combine")
                is_last = samples.stop == n_samples
                complete = samples.stop // grid.hop_length + 1
                complete = grid.n_frames(n_samples) if is_last else complete
                yield slice(done, complete)
                done = complete

        return Run(separation, parts)


def check_models(models: Sequence[Any]) -> None:
    """Raise `ParameterError` unless all of these are models."""
    if isinstance(models, Model):
        raise ParameterError(f"models must be a list (got {models.preset.name} alone)")
    for model in models:
        if not isinstance(model, Model):
            raise ParameterError(
                f"models are such as mssviz.Separator(name) or mssviz.separators.find(name) (got "
                f"{type(model).__name__}); for names alone, call mssviz.separators.find"
            )


def stems_of(run: Run, report: Progress, index: int, n_runs: int) -> dict[str, Waveform]:
    """Do one run of several and give its stems, without the prediction that they are made of.

    Parameters
    ----------
    run
        Run to do.
    report
        Callback for the progress of all runs together.
    index, n_runs
        Number of runs before this one, and of all.
    """
    return dict(run.finish(share(report, index, n_runs)).estimates)


def share(report: Progress, index: int, n_runs: int) -> Progress:
    """Callback for the progress of one run of several, see `stems_of`."""

    def part(done: float, total: float | None, what: str) -> None:
        if total is not None:
            done = min((index * total + done) / n_runs, total)
        report(done, total, what)

    return part


def given_by(stems: Collection[str], targets: Sequence[str]) -> dict[str, list[str]]:
    """Names of a model's stems that make up each of some targets, of those that it gives.

    A model's ``other`` holds whatever it has no stem of, so it is no rest of targets of which some
    have no stem.
    """
    found = known_parts(targets, stems)
    if len(found) == len(targets):
        return found
    return {target: names for target, names in found.items() if source_name(target) not in _RESTS}


def _together(presets: Sequence[Preset], name: str, title: str, targets: Sequence[str]) -> Preset:
    first = presets[0]
    for preset in presets[1:]:
        if (preset.stft.sample_rate, preset.n_channels) != (
            first.stft.sample_rate, first.n_channels,
        ):  # fmt: skip
            raise ParameterError(
                f"{preset.name} and {first.name} work at different sample rates or numbers of "
                "channels; choose models in which these are the same"
            )
    alike = all(preset.stft == first.stft for preset in presets)
    stft = first.stft if alike else replace(GRID, sample_rate=first.stft.sample_rate)
    described = weightless(name, title, targets)
    return replace(
        described,
        stft=stft,
        model_bins=stft.n_bins,
        n_channels=first.n_channels,
        weights=Weights(WEIGHTLESS, "", {}, sum(preset.weights.size for preset in presets)),
        licence=_joined(preset.licence for preset in presets),
        training_data=_joined(preset.training_data for preset in presets),
        citation=_joined(preset.citation for preset in presets if preset.citation),
        trained_on_test=max(
            (preset.trained_on_test for preset in presets), key=TRAINED_ON_TEST.index
        ),
    )


def _joined(texts: Iterator[str]) -> str:
    return "; ".join(dict.fromkeys(text for given in texts for text in given.split("; ")))
