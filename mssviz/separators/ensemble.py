"""Several models' stems, made one: by their mean, median, smallest or largest values.

Sources: Uhlich et al., "Improving music source separation based on deep neural networks through
data augmentation and network blending", ICASSP 2017, for the mean; ``ensemble.py`` of
Music-Source-Separation-Training, and ``spec_utils.py`` of Ultimate Vocal Remover 5, for the others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce

import numpy as np

from mssviz._checks import check_number
from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import ParameterError
from mssviz.separation import MAGNITUDE, MASK, Run
from mssviz.separators.blocks import spectrum_of, waveform_of
from mssviz.separators.compound import Compound, check_models, given_by, share, stems_of
from mssviz.separators.model import Model
from mssviz.separators.recipes import MEAN, METHODS, Mixed, mixed_name

#: Weights of the models, or of the models by stem.
Weights = Sequence[float] | Mapping[str, Sequence[float]]


class Ensemble(Compound):
    """Several models whose stems are made one.

    Parameters
    ----------
    models
        Two or more models; see Notes for the stems.
    weights
        Weight of each model in a mean, 0 or more, equal if left out; or such weights by stem. They
        are scaled to a sum of 1. Medians, smallest and largest values have none.
    method
        Name of the way to make one stem of several:

        ``"avg_wave"``, ``"avg_fft"``
            weighted mean, of samples or of complex spectra, which differ only in rounding;
        ``"median_wave"``
            median of each sample, which of two is their mean;
        ``"median_fft"``
            median of each complex bin as NumPy has it: ordered by real parts, then imaginary ones;
        ``"min_wave"``, ``"max_wave"``
            sample of the smallest, or largest, absolute value, with its sign;
        ``"min_fft"``, ``"max_fft"``
            complex bin of the smallest, or largest, magnitude, with its phase: Ultimate Vocal
            Remover's Min Spec and Max Spec.

    Raises
    ------
    ParameterError
        If there are fewer than two models, they have no stems in common, differ in sample rate or
        number of channels, or there is no such method or mean.

    Notes
    -----
    The stems are those that weights are given for, or those of the first model. A stem can be the
    sum of several of a model's: its accompaniment is all but the vocals. A model that lacks one of
    the first model's stems takes no part in it.

    Spectra are those of Music-Source-Separation-Training: n_fft 2048, hop 1024, Hann window. A mean
    of models of masks with the same stems and grid is the mean of their masks, to which all mask
    options apply; this is the mean of their outputs, as all have the mixture's phase. All other
    results have a phase of their own.

    References
    ----------
    Uhlich et al., "Improving music source separation based on deep neural networks through data
    augmentation and network blending", ICASSP 2017.

    Examples
    --------
    >>> models = [mssviz.Separator("spleeter:2stems"), mssviz.separators.find("repet-sim")]
    >>> ensemble = mssviz.separators.Ensemble(models, [0.9, 0.1])
    >>> ensemble.preset.name
    '0.9 spleeter:2stems + 0.1 repet-sim'
    """

    def __init__(
        self, models: Sequence[Model], weights: Weights | None = None, method: str = MEAN
    ) -> None:
        if method not in METHODS:
            raise ParameterError(f"no method {method!r}: choose one of {', '.join(METHODS)}")
        if weights is not None and "avg" not in method:
            raise ParameterError(f"{method} has no weights; leave them out, or choose {MEAN}")
        check_models(models)
        self.weights = _scaled(len(models), weights)
        self.method = method
        targets = tuple(weights) if isinstance(weights, Mapping) else models[0].targets
        self._sources = [given_by(model.targets, targets) for model in models]
        names = [model.preset.name for model in models]
        name = mixed_name(Mixed(names, self.weights, method))
        super().__init__(models, name, f"{method} of stems", targets)
        self._shares = {target: self._shares_of(target) for target in targets}
        are_masks = all(
            model.kind in (MAGNITUDE, MASK) and not model.options.mwf
            and set(model.targets) == set(targets) and model.preset.stft == self.preset.stft
            for model in models
        )  # fmt: skip
        if method == MEAN and are_masks:
            self.kind = MASK

    def fingerprint(self) -> str:
        """Everything that the result depends on, with weights to the last digit."""
        return f"{super().fingerprint()} {self.method} {self.weights}"

    def begin(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Run:
        """Begin a separation, as `Model.begin` does."""
        mixture = self.prepared(waveform, sample_rate)
        runs = [model.begin(waveform, sample_rate, references) for model in self.models]
        if self.kind is MASK:
            return self._mean_of_masks(mixture, runs)

        def work(report: Progress) -> Callable[[slice], Mapping[str, AnyArray]]:
            n_runs = len(runs)
            # a run that is done is dropped, with all that its stems were made of
            found = [stems_of(runs.pop(0), report, index, n_runs) for index in range(n_runs)]
            return lambda samples: {
                target: self._made(target, found, samples) for target in self.targets
            }

        return self.run(mixture, work)

    def _mean_of_masks(self, mixture: Waveform, runs: Sequence[Run]) -> Run:
        separation, seconds = self.empty(mixture), len(mixture) / self.sample_rate

        def work(report: Progress) -> Iterator[slice]:
            for index, run in enumerate(runs):
                run.finish(share(report, index, len(runs)))
            for index, run in enumerate(runs):
                for frames, found in run.separation.masked():
                    for target, mask in found.items():
                        weight = np.float32(self._shares[target][index])
                        separation.prediction.values[target][frames] += weight * mask
                    report(seconds, seconds, "combine")
            yield slice(0, separation.mixture_stft.shape[0])

        return Run(separation, work)

    def _made(
        self, target: str, found: Sequence[Mapping[str, Waveform]], samples: slice
    ) -> AnyArray:
        """Make a block of a stem of what the models have found."""
        way, _, domain = self.method.partition("_")
        shares, parts = [], []
        for weight, sources, stems in zip(self._shares[target], self._sources, found, strict=True):
            if weight > 0:
                shares.append(weight)
                stem = (stems[name] for name in sources[target])
                if domain == "fft":
                    parts.append(reduce(np.add, (spectrum_of(w, samples) for w in stem)))
                else:
                    parts.append(reduce(np.add, (w[samples] for w in stem)))
        made = _WAYS[way](np.stack(parts), shares)
        return waveform_of(made, samples) if domain == "fft" else made

    def _shares_of(self, target: str) -> list[float]:
        """Weights of the models in a stem, 0 for those that have no part in it."""
        if isinstance(self.weights, Mapping):
            for weight, sources, model in zip(
                self.weights[target], self._sources, self.models, strict=True
            ):
                if weight and target not in sources:
                    raise ParameterError(
                        f"{model.preset.name} gives no {target}, but "
                        f"{', '.join(model.targets)}; leave it out of this stem"
                    )
            return self.weights[target]
        for sources, model in zip(self._sources, self.models, strict=True):
            if not sources:
                raise ParameterError(
                    f"{model.preset.name} gives none of the stems of "
                    f"{self.models[0].preset.name}, {', '.join(self.targets)}, but "
                    f"{', '.join(model.targets)}; choose models with stems in common"
                )
        pairs = zip(self.weights, self._sources, strict=True)
        weights = [weight if target in sources else 0.0 for weight, sources in pairs]
        if not sum(weights):
            raise ParameterError(f"no model with a weight above 0 gives {target}; raise one")
        return [weight / sum(weights) for weight in weights]


#: Earlier name of ensembles, which were means alone.
Blend = Ensemble


def _scaled(n_models: int, weights: Weights | None) -> list[float] | dict[str, list[float]]:
    if isinstance(weights, Mapping):
        if not weights:
            raise ParameterError("weights by stem name one stem or more (got none)")
        return {stem: _shares(n_models, given) for stem, given in weights.items()}
    return _shares(n_models, [1.0] * n_models if weights is None else weights)


def _shares(n_models: int, weights: Sequence[float]) -> list[float]:
    """Weights scaled to a sum of 1, or an error if they make no mean."""
    if isinstance(weights, str) or not isinstance(weights, Iterable):
        raise ParameterError(f"weights must be numbers, one for each model (got {weights!r})")
    weights = list(weights)
    for weight in weights:
        check_number(weight, "a weight")
    if n_models < 2 or len(weights) != n_models:
        raise ParameterError(
            f"an ensemble needs two or more models and a weight for each (got {n_models} and "
            f"{len(weights)})"
        )
    if not sum(weights) > 0 or min(weights) < 0 or not np.isfinite(weights).all():
        raise ParameterError(f"weights must be 0 or more, with a sum above 0 (got {weights})")
    return [weight / sum(weights) for weight in weights]


# --- What one makes of several, which are stacked along the first axis --------------------------


def _mean(parts: AnyArray, shares: Sequence[float]) -> AnyArray:
    return np.tensordot(np.array(shares), parts, axes=1)


def _median(parts: AnyArray, _: Sequence[float]) -> AnyArray:
    return np.median(parts, axis=0)


def _smallest(parts: AnyArray, _: Sequence[float]) -> AnyArray:
    return _picked(parts, np.abs(parts).argmin(axis=0))


def _largest(parts: AnyArray, _: Sequence[float]) -> AnyArray:
    return _picked(parts, np.abs(parts).argmax(axis=0))


def _picked(parts: AnyArray, index: AnyArray) -> AnyArray:
    return np.take_along_axis(parts, index[np.newaxis], axis=0)[0]


_WAYS: Mapping[str, Callable[[AnyArray, Sequence[float]], AnyArray]] = {
    "avg": _mean, "median": _median, "min": _smallest, "max": _largest
}  # fmt: skip
