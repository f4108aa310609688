"""The small pictures in the course's table of contents: one demonstration of each lesson.

    python tools/course_pictures.py [LESSON ...]

Without arguments all are drawn anew, from the demonstrations as they stand at first.
"""

import io
import sys
from pathlib import Path

from PIL import Image

from mssviz import lessons

COURSE = Path(__file__).parents[1] / "notebooks" / "course"
#: Demonstration that stands for each lesson.
SHOWN = {
    "01-listening": "Bleed",
    "02-mixing": "Sum",
    "03-stft": "WindowExplorer",
    "04-phase": "PhaseSwap",
    "05-masks": "MaskKinds",
    "06-oracles": "Ceilings",
    "07-classics": "Components",
    "08-unet": "FeatureMaps",
    "09-spleeter": "Mistakes",
    "10-evaluation": "HearScores",
    "11-training": "Augmented",
    "12-systems": "SideBySide",
    "13-ethics": "Contaminated",
}
#: Largest width and height, in pixels: twice what the table has room for.
SIZE = (480, 240)


def main(names: list[str]) -> None:
    """Draw the pictures of some lessons, or of all."""
    for name in names or SHOWN:
        demonstration = getattr(lessons, SHOWN[name])()
        demonstration.wait()
        picture = Image.open(io.BytesIO(demonstration.png)).convert("RGB")
        picture.thumbnail(SIZE, Image.Resampling.LANCZOS)
        path = COURSE / "pictures" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        picture.quantize(64).save(path, optimize=True)
        print(path.relative_to(COURSE), path.stat().st_size, demonstration.text)
        demonstration.close()


if __name__ == "__main__":
    main(sys.argv[1:])
