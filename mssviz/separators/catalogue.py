"""Every model by name: networks, oracles, classical methods and blends.

Pickers, comparisons, the command line and `models` all read this catalogue.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from mssviz import presets, pretrained
from mssviz._typing import PathLike
from mssviz.presets import Preset
from mssviz.separation import Kind, MaskOptions
from mssviz.separators import oracles
from mssviz.separators.blend import Blend, blended, shares
from mssviz.separators.classical import CLASSICAL, Classical, Mixture
from mssviz.separators.model import TWO_STEMS, Model
from mssviz.separators.network import Separator

if TYPE_CHECKING:
    import pandas as pd

#: Name of the published blend, whose networks everybody must train for themselves, see `Blend`.
UHLICH = "0.25 uhlich-fnn + 0.75 uhlich-blstm"
#: Groups whose models separate whatever targets are asked for.
_OF_ANY = ("oracle", "baseline")
_PART = re.compile(r"(\d*\.?\d+) (\S.*)")


@dataclass(frozen=True)
class Entry:
    """One model, of which nothing has been fetched, built or loaded.

    Parameters
    ----------
    group
        Kind of model; the ``"baseline"`` is the mixture itself.
    preset
        Targets, time-frequency grid and description of the model.
    predicts
        Kind of its predictions.
    options
        Mask options that it has if nothing else is said.
    state
        Whether it can be used now, as a word from `pretrained.state`.
    build
        Function that makes the model; it takes the targets, and ``progress`` and ``fetch`` of
        `Separator`.
    """

    group: Literal["network", "oracle", "classical", "baseline", "blend"]
    preset: Preset
    predicts: Kind
    options: MaskOptions
    state: str
    build: Callable[..., Model]


def entries() -> dict[str, Entry]:
    """All models by name: networks, a person's own behind them, then those without weights."""
    networks = {**presets.shipped(), **presets.imported()}
    found = {name: _network(name, preset) for name, preset in networks.items()}
    found.update((name, entry(name)) for name in names_without_weights())
    found[UHLICH] = _blend(_parts(UHLICH), found.__getitem__)
    return found


def names_without_weights() -> dict[str, str]:
    """All oracles, classical methods and the mixture, each with a line that says what it is."""
    methods = {name: method.title for name, method in CLASSICAL.items()}
    ideal = {f"oracle:{name}": title for name, title in oracles.titles().items()}
    return {**ideal, "mixture": Mixture.title, **methods}


def entry(name: PathLike) -> Entry:
    """Look up what is known of a model without fetching or loading anything.

    Parameters
    ----------
    name
        Name of a model, such as ``"spleeter:2stems"``, ``"oracle:IRM2"`` or ``"hpss"``; a folder or
        configuration file of one's own; or a blend, such as ``"0.25 my-fnn + 0.75 my-blstm"``, with
        a weight before each name.

    Raises
    ------
    ParameterError
        If there is no model of this name.
    """
    text = str(name)
    if text in CLASSICAL:
        return _of(Classical(text), "classical", lambda targets, **_: Classical(text))
    if text == "mixture":
        return _of(Mixture(), "baseline", lambda targets, **_: Mixture(targets))
    if text.startswith("oracle:"):
        kind = text.removeprefix("oracle:")
        return _of(
            oracles.oracle(kind), "oracle", lambda targets, **_: oracles.oracle(kind, targets)
        )
    if parts := _parts(text):
        return _blend(parts, entry)
    return _network(name, presets.find(name))


def find(name: PathLike, targets: Sequence[str] = TWO_STEMS, **options: Any) -> Model:
    """Find a model by its name.

    Parameters
    ----------
    name
        Name of the model, as for `entry`.
    targets
        Targets of an oracle or of the mixture; other models have their own.
    options
        Any of `MaskOptions`, and for networks ``progress`` and ``fetch`` of `Separator`.

    Raises
    ------
    ParameterError
        If there is no model of this name, or a mask option is out of range or would do nothing to
        it.
    PretrainedError
        If weights cannot be had.
    """
    of_network = {k: options.pop(k) for k in ("progress", "fetch") if k in options}
    model = entry(name).build(targets, **of_network)
    model.options = model.kind.change(model.options, options, model.preset.name)
    return model


def options_of(name: PathLike, changes: Mapping[str, Any]) -> MaskOptions:
    """Mask options of a model with some of them replaced, without fetching or loading the model.

    Raises
    ------
    ParameterError
        If there is no such model, or an option is out of range or would do nothing to it.
    """
    found = entry(name)
    return found.predicts.change(found.options, changes, str(name))


def models() -> "pd.DataFrame":
    """List every model that comes with mssviz or was imported.

    Returns
    -------
    DataFrame
        Index ``model``; columns ``kind`` (network, oracle, classical, baseline, blend), ``targets``
        (oracles and the mixture have those that are asked for), ``upper_hz`` (upper end of the
        modelled band, hertz), ``size_mb`` (size of the weights, 10^6 bytes), ``licence`` (as it is
        stated; cards say by whom), ``trained_on_test`` (``"yes"``, ``"no"`` or ``"not known"``:
        whether songs of MUSDB18's test set were among its training songs), ``state`` (whether it
        is ready on this machine) and ``title``.

    Examples
    --------
    >>> mssviz.models().loc["spleeter:2stems", ["kind", "targets"]].tolist()
    ['network', 'vocals, accompaniment']
    """
    import pandas as pd

    rows = [
        {
            "model": name,
            "kind": found.group,
            "targets": "any"
            if found.group in ("oracle", "baseline")
            else ", ".join(preset.targets),
            "upper_hz": preset.model_bins * preset.stft.sample_rate / preset.stft.n_fft,
            "size_mb": round(preset.weights.size / 1e6, 1),
            "licence": preset.licence,
            "trained_on_test": preset.trained_on_test,
            "state": found.state,
            "title": preset.title,
        }
        for name, found in entries().items()
        for preset in [found.preset]
    ]
    return pd.DataFrame(rows).set_index("model")


def _of(
    model: Model, group: Literal["oracle", "classical", "baseline"], build: Callable[..., Model]
) -> Entry:
    return Entry(group, model.preset, model.kind, model.options, "ready", build)


def _network(name: PathLike, preset: Preset) -> Entry:
    separator = Separator.from_network(preset)
    state = pretrained.state(preset)
    build = partial(_separator, name)
    return Entry("network", preset, separator.kind, separator.options, state, build)


def _separator(name: PathLike, targets: Sequence[str], **options: Any) -> Separator:
    return Separator(name, **options)


def _parts(text: str) -> list[tuple[float, str]]:
    """Weight and name of each model in a blend's name; empty if this is not a blend's name."""
    found = [_PART.fullmatch(part) for part in text.split(" + ")]
    if len(found) < 2 or not all(found):
        return []
    return [(float(match[1]), match[2]) for match in found if match]


def _blend(parts: Sequence[tuple[float, str]], find_entry: Callable[[str], Entry]) -> Entry:
    weights, found = [weight for weight, _ in parts], [find_entry(name) for _, name in parts]

    def build(targets: Sequence[str], **options: Any) -> Blend:
        return Blend([one.build(targets, **options) for one in found], weights)

    preset = blended([one.preset for one in found], shares(len(found), weights))
    waiting = [one.state for one in found if one.state != "ready"]
    return Entry("blend", preset, Blend.kind, MaskOptions(), (*waiting, "ready")[0], build)
