"""How often what is random is tried, and from which seed: the usual run, the full, the nightly.

``MSSVIZ_NIGHTLY`` is empty in the usual run, 1 for the full counts, and else their factor: 10 in
``make test-nightly``. ``MSSVIZ_SEED`` chooses what is tried; the same seed tries the same again.
"""

import os

SEED = int(os.environ.get("MSSVIZ_SEED") or 0)
NIGHTLY = int(os.environ.get("MSSVIZ_NIGHTLY") or 0)

#: What is counted: how many in the usual run, and the full count.
COUNTS = {
    "damaged sound files": (520, 520),
    "damaged checkpoints": (200, 200),
    "damaged archives": (200, 200),
    "damaged configurations": (200, 200),
    "moments of a kill": (6, 50),
    "moments of an interruption": (4, 50),
    "limits of a disk": (3, 10),
    "moments of a kill, TensorFlow": (3, 50),
    "moments of an interruption, TensorFlow": (2, 50),
    "limits of a disk, TensorFlow": (2, 10),
    "messages to a widget": (300, 1000),
    "threads at one separator": (8, 8),
    "separations without a leak": (50, 50),
    "runs of a cell": (8, 20),
    "separations of half a minute": (4, 10),
    "minutes of a song": (30, 120),
    "explorers at once": (3, 10),
    "seconds with every explorer": (4, 600),
}
#: What ten times as much would tell nothing more of.
_ONCE = {"threads at one separator", "runs of a cell", "separations of half a minute",
         "minutes of a song", "explorers at once", "seconds with every explorer"}  # fmt: skip


def count(what: str) -> int:
    """How often something of `COUNTS` is tried in this run."""
    usual, full = COUNTS[what]
    if not NIGHTLY:
        return usual
    return full if what in _ONCE else full * NIGHTLY


def told() -> str:
    """Seed and extent of this run, in one line: what repeats it."""
    return f"mssviz: MSSVIZ_SEED={SEED} MSSVIZ_NIGHTLY={NIGHTLY or ''}"
