"""What others have published of separators, and of which songs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mssviz import datasets
from mssviz.presets import NOT_KNOWN

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "model", "target", "measure", "value", "tracks", "data", "training", "trained_on_test", "source"
)  # fmt: skip
#: Songs without those of MUSDB18's test set; a set's name stands for its training part.
_WITHOUT_TEST = ("none", "MUSDB18", "MUSDB18-HQ")
SISEC = "SiSEC18 "


def published() -> "pd.DataFrame":
    """List published scores: those of SiSEC 2018's entries, and of the separators that came since.

    Returns
    -------
    DataFrame
        One row for each number: ``model``, ``target`` (``"mean"`` is the mean of the four stems),
        ``measure``, ``value`` (dB), ``tracks`` (number of test songs; NA where it is not known),
        ``data`` (the test songs), ``training`` (what it was trained on), ``trained_on_test`` (as
        `separators.models` has it) and ``source`` (where the number stands). ``SDR``, ``ISR``,
        ``SIR`` and ``SAR`` are BSS Eval's, the median over tracks of the median over windows of
        one second, which papers call cSDR; ``uSDR`` is of whole songs, the mean over tracks, as
        boards count. These are two scales: compare only what has the same measure and ``data``.

    Examples
    --------
    >>> table = mssviz.comparison.published()
    >>> table = table[(table["measure"] == "uSDR") & (table["data"] == "MUSDB18-HQ test")]
    >>> best = table[table["target"] == "vocals"].nlargest(1, "value")
    >>> best[["model", "value", "training"]].values.tolist()
    [['SCNet XL IHF', 11.42, 'MUSDB18-HQ']]
    """
    import pandas as pd

    wide = pd.read_csv(datasets.published_folder() / "separators.csv", dtype={"tracks": "Int64"})
    targets = ["mean", "vocals", "drums", "bass", "other"]
    about = [name for name in wide.columns if name not in targets]
    since = wide.melt(about, targets, "target", "value").dropna(subset="value")
    sisec = pd.DataFrame(_sisec()).astype({"tracks": "Int64"})
    found = pd.concat([sisec, since], ignore_index=True)
    clean = found["training"].isin(_WITHOUT_TEST)
    found["trained_on_test"] = clean.map({True: "no", False: NOT_KNOWN})
    return found[list(COLUMNS)]


def _sisec() -> Iterator[dict[str, Any]]:
    for entry, found in datasets.published_scores().items():
        for target, scores in found.items():
            if not isinstance(scores, dict):
                continue  # facts about the entry
            for measure, value in scores.items():
                yield {
                    "model": SISEC + entry,
                    "target": target,
                    "measure": measure,
                    "value": value,
                    "tracks": found["n"],
                    "data": "MUSDB18 test, museval 0.2",
                    "training": found.get("training", NOT_KNOWN),
                    "source": "Stöter, Liutkus and Ito, LVA/ICA 2018; medians of its scores",
                }
