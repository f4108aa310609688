"""Several models' outputs, averaged.

Source: Uhlich et al., "Improving music source separation based on deep neural networks through data
augmentation and network blending", ICASSP 2017.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mssviz._typing import AnyArray, Progress
from mssviz.errors import ParameterError
from mssviz.presets import TRAINED_ON_TEST, Preset
from mssviz.separation import MASK, MaskOptions, Run
from mssviz.separators.model import Model, weightless


class Blend(Model):
    """Weighted mean of several models' outputs.

    Parameters
    ----------
    models
        Models of the same targets on the same time-frequency grid.
    weights
        Weight of each model, 0 or more; scaled to a sum of 1. Equal if left out.

    Notes
    -----
    All estimates have the mixture's phase, so the mean of the outputs is the output of the mean
    mask. Models with a Wiener filter are blended by their effective masks.

    References
    ----------
    Uhlich et al., "Improving music source separation based on deep neural networks through data
    augmentation and network blending", ICASSP 2017.
    """

    kind = MASK

    def __init__(self, models: Sequence[Model], weights: Sequence[float] | None = None) -> None:
        self.models = list(models)
        self.weights = shares(len(models), weights)
        self.preset = blended([model.preset for model in models], self.weights)
        self.options = MaskOptions()
        self.needs_references = any(model.needs_references for model in models)

    def begin(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Run:
        """Begin a separation, as `Model.begin` does."""
        separation = self.empty(self.prepared(waveform, sample_rate))
        runs = [model.begin(waveform, sample_rate, references) for model in self.models]

        def work(report: Progress) -> Iterator[slice]:
            for run in runs:
                run.finish(report)
            for run, weight in zip(runs, self.weights, strict=True):
                for frames, found in run.separation.masked():
                    for target, mask in found.items():
                        separation.prediction.values[target][frames] += np.float32(weight) * mask
            yield slice(0, separation.mixture_stft.shape[0])

        return Run(separation, work)


def shares(n_models: int, weights: Sequence[float] | None) -> list[float]:
    """Weights of a number of models, scaled to a sum of 1; equal ones for None.

    Raises
    ------
    ParameterError
        If there are fewer than two models, the weights are not one for each, or they make no mean.
    """
    weights = [1.0] * n_models if weights is None else list(weights)
    if n_models < 2 or len(weights) != n_models:
        raise ParameterError(
            f"a blend needs two or more models and a weight for each (got {n_models} and "
            f"{len(weights)})"
        )
    if not sum(weights) > 0 or min(weights) < 0 or not np.isfinite(weights).all():
        raise ParameterError(f"weights must be 0 or more, with a sum above 0 (got {weights})")
    return [weight / sum(weights) for weight in weights]


def blended(presets: Sequence[Preset], weights: Sequence[float]) -> Preset:
    """Description of a blend of models with these descriptions, with weights from `shares`.

    Licences and training data are those of all models together.

    Raises
    ------
    ParameterError
        If the models do not separate the same targets on the same grid.
    """
    first = presets[0]
    for preset in presets[1:]:
        if (preset.targets, preset.stft) != (first.targets, first.stft):
            raise ParameterError(
                f"{preset.name} and {first.name} differ in their targets or grid; blend models "
                "that separate the same"
            )
    parts = zip(weights, presets, strict=True)
    name = " + ".join(f"{weight:.2g} {preset.name}" for weight, preset in parts)
    described = weightless(name, "weighted mean of outputs", first.targets)
    return replace(
        described,
        stft=first.stft,
        licence="; ".join(dict.fromkeys(preset.licence for preset in presets)),
        training_data="; ".join(dict.fromkeys(preset.training_data for preset in presets)),
        trained_on_test=max(
            (preset.trained_on_test for preset in presets), key=TRAINED_ON_TEST.index
        ),
    )
