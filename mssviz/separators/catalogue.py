"""Every model by name: networks, oracles, classical methods, and what is made of them.

Pickers, comparisons, the command line and `models` all read this catalogue.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

from mssviz import presets, pretrained
from mssviz._typing import PathLike
from mssviz.errors import ParameterError
from mssviz.presets import Preset
from mssviz.separation import Kind, MaskOptions
from mssviz.separators import oracles, recipes
from mssviz.separators.chain import Chain
from mssviz.separators.classical import CLASSICAL, Classical, Mixture
from mssviz.separators.ensemble import Ensemble
from mssviz.separators.model import TWO_STEMS, Model
from mssviz.separators.network import Separator

if TYPE_CHECKING:
    import pandas as pd

#: Published ensemble, whose networks everybody must train for themselves.
_UHLICH = recipes.Mixed(("uhlich-fnn", "uhlich-blstm"), (0.25, 0.75))
UHLICH = recipes.mixed_name(_UHLICH)
#: Groups whose models separate whatever targets are asked for.
_OF_ANY = ("oracle", "baseline")
#: Options of `find` that are those of networks, also of networks that a model is made of.
_OF_NETWORKS = ("quality", "fetch", "progress")
#: Options by name, in a form that can be a key.
Choices = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Entry:
    """One model, of which nothing has been fetched, built or loaded.

    Parameters
    ----------
    group
        Kind of model; the ``"baseline"`` is the mixture itself, and an ``"ensemble"`` is whatever
        is made of several models.
    model
        Model to be looked at, which cannot separate if it is a network.
    state
        Whether it can be used now, as a word from `pretrained.state`.
    build
        Function that makes the model; it takes the targets, and ``progress``, ``fetch`` and
        ``quality`` of `Separator`.
    """

    group: Literal["network", "oracle", "classical", "baseline", "ensemble"]
    model: Model
    state: str
    build: Callable[..., Model]

    @property
    def preset(self) -> Preset:
        """Targets, time-frequency grid and description of the model."""
        return self.model.preset

    @property
    def predicts(self) -> Kind:
        """Kind of its predictions."""
        return self.model.kind

    @property
    def options(self) -> MaskOptions:
        """Mask options that it has if nothing else is said."""
        return self.model.options


def entries() -> dict[str, Entry]:
    """All models by name: networks, a person's own behind them, then those without weights."""
    networks = {**presets.shipped(), **presets.imported()}
    found = {name: _network(name, preset) for name, preset in networks.items()}
    found.update((name, entry(name)) for name in names_without_weights())
    found[UHLICH] = _made_of_others(_UHLICH, found.__getitem__)
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
        configuration file of one's own; or what is made of several, such as ``"0.5 umx + 0.5
        spleeter:4stems"`` or ``"spleeter:2stems > accompaniment > umx"``, see `recipes`.

    Raises
    ------
    ParameterError
        If there is no model of this name.
    """
    text = str(name)
    if recipe := recipes.read(text):
        return _made_of_others(recipe, entry)
    if text in CLASSICAL:
        return _of(Classical(text), "classical", lambda targets, **_: Classical(text))
    if text == "mixture":
        return _of(Mixture(), "baseline", lambda targets, **_: Mixture(targets))
    if text.startswith("oracle:"):
        kind = text.removeprefix("oracle:")
        return _of(
            oracles.oracle(kind), "oracle", lambda targets, **_: oracles.oracle(kind, targets)
        )
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
        Any of `MaskOptions`, and for networks, or what is made of them, ``progress``, ``fetch`` and
        ``quality`` of `Separator`.

    Raises
    ------
    ParameterError
        If there is no model of this name, or an option is out of range or would do nothing to it.
    PretrainedError
        If weights cannot be had.
    """
    of_network = {k: options.pop(k) for k in _OF_NETWORKS if k in options}
    found = entry(name)
    if of_network.get("quality", "fast") != "fast" and found.group in (*_OF_ANY, "classical"):
        raise ParameterError(f"{name}: quality is a choice for networks; leave it out")
    model = found.build(targets, **of_network)
    model.options = model.kind.change(model.options, options, model.preset.name)
    return model


def find_kept(name: str, targets: tuple[str, ...], options: Choices) -> Model:
    """A model as from `find`, which a process builds only once, and anew when it has changed.

    Parameters
    ----------
    name, targets, options
        The same as for `find`; options are pairs of their names and values.
    """
    found = find(name, targets, progress=False, **dict(options))
    return _built(found.fingerprint(), name, targets, options)


@lru_cache(maxsize=2)
def _built(_fingerprint: str, name: str, targets: tuple[str, ...], options: Choices) -> Model:
    return find(name, targets, progress=False, **dict(options))


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
        Index ``model``; columns ``kind`` (network, oracle, classical, baseline, ensemble),
        ``targets`` (oracles and the mixture have those that are asked for), ``upper_hz`` (upper
        end of the modelled band, hertz), ``size_mb`` (size of the weights, 10^6 bytes),
        ``licence`` (as it is stated; cards say by whom), ``trained_on_test`` (``"yes"``, ``"no"``
        or ``"not known"``: whether songs of MUSDB18's test set were among its training songs),
        ``state`` (whether it is ready on this machine) and ``title``.

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
    return Entry(group, model, "ready", build)


def _network(name: PathLike, preset: Preset) -> Entry:
    build = partial(_separator, name)
    return Entry("network", Separator.from_network(preset), pretrained.state(preset), build)


def _separator(name: PathLike, targets: Sequence[str], **options: Any) -> Separator:
    return Separator(name, **options)


def _made_of_others(
    recipe: recipes.Mixed | recipes.Chained, find_entry: Callable[[str], Entry]
) -> Entry:
    found = [find_entry(name) for name in recipe.models]
    # what separates whatever is asked for separates the same as the others
    own = next((one.preset.targets for one in found if one.group not in _OF_ANY), None)

    def made(models: Sequence[Model]) -> Model:
        if isinstance(recipe, recipes.Mixed):
            return Ensemble(models, recipe.weights, recipe.method)
        return Chain(models[0], recipe.stem, models[1])

    def build(targets: Sequence[str], **options: Any) -> Model:
        return made([one.build(own or targets, **options) for one in found])

    looked_at = [
        one.build(own or TWO_STEMS) if one.group in _OF_ANY else one.model for one in found
    ]
    waiting = [one.state for one in found if one.state != "ready"]
    return Entry("ensemble", made(looked_at), (*waiting, "ready")[0], build)
