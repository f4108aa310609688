"""What tells models apart before anything is separated: one table of what their cards say."""

from typing import TYPE_CHECKING, Any

from mssviz.presets import Preset
from mssviz.separators import entries

if TYPE_CHECKING:
    import pandas as pd

#: Names of the two scales of published scores, by the measure as cards have it.
SCALES = {"SDR": "cSDR", "uSDR": "uSDR"}


def overview() -> "pd.DataFrame":
    """List the models that can be used without training them, with what they are for.

    Returns
    -------
    DataFrame
        Index ``model``, those with fewer stems first; columns ``stems``, ``licence`` and
        ``trained_on_test`` as in `separators.models`, ``size_mb`` (10^6 bytes to fetch), ``cSDR``
        and ``uSDR`` (published SDR of the vocals, or of ``scored``, in dB: two scales, see
        `published`; compare within one column and the same ``songs`` only), ``scored`` (the stem
        that they are of; ``"mean"`` is the mean of all), ``songs`` (the test songs) and ``state``.

    Examples
    --------
    >>> table = mssviz.comparison.overview()
    >>> table.loc["spleeter:4stems", ["stems", "cSDR", "scored"]].tolist()
    ['vocals, drums, bass, other', 6.55, 'vocals']
    """
    import pandas as pd

    rows = [
        {
            "model": name,
            "stems": ", ".join(one.preset.targets),
            "licence": one.preset.licence,
            "trained_on_test": one.preset.trained_on_test,
            "size_mb": round(one.preset.weights.size / 1e6, 1),
            **_score(one.preset),
            "state": one.state,
        }
        for name, one in entries().items()
        if one.group == "classical" or (one.group == "network" and one.preset.weights.files)
    ]
    table = pd.DataFrame(rows).set_index("model")
    n_stems = table["stems"].str.count(",")
    return table.loc[n_stems.sort_values(kind="stable").index]


def _score(preset: Preset) -> dict[str, Any]:
    """Published score of the vocals, or else of the first stem that has one."""
    found: dict[str, Any] = {"cSDR": None, "uSDR": None, "scored": "", "songs": ""}
    scores = {k: v for k, v in preset.published_scores.items() if isinstance(v, dict)}
    if scores:
        stem = "vocals" if "vocals" in scores else next(iter(scores))
        found["scored"] = stem
        found["songs"] = str(preset.published_scores["data"]).partition(",")[0]
        found.update({scale: scores[stem].get(m) for m, scale in SCALES.items()})
    return found
