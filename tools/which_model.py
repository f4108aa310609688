"""The table of docs/which-model.md: what cards say, and what models cost, one line each.

    python tools/which_model.py            # writes the table anew
    python tools/which_model.py --measure  # measures what docs/which-model.csv lacks, before that

Costs are kept in docs/which-model.csv, as they take an hour. A model's line is deleted there to
measure it anew.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from mssviz import comparison, presets, separators

DOCS = Path(__file__).parents[1] / "docs"
PAGE, COSTS = DOCS / "which-model.md", DOCS / "which-model.csv"
BEGIN, END = "<!-- table: tools/which_model.py -->\n", "<!-- end -->\n"
HEADINGS = (
    "model", "stems", "processor time", "memory", "download", "licence", "learnt the test songs",
    "cSDR", "uSDR",
)  # fmt: skip


def overview():
    """What cards say, of the models that come along and none that somebody has imported."""
    return comparison.overview().drop(presets.imported(), errors="ignore")


def costs():
    """Measured costs, by model."""
    return pd.read_csv(COSTS, index_col="model")


def measure():
    """Measure the models that have no cost yet, small ones first, and keep each at once."""
    for model in overview().sort_values("size_mb").index:
        known = costs()
        if model not in known.index:
            # a chunk of networks whose chunks overlap costs a minute, and little else beside it
            overlaps = separators.entry(model).preset.overlap
            found = comparison.cost(model, seconds=1.0 if overlaps else 12.0)
            columns = ["processor_per_second", "memory_mb"]
            pd.concat([known, found[columns].round(3)]).to_csv(COSTS)


def text(value, form="{}"):
    """A number or a dash."""
    return "–" if pd.isna(value) else form.format(value)


def size(model):
    """What is fetched of a model."""
    entry = separators.entry(model)
    if n_bytes := entry.preset.weights.size:
        return f"{n_bytes / 1e6:.0f} MB"
    return "a file to bring" if entry.group == "network" else "none"


def score(row, scale):
    """A published score, with its stem if that is not the vocals, and its songs if unusual."""
    if pd.isna(row[scale]):
        return "–"
    about = [row["scored"]] if row["scored"] != "vocals" else []
    about += [row["songs"]] if not row["songs"].startswith("MUSDB18") else []
    return f"{row[scale]:.2f}" + (f" ({', '.join(about)})" if about else "")


def table():
    """The table, as Markdown."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    rows = overview().join(costs())
    for model, row in rows.iterrows():
        cells = [
            f"`{model}`", row["stems"], text(row["processor_per_second"], "{:.2g} s"),
            text(row["memory_mb"] / 1000, "{:.1f} GB"),
            size(model), row["licence"], row["trained_on_test"], score(row, "cSDR"),
            score(row, "uSDR"),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def written(page):
    """A page with its table made anew."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


def main():
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="measure what is missing")
    if parser.parse_args().measure:
        measure()
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
