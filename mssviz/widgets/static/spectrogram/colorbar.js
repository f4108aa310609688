// What the colours of a layer stand for: a bar with its unit, over the picture.

import { make } from "../elements.js";
import { colorTable, paintHatched, STRAIGHT } from "../picture.js";

const STEPS = 256;
/** Size of a colour in the bar of complex masks: turns to the right, levels upwards. */
const CELL = { width: 16, height: 4 };
/** Title and ends of the bar of values that are no levels, by their colour map. */
const FIXED = {
  cividis: ["mask: share of the mixture", "0", "1"],
  PuOr: ["difference of masks", "−1", "+1"],
  turn: ["complex mask: turn as hue", "−180°", "+180°"],
};
/** A level in dB with its sign, as people write it. */
const inDb = (db) => `${db > 0 ? "+" : ""}${db} dB`.replace("-", "−");

export class ColorBar {
  constructor(model) {
    this.model = model;
    this.title = make("div");
    this.canvas = make("canvas", "", { width: STEPS, height: 1, "aria-hidden": "true" });
    this.low = make("span");
    this.high = make("span");
    const ends = make("div", "mssviz-colorbar-ends", {}, this.low, this.high);
    this.levels = make("div");
    this.element = make("div", "mssviz-colorbar", {}, this.title, this.canvas, ends, this.levels);
  }

  /** Show the colours of a layer; hues have none, as the stems' own colours are beside them. */
  update({ kind, colormap, signs }) {
    this.element.hidden = kind === "hues";
    if (kind === "hues") return;
    this.levels.hidden = kind !== "complex";
    const get = (name) => this.model.get(name);
    const ends = ["floor_db", "ceiling_db"].map((end) => `${get(end)} dB`.replace("-", "−"));
    const levels = ["level, of the loudest bin", ...ends];
    const signed = signs && [signs.title, signs.below, signs.above];
    const [title, low, high] = signed ?? FIXED[colormap] ?? levels;
    this.title.textContent = title;
    this.low.textContent = low;
    this.high.textContent = high;
    const palette = get("_palettes")[colormap ?? get("colormap")];
    if (kind === "complex") this.paintTurns(palette, get("_geometry"));
    else this.paint(palette, colormap ? 1 : get("gamma"));
  }

  /** Whether the bar has to be painted, with these colours. */
  begin(key, width, height) {
    if (key === this.painted) return false;
    this.painted = key;
    Object.assign(this.canvas, { width, height });
    this.canvas.style.height = height > 1 ? `${height}px` : "";
    return true;
  }

  /** All turns and levels of complex masks, and what is not among them in words. */
  paintTurns(palette, { turns, turnAboveOne, turnLowestDb, turnHighestDb }) {
    const levels = STEPS / turns;
    const [width, height] = [turns * CELL.width, levels * CELL.height];
    if (!this.begin(palette, width, height)) return;
    const values = Uint8Array.from({ length: width * height }, (_, i) => {
      const level = levels - 1 - Math.floor(i / width / CELL.height);
      return level && level * turns + Math.floor((i % width) / CELL.width);
    });
    const pixels = new ImageData(width, height);
    const table = colorTable(palette, STRAIGHT);
    paintHatched(new Uint32Array(pixels.data.buffer), values, table, turnAboveOne, height);
    this.canvas.getContext("2d").putImageData(pixels, 0, 0);
    this.levels.textContent =
      `level as brightness, ${inDb(turnLowestDb)} to ${inDb(turnHighestDb)}; ` +
      "pale, hatched: above 0 dB; grey: no sound";
  }

  paint(palette, gamma) {
    if (!this.begin(`${palette}|${gamma}`, STEPS, 1)) return;
    const pixels = new ImageData(STEPS, 1);
    const positions = Float32Array.from({ length: STEPS }, (_, i) => (i / (STEPS - 1)) ** gamma);
    new Uint32Array(pixels.data.buffer).set(colorTable(palette, positions));
    this.canvas.getContext("2d").putImageData(pixels, 0, 0);
  }
}
