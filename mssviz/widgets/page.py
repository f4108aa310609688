"""One HTML file with spectrogram, masks, mixer and scores, which works without a kernel."""

import base64
import html
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from mssviz._files import new_file
from mssviz._typing import AnyArray, PathLike
from mssviz.plots import SILENT, STEP_DB, TURNS
from mssviz.widgets import _static
from mssviz.widgets._layers import Layer
from mssviz.widgets._menu import DRAWERS, Menu
from mssviz.widgets._tiles import RANGE_DB
from mssviz.widgets._view import View
from mssviz.widgets.mixer import Mixer
from mssviz.widgets.regions import RegionList
from mssviz.widgets.scores import ScoreView
from mssviz.widgets.spectrogram import SpectrogramView

#: Lowest level in a page, in dB below the loudest bin; what is softer counts as silence.
FLOOR_DB = -90.0

#: Widgets of a page, by the names that its script has for them.
_WIDGETS: dict[str, type[View] | type[Menu]] = {
    "spectrogram": SpectrogramView,
    "mixer": Mixer,
    "scores": ScoreView,
    "regions": RegionList,
    "menu": Menu,
}


@dataclass(frozen=True, eq=False)
class Reasons:
    """What a page says of one stem's error, beside what it always has; the view's maps are there.

    Parameters
    ----------
    stem
        Name of the stem.
    said
        Sentences on its error.
    regions
        Regions that cost most.
    parts
        Mixer of what the stem's scores are made of; None for none.
    """

    stem: str
    said: Sequence[str]
    regions: RegionList
    parts: Mixer | None


_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 2000px; margin: 8px auto; padding: 0 12px; font: 14px/1.5 system-ui, sans-serif;
  color: var(--jp-ui-font-color1, #212121); background: var(--jp-layout-color0, #fff) }}
h2 {{ margin: 16px 0 4px; font-size: 15px }}
h1 {{ flex: 1 1 0; min-width: 200px; margin: 0; font-size: 18px; overflow-wrap: anywhere }}
.mssviz-deck {{ --stage-height: calc(100vh - 76px) }}
@media (prefers-color-scheme: dark) {{
  :root {{ color-scheme: dark; --jp-ui-font-color1: #e0e0e0; --jp-ui-font-color2: #a8a8a8;
    --jp-layout-color0: #111; --jp-layout-color1: #1c1c1c; --jp-layout-color2: #2a2a2a;
    --jp-border-color1: #555; --jp-border-color2: #444; --jp-brand-color1: #2196f3 }}
}}
{style}
</style>
</head>
<body class="mssviz-page">
<div class="mssviz-explorer">
<div class="{deck}">
<div class="mssviz-row"><h1>{title}</h1><div id="mssviz-menu"></div></div>
<div id="mssviz-spectrogram"></div>
<div id="mssviz-mixer"></div>
<div class="mssviz-panel mssviz-drawer-page mssviz-panel-scores">
{table}<div id="mssviz-scores"></div></div>
{reasons}</div>
</div>
{parts}<p><small>{note}</small></p>
<script type="application/json" id="mssviz-data">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""

#: What a page may do: run the one script of this hash, and show what it holds. It asks no address
#: for anything, and no other script runs, should a name from a file ever end up as one.
_POLICY = (
    "default-src 'none'; script-src 'sha256-{hash}'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; base-uri 'none'; form-action 'none'"
)


def save_page(
    path: PathLike,
    title: str,
    view: SpectrogramView | None,
    mixer: Mixer | None,
    scores: ScoreView | None = None,
    table: str = "",
    masks: str = "",
    reasons: Reasons | None = None,
) -> Path:
    """Write a page that needs neither kernel nor network.

    Parameters
    ----------
    path
        Path of the HTML file, which gets its name when it is complete.
    title
        Text of the heading.
    view, mixer, scores
        Widgets whose content and present settings the page shows; None for those that it does
        without. Spectrograms and masks are rounded to 8 bits, which the page says; sound is Ogg
        Vorbis.
    table
        HTML of a table of scores, already escaped.
    masks
        Text that says what the masks were made with; see `in_words`.
    reasons
        Reasons of a stem's error; None to leave them out.

    Returns
    -------
    Path
        The path, `path`.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    path = Path(path)
    opened = ["display", *(["scores"] if scores or table else []), *(["why"] if reasons else [])]
    kept = ("stored", "asked") if reasons else ("stored",)
    stored = [layer for layer in view.layers if layer.properties.in_page in kept] if view else []
    regions, parts = (reasons.regions, reasons.parts) if reasons else (None, None)
    data = {
        "layers": {one.name: _packed(_audible(view, one)) for one in stored} if view else {},
        "peakDb": view and view.peak_db,
        "spectrogram": view and view.saved_state(maps=reasons is not None),
        "mixer": mixer and mixer.saved_state(),
        "shared": {
            "mixer": list(Mixer.shared),
            "parts": list(Mixer.shared),
            "scores": list(ScoreView.shared),
            "regions": list(RegionList.followed),
        },
        "scores": scores and scores.saved_state(),
        "regions": regions and regions.saved_state(),
        "parts": parts and parts.saved_state(),
        "menu": view
        and {"label": "Drawer", "buttons": [b for b in DRAWERS if b["name"] in opened]},
        "audio": {"mixer": _sounds(mixer), "parts": _sounds(parts)},
    }
    code = "".join(_script(name, widget.module) for name, widget in _WIDGETS.items())
    script = f"\nconst registry = {{}};\n{code}{_static.module('page/page.js')}\nshow(registry);\n"
    page = _TEMPLATE.format(
        policy=_POLICY.format(hash=base64.b64encode(sha256(script.encode()).digest()).decode()),
        title=html.escape(title),
        style=_style(),
        deck="mssviz-deck" if view else "mssviz-sounds",  # lanes below a picture, or alone
        table=table,
        reasons=_reasons(reasons),
        parts=_parts(reasons),
        note=_note(masks, stored, mixer is not None),
        # a "<" could end the script element, because names come from files
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        script=script,
    )
    with new_file(path) as scratch:
        scratch.write_text(page, encoding="utf-8")
    return path


def _note(masks: str, layers: Sequence[Layer], sounds: bool) -> str:
    """What the page was made with, and how exact it is."""
    made = f" (masks: {html.escape(masks)})" if masks else ""
    said = [f"Made with mssviz{made}."]
    if layers:
        said.append(
            f"Values in this page are rounded to 8 bits: levels to ±{RANGE_DB / 255 / 2:.2f} dB "
            f"(silence from {-FLOOR_DB:.0f} dB below the loudest bin), masks to "
            f"±0.002{_steps(layers)}."
        )
    return " ".join([*said, *(["Sound is Ogg Vorbis."] if sounds else [])])


def _steps(layers: Sequence[Layer]) -> str:
    """How complex masks are rounded, if there are any."""
    if not any(layer.kind == "complex" for layer in layers):
        return ""
    return f", complex masks to ±{STEP_DB / 2:.1f} dB and ±{180 / TURNS:.0f}°"


def _sounds(mixer: Mixer | None) -> dict[str, dict[str, Any]]:
    if mixer is None:
        return {}
    return {
        name: {"gain": mixer.common_gain, "bytes": base64.b64encode(ogg).decode()}
        for name, ogg in mixer.encoded("ogg").items()
    }


def _reasons(reasons: Reasons | None) -> str:
    if reasons is None:
        return ""
    said = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in reasons.said)
    return (
        '<div class="mssviz-panel mssviz-drawer-page mssviz-panel-why">'
        f'{said}<div id="mssviz-regions"></div></div>\n'
    )


def _parts(reasons: Reasons | None) -> str:
    if reasons is None or reasons.parts is None:
        return ""
    stem = html.escape(reasons.stem)
    return (
        f'<div class="mssviz-parts"><h2>What the scores of {stem} are made of</h2>'
        "<p>The lanes add up to the estimate; mute the target to hear its error.</p>"
        '<div id="mssviz-parts"></div></div>\n'
    )


def _style() -> str:
    names = [name for widget in _WIDGETS.values() for name in widget.styles]
    return _static.style(*dict.fromkeys(names), "score_table.css", "explorer.css")


def _script(name: str, module: str) -> str:
    # each widget's module in a scope of its own, so that names of the others do not matter
    code = re.sub(r"^export default", f"registry.{name} =", _static.module(module), flags=re.M)
    return "{\n" + re.sub(r"^export (?=function|class|const)", "", code, flags=re.M) + "}\n"


def _audible(view: SpectrogramView, layer: Layer) -> AnyArray:
    # what nobody sees or hears is noise that does not compress, half of the file
    values = view.layer_values(layer.name)
    least = np.uint8(round((FLOOR_DB / RANGE_DB + 1) * 255))
    if layer.properties.values == "level":
        return np.where(values < least, 0, values)
    if layer.properties.values == "turn":
        return np.where(view.layer_values("mixture") < least, np.uint8(SILENT), values)
    return values


def _packed(values: AnyArray) -> str:
    # differences of neighbours, modulo 256: a sixth less to store than the values themselves
    differences = np.diff(values.ravel(), prepend=np.uint8(0))
    gzip = zlib.compressobj(wbits=16 + zlib.MAX_WBITS, strategy=zlib.Z_FILTERED)
    return base64.b64encode(gzip.compress(differences.tobytes()) + gzip.flush()).decode()
