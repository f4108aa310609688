"""Scores that are kept on disk, in files named by all that they depend on."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mssviz._checks import as_path
from mssviz._files import cache_folder, check_places, content_digest, new_file, writing
from mssviz._typing import PathLike
from mssviz.errors import AudioError, reason
from mssviz.separators import Model
from mssviz.tracks import Track

if TYPE_CHECKING:
    import pandas as pd

#: Columns of the scores of one model on one track.
KEPT = ["target", "time", "measure", "value"]
#: Part of every key; must be raised when the same input gives other scores.
_VERSION = 3


def key_of(track: Track, model: Model, settings: Any) -> str:
    """Name of the scores of a model on a track: the digest of everything that they depend on."""
    parts = {
        "version": _VERSION,
        **track.depends_on(_digest),
        "model": model.fingerprint(),
        "settings": asdict(settings),
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digest(path: Path) -> str:
    try:
        return content_digest(path)
    except (OSError, ValueError) as error:  # no path has a null byte
        raise AudioError(f"{path}: cannot be read ({reason(error)}); check its name") from error


class ScoreStore:
    """Scores in files named by their keys, with checksums, so that damaged ones are scored anew."""

    def __init__(self, folder: PathLike | None) -> None:
        self._folder = cache_folder("scores") if folder is None else as_path(folder, "cache")

    def check(self) -> None:
        """Raise `FileError` if nothing can be written here."""
        check_places([self._folder / "scores.json"])

    def get(self, key: str) -> "pd.DataFrame | None":
        """Get the scores of a key; None if there are none, or their file is damaged."""
        import pandas as pd

        try:
            kept = json.loads((self._folder / f"{key}.json").read_text("utf-8"))
            if kept["sha256"] != _checksum(key, kept["scores"]):
                return None
            table = pd.DataFrame(kept["scores"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # not scored yet, or damaged
        return table if list(table.columns) == KEPT else None

    def put(self, key: str, table: "pd.DataFrame") -> None:
        """Keep the scores of a key."""
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        scores = table.to_dict("list")
        with new_file(self._folder / f"{key}.json") as scratch:
            kept = {"sha256": _checksum(key, scores), "scores": scores}
            scratch.write_text(json.dumps(kept), "utf-8")


def _checksum(key: str, scores: Any) -> str:
    # Python's JSON keeps every bit, infinities and NaN, so that what is read gives the same text
    return hashlib.sha256(f"{key} {json.dumps(scores)}".encode()).hexdigest()
