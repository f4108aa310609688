"""One HTML file with spectrogram, masks, mixer and scores that works without a kernel."""

import base64
import gzip
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from mssviz._typing import AnyArray, PathLike
from mssviz.audio import writing
from mssviz.widgets import _static
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.spectrogram import SpectrogramView

#: Levels in a page, dB below the loudest bin; what is softer counts as silence.
FLOOR_DB = -90.0

_SPECTROGRAM_MODULES = ("axes.js", "picture.js", "spectrogram.js")
_MIXER_MODULES = ("timeline.js", "mixer.js")

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 1100px; margin: 24px auto; padding: 0 16px; font: 14px/1.5 system-ui, sans-serif;
  color: var(--jp-ui-font-color1, #212121); background: var(--jp-layout-color0, #fff) }}
h1 {{ font-size: 20px }}
table.mssviz-scores {{ border-collapse: collapse; margin: 16px 0 4px }}
table.mssviz-scores :is(th, td) {{ text-align: right; padding: 2px 10px;
  border-bottom: 1px solid #8884; font-variant-numeric: tabular-nums }}
@media (prefers-color-scheme: dark) {{
  :root {{ color-scheme: dark; --jp-ui-font-color1: #e0e0e0; --jp-ui-font-color2: #a8a8a8;
    --jp-layout-color0: #111; --jp-layout-color1: #1c1c1c; --jp-layout-color2: #2a2a2a;
    --jp-border-color1: #555; --jp-border-color2: #444; --jp-brand-color1: #2196f3 }}
}}
{style}
</style>
</head>
<body>
<h1>{title}</h1>
<div id="mssviz-spectrogram"></div>
<div id="mssviz-mixer"></div>
{scores}
<p><small>{note}</small></p>
<script type="application/json" id="mssviz-data">{data}</script>
<script type="module">
const registry = {{}};
{script}
show(registry);
</script>
</body>
</html>
"""


def save_page(
    path: PathLike, title: str, view: SpectrogramView, mixer: Mixer, scores: str = ""
) -> Path:
    """Write a page that needs neither kernel nor network.

    Parameters
    ----------
    path
        Of the HTML file; it gets its name when it is complete.
    title
        Heading; any text.
    view, mixer
        Widgets whose content and present settings the page shows. Spectrograms and masks are
        rounded to 8 bits, which the page says; sound is Ogg Vorbis.
    scores
        HTML of a table, already escaped.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    AudioError
        If the file cannot be written.
    """
    path = Path(path)
    shows = [s for s in view.shows if s.partition("/")[0] != "difference"]
    layers = [s for s in shows if s.partition("/")[0] in ("mixture", "mask", "reference")]
    state = {name: getattr(view, name) for name in view.keys if name not in ("_esm", "_css")}
    state |= {
        "_geometry": view._geometry | {"shows": shows, "channels": ["mean"], "brush": False},
        "show": view.show if view.show in shows else shows[0],
        "channel": "mean",
        "tool": "look",
    }
    data = {
        "layers": {name: _packed(_audible(view, name)) for name in layers},
        "peakDb": view.peak_db,
        "spectrogram": _plain(state),
        "mixer": _plain({n: getattr(mixer, n) for n in mixer.keys if n not in ("_esm", "_css")}),
        "audio": {
            name: {"gain": mixer.common_gain, "bytes": base64.b64encode(ogg).decode()}
            for name, ogg in mixer.encoded("ogg").items()
        },
    }
    step_db = view._geometry["rangeDb"] / 255
    page = _TEMPLATE.format(
        title=html.escape(title),
        style=_static.style("spectrogram.css", "mixer.css"),
        scores=scores,
        note=(
            "Made with mssviz. Values in this page are rounded to 8 bits: levels to "
            f"±{step_db / 2:.2f} dB (silence from {-FLOOR_DB:.0f} dB below the loudest bin), "
            "masks to ±0.002. Sound is Ogg Vorbis."
        ),
        # a "<" could end the script element: names come from files
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        script=_script("spectrogram", _SPECTROGRAM_MODULES)
        + _script("mixer", _MIXER_MODULES)
        + _static.module("page.js"),
    )
    scratch = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            scratch.write_text(page, encoding="utf-8")
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    return path


def _script(name: str, modules: tuple[str, ...]) -> str:
    # each widget's module in a block of its own, where names of the other do not matter
    code = re.sub(r"^export default", f"registry.{name} =", _static.module(*modules), flags=re.M)
    return "{\n" + re.sub(r"^export (?=function|class|const)", "", code, flags=re.M) + "}\n"


def _audible(view: SpectrogramView, layer: str) -> AnyArray:
    # what nobody sees or hears is noise that does not compress: half of the file
    values = view.layer_values(layer)
    if layer.startswith("mask/"):
        return values
    least = np.uint8(round((FLOOR_DB / view._geometry["rangeDb"] + 1) * 255))
    return np.where(values < least, 0, values)


def _packed(values: AnyArray) -> str:
    return base64.b64encode(gzip.compress(values.tobytes(), 6, mtime=0)).decode()


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if _is_json(value)}


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
