"""Models behind one another: what one makes a stem of, another separates further."""

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np

from mssviz._stems import parts_of
from mssviz._typing import AnyArray, Progress, Waveform
from mssviz.errors import ParameterError
from mssviz.separation import Run, Store
from mssviz.separators.blocks import blocks_of
from mssviz.separators.compound import Compound, check_models, stems_of
from mssviz.separators.model import Model
from mssviz.separators.recipes import chained_name


class Chain(Compound):
    """Two models, of which the second separates a stem of the first.

    Parameters
    ----------
    first
        Model that separates the mixture.
    stem
        Name of the first model's stem that the second separates; ``"accompaniment"`` can be the sum
        of all stems but the vocals.
    second
        Model that separates this stem; it may be a chain, too.

    Raises
    ------
    ParameterError
        If the first model has no such stem, or the models differ in sample rate or number of
        channels.

    Notes
    -----
    The stems are those of the first model without the one that is separated, then those of the
    second. Stems of one name are added, so that nothing is lost: vocals that the second model still
    finds in an accompaniment belong to the vocals. All results have a phase of their own.

    Examples
    --------
    >>> first, second = mssviz.Separator("spleeter:2stems"), mssviz.separators.find("hpss")
    >>> chain = mssviz.separators.Chain(first, "accompaniment", second)
    >>> chain.preset.name, chain.targets
    ('spleeter:2stems > accompaniment > hpss', ('vocals', 'drums', 'other'))
    """

    def __init__(self, first: Model, stem: str, second: Model) -> None:
        check_models([first, second])
        self.stem = stem
        self._separated = _parts(stem, first)
        self._kept = [target for target in first.targets if target not in self._separated]
        super().__init__(
            [first, second],
            chained_name(first.preset.name, stem, second.preset.name),
            f"the first model's {stem}, separated by the second",
            tuple(dict.fromkeys([*self._kept, *second.targets])),
        )

    def begin(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Run:
        """Begin a separation, as `Model.begin` does; both models get the true stems."""
        first, second = self.models
        mixture = self.prepared(waveform, sample_rate)
        runs = [first.begin(waveform, sample_rate, references)]
        known = references if second.needs_references and references else {}
        true = {name: self.prepared(stem, sample_rate, name) for name, stem in known.items()}

        def work(report: Progress) -> Callable[[slice], Mapping[str, AnyArray]]:
            found = stems_of(runs.pop(), report, 0, 2)
            stem = _total([found.pop(name) for name in self._separated])
            further = stems_of(second.begin(stem, self.sample_rate, true), report, 1, 2)

            def made(samples: slice) -> dict[str, AnyArray]:
                return {
                    target: reduce(
                        np.add, [w[target][samples] for w in (found, further) if target in w]
                    )
                    for target in self.targets
                }

            return made

        return self.run(mixture, work)


def _parts(stem: str, model: Model) -> list[str]:
    """Names of a model's stems that make up one."""
    if stem in model.targets:
        return [stem]
    found = parts_of(("vocals", stem), model.targets)
    if found is None:
        raise ParameterError(
            f"{model.preset.name} gives no {stem!r}: choose one of {', '.join(model.targets)}"
        )
    return found[stem]


def _total(stems: list[Waveform]) -> Waveform:
    """Sum of stems, in a temporary file if it is large."""
    if len(stems) == 1:
        return stems[0]
    total = Store().empty(stems[0].shape)
    for samples in blocks_of(len(total)):
        total[samples] = reduce(np.add, [stem[samples] for stem in stems])
    return total
