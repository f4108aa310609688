"""Files and folders of ours, which are complete or absent, and end with their process.

What is written has a temporary name until it is complete, so nobody sees half of it. A process that
is killed cannot tidy up; the next one does it, for whatever has such a name and is held by no
living process any more. Nothing else is ever deleted.

This package knows no sound, no model and no data set.
"""

from mssviz._files.digests import content_digest, is_sealed, seal, sha256
from mssviz._files.locks import alone, lock
from mssviz._files.places import cache_folder, chosen_folder
from mssviz._files.scratch import ScratchFolder, check_room, mapped_zeros, temporary_places
from mssviz._files.temporary import sweep, sweep_once
from mssviz._files.writing import (
    Draft,
    check_places,
    mapped_blocks,
    new_file,
    new_folder,
    refuse_existing,
    refuse_strangers,
    writing,
)

__all__ = [
    "Draft", "ScratchFolder", "alone", "cache_folder", "check_places", "check_room",
    "chosen_folder", "content_digest", "is_sealed", "lock", "mapped_blocks", "mapped_zeros",
    "new_file", "new_folder", "refuse_existing", "refuse_strangers", "seal", "sha256", "sweep",
    "sweep_once", "temporary_places", "writing",
]  # fmt: skip
