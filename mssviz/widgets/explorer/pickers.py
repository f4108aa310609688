"""Pickers of models: every model in groups, with what it is, how large, and whether it is here."""

from mssviz import presets, pretrained
from mssviz.plots import one_line
from mssviz.presets import Preset
from mssviz.separators import Entry, entries, entry
from mssviz.widgets._picker import Picker

_TITLES = {
    "network": "Networks",
    "oracle": "Oracles: made from the true stems",
    "baseline": "Without weights",
    "classical": "Without weights",
    "ensemble": "Ensembles and chains",
}
_TO_BE_TRAINED = "To be trained"


def model_picker(value: str, description: str, *, none: str = "", chosen: str = "") -> Picker:
    """A picker of all models.

    Parameters
    ----------
    value
        Name of the model that is chosen first; empty for none.
    description
        Name of the picker.
    none
        Label of choosing no model; empty if one must be chosen.
    chosen
        Name of a further model that is to be among them, such as a path.
    """
    groups: dict[str, list[tuple[str, str]]] = {"": [(none, "")]} if none else {}
    details = {"": f"{none}: a second model, heard and measured beside the first"}
    found = entries()
    for name in filter(None, (value, chosen)):
        if name not in found:
            found[name] = entry(name)
    to_be_trained = []
    for name, one in found.items():
        option = one_line(_label(name, one), 160), name
        if one.state != pretrained.TO_BE_TRAINED:
            groups.setdefault(_TITLES[one.group], []).append(option)
        elif name in (value, chosen) or not name.endswith(presets.TINY):
            to_be_trained.append(option)
        details[name] = _detail(name, one)
    return Picker({**groups, _TO_BE_TRAINED: to_be_trained}, value, description, details)


def band_khz(preset: Preset) -> float:
    """How far a model's masks reach, in kHz."""
    return round(preset.model_bins * preset.stft.sample_rate / preset.stft.n_fft / 1000, 1)


def _label(name: str, one: Entry) -> str:
    targets = ", ".join(one.preset.targets)
    if one.group in ("oracle", "baseline"):
        return f"{name} – {one.preset.title}"
    if one.group == "classical":
        return f"{name} – {one.preset.title}: {targets}"
    return f"{name} – {targets}; up to {band_khz(one.preset):g} kHz ({_state(one)})"


def _detail(name: str, one: Entry) -> str:
    facts = [one.preset.licence, _state(one)]
    if one.preset.weights.size:
        facts.insert(0, f"{one.preset.weights.size / 1e6:.0f} MB")
    if one.group == "network" and one.preset.trained_on_test != "no":
        facts.append(f"learnt MUSDB18's test songs: {one.preset.trained_on_test}")
    return one_line(f"{name}. {one.preset.title} ({'; '.join(facts)})", 300)


def _state(one: Entry) -> str:
    if one.state in ("ready", pretrained.TO_BE_TRAINED):
        return one.state
    size = one.preset.weights.size  # 0 where nobody has stated it
    return f"will be fetched, {size / 1e6:.0f} MB" if size else "will be fetched"
