// What the colours of a layer stand for: a bar with its unit, over the picture.

import { make } from "../elements.js";
import { colorTable } from "../picture.js";

const STEPS = 256;
/** Title and ends of the bar of values that are no levels, by their colour map. */
const FIXED = {
  cividis: ["mask: share of the mixture", "0", "1"],
  PuOr: ["difference of masks", "−1", "+1"],
};

export class ColorBar {
  constructor(model) {
    this.model = model;
    this.title = make("div");
    this.canvas = make("canvas", "", { width: STEPS, height: 1, "aria-hidden": "true" });
    this.low = make("span");
    this.high = make("span");
    const ends = make("div", "mssviz-colorbar-ends", {}, this.low, this.high);
    this.element = make("div", "mssviz-colorbar", {}, this.title, this.canvas, ends);
  }

  /** Show the colours of a layer; hues have none, as the stems' own colours are beside them. */
  update({ kind, colormap, signs }) {
    this.element.hidden = kind === "hues";
    if (kind === "hues") return;
    const get = (name) => this.model.get(name);
    const ends = ["floor_db", "ceiling_db"].map((end) => `${get(end)} dB`.replace("-", "−"));
    const levels = ["level, of the loudest bin", ...ends];
    const signed = signs && [signs.title, signs.below, signs.above];
    const [title, low, high] = signed ?? FIXED[colormap] ?? levels;
    this.title.textContent = title;
    this.low.textContent = low;
    this.high.textContent = high;
    this.paint(get("_palettes")[colormap ?? get("colormap")], colormap ? 1 : get("gamma"));
  }

  paint(palette, gamma) {
    const key = `${palette}|${gamma}`;
    if (key === this.painted) return;
    this.painted = key;
    const pixels = new ImageData(STEPS, 1);
    const positions = Float32Array.from({ length: STEPS }, (_, i) => (i / (STEPS - 1)) ** gamma);
    new Uint32Array(pixels.data.buffer).set(colorTable(palette, positions));
    this.canvas.getContext("2d").putImageData(pixels, 0, 0);
  }
}
