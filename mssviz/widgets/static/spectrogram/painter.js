// The picture itself: values of layers become colours, with axes beside them.

import { formatHertz, frequencyTicks } from "../axes.js";
import { beginAxes, cleared, paintLevelLabel, paintTimeAxis } from "../canvas.js";
import {
  brightnessTable,
  colorTable,
  hueTable,
  paintColors,
  paintHatched,
  paintHues,
  STRAIGHT,
} from "../picture.js";
import { MARGIN } from "./plot.js";

const GREY = 118;

export class Painter {
  constructor(model, plot, canvas) {
    Object.assign(this, { model, plot, canvas });
    this.scratch = document.createElement("canvas");
  }

  /** Make room for as many pixels as the picture has now. */
  resize() {
    const { width, height } = this.plot.inner;
    this.pixels = new ImageData(Math.max(1, width), Math.max(1, height));
    this.words = new Uint32Array(this.pixels.data.buffer);
    this.scratch.width = this.pixels.width;
    this.scratch.height = this.pixels.height;
  }

  /**
   * Paint a layer, whose values are those of `sources`, with its axes.
   *
   * Returns whether there was no time for all, see `Tiles.fill`.
   */
  paint(layer, sources, tiles) {
    const late = tiles.fill(this.words, sources, this.lookOf(layer, sources));
    this.scratch.getContext("2d").putImageData(this.pixels, 0, 0);
    const context = cleared(this.canvas, this.plot.size.ratio);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.scratch, MARGIN.left, MARGIN.top);
    this.paintAxes(context);
    return late;
  }

  /** How a layer's values become colours, see `Tiles.fill`; the same object while that stays. */
  lookOf(layer, sources) {
    const get = (name) => this.model.get(name);
    const settings = ["floor_db", "ceiling_db", "gamma", "colormap"].map(get);
    const stems = get("_stems").map(({ color }) => color);
    const key = [layer.name, ...settings, ...stems, ...sources.map(({ name }) => name)].join("|");
    if (this.look?.key === key) return this.look;
    this.look = { key, paint: this.paintOf(layer, stems.map(hueTable)) };
    return this.look;
  }

  /** Function of pixels and values that paints a layer. */
  paintOf(layer, tables) {
    if (layer.kind === "hues") {
      const light = this.brightness();
      return (pixels, [level, ...masks]) => paintHues(pixels, level, masks, tables, light, GREY);
    }
    const table = this.colors(layer);
    if (layer.kind !== "complex") return (pixels, [values]) => paintColors(pixels, values, table);
    const { turnAboveOne } = this.plot.geometry;
    const rows = () => this.plot.rows.from.length;
    return (pixels, [values]) => paintHatched(pixels, values, table, turnAboveOne, rows());
  }

  /** Colour of each 8-bit value: levels are shown as people want them, others as they are. */
  colors({ colormap }) {
    const palettes = this.model.get("_palettes");
    if (colormap) return colorTable(palettes[colormap], STRAIGHT);
    return colorTable(palettes[this.model.get("colormap")], this.brightness());
  }

  brightness() {
    const get = (name) => this.model.get(name);
    const { rangeDb } = this.plot.geometry;
    return brightnessTable(rangeDb, get("floor_db"), get("ceiling_db"), get("gamma"));
  }

  paintAxes(context) {
    const { start, stop, ...axis } = this.plot.axes;
    const { width, height } = this.plot.inner;
    const bottom = MARGIN.top + height;
    beginAxes(context, this.canvas);
    for (const hertz of frequencyTicks(axis, 6)) {
      const y = this.plot.y(hertz);
      if (y < MARGIN.top - 1 || y > bottom + 1) continue;
      paintLevelLabel(context, `${formatHertz(hertz)}Hz`, MARGIN.left, y);
    }
    paintTimeAxis(context, { start, stop }, width, bottom, (seconds) => this.plot.x(seconds));
    context.globalAlpha = 1;
  }
}
