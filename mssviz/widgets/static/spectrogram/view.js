// The spectrogram view: joins picture, overlay, slices, readout and controls, and paints frames.

import { fitCanvas, onColors } from "../canvas.js";
import { obeyKeys } from "../commands.js";
import { make } from "../elements.js";
import { asWidget } from "../widget.js";
import { LayerBar } from "./bar.js";
import { KeyBox } from "./box.js";
import { Brush } from "./brush.js";
import { ColorBar } from "./colorbar.js";
import { Controls } from "./controls.js";
import { Gestures } from "./gestures.js";
import { pictureCommands } from "./keys.js";
import { Marks } from "./marks.js";
import { Overlay } from "./overlay.js";
import { Painter } from "./painter.js";
import { Plot } from "./plot.js";
import { Readout } from "./readout.js";
import { Slices } from "./slices.js";
import { Tiles } from "./tiles.js";

/** Frames of which the time that painting took is kept, for tests. */
const TIMED_FRAMES = 600;
/** While the picture moves, lines through the pinned bin follow it as often as this. */
const SLICES_MS = 200;
const KEYS_HELP =
  "Spectrogram. Left and right move the playhead, plus and minus zoom in time; question mark " +
  "shows all keys.";
/** Pointers of the tools that do not paint: a brush has an outline of its own. */
const CURSORS = { look: "crosshair", select: "text" };
/** Traits that change the picture, and those that only lie over it. */
const IN_PICTURE = [
  ...["start", "stop", "low", "high", "scale", "show", "channel", "colormap", "_layers"],
  ...["floor_db", "ceiling_db", "gamma", "pinned", "tool", "brush"],
];
const OVER_PICTURE = ["time", "selection", "boxes"];

class SpectrogramView {
  constructor(widget) {
    const { model, el } = widget;
    Object.assign(this, { widget, model, dirty: false, frameTimes: [] });
    const label = { tabindex: "0", role: "application", "aria-label": KEYS_HELP };
    this.canvas = make("canvas", "mssviz-picture", label);
    this.top = make("canvas", "mssviz-overlay");
    this.plot = new Plot(model);
    this.tiles = new Tiles(model, this.plot);
    this.painter = new Painter(model, this.plot, this.canvas);
    this.brush = new Brush(model, this.plot);
    this.overlay = new Overlay(model, this.plot, this.top, this.brush);
    this.slices = new Slices(widget, this.plot);
    this.readout = new Readout(widget);
    this.controls = new Controls(widget);
    this.bar = new LayerBar(widget);
    this.colorbar = new ColorBar(model);
    const { plot, canvas, brush, readout } = this;
    const repaint = () => this.schedule();
    this.gestures = new Gestures({ widget, plot, canvas, brush, readout, repaint });
    this.marks = new Marks(widget, plot, canvas);
    this.box = new KeyBox({ model, plot, brush, repaint, middle: () => this.gestures.middle });
    this.stage = make("div", "mssviz-stage", {}, this.canvas, this.top, this.slices.canvas);
    this.stage.append(this.colorbar.element, this.readout.element);
    this.stage.append(this.marks.element, this.box.element);
    const { gutter, toolbar, brushbar, legend } = this.controls;
    el.classList.add("mssviz-spectrogram");
    gutter.insertBefore(this.bar.choice, gutter.lastElementChild);
    el.append(this.bar.element, gutter, toolbar, ...(brushbar ? [brushbar] : []));
    el.append(this.stage, legend);
    this.listen();
    this.showHeight();
    this.schedule();
    this.ask();
  }

  listen() {
    const { widget } = this;
    this.paintSoon = widget.perFrame(() => this.paintFrame());
    this.insist = widget.insist(
      () => this.tiles.waiting.size > 0,
      () => {
        this.tiles.waiting.clear();
        this.schedule();
      },
    );
    this.paintOverlaySoon = widget.perFrame(() => {
      if (!this.dirty && this.plot.size) this.overlay.paint(this.gestures.hover);
    });
    for (const trait of IN_PICTURE) widget.onModel(`change:${trait}`, () => this.schedule());
    for (const trait of OVER_PICTURE) {
      widget.onModel(`change:${trait}`, () => this.scheduleOverlay());
    }
    for (const trait of ["pinned", "channel", "show"]) {
      widget.onModel(`change:${trait}`, () => this.ask());
    }
    const askForSlices = widget.later(() => this.slices.ask());
    for (const trait of ["start", "stop"]) {
      widget.onModel(`change:${trait}`, () => askForSlices.within(SLICES_MS));
    }
    widget.onModel("change:selection", () => this.plot.size && this.marks.show());
    widget.onModel("change:height", () => this.showHeight());
    widget.onModel("msg:custom", (message, buffers) => this.receive(message, buffers));
    widget.onResize(this.stage, () => this.resize());
    onColors(widget, this.canvas, () => this.schedule());
    widget.onEnd(() => this.tiles.clear());
    widget.on(this.canvas, "keydown", (event) => this.box.key(event));
    widget.on(this.canvas, "focus", () => this.box.explain());
    widget.onModel("change:tool", () => this.box.take());
    obeyKeys(widget, widget.el, ...pictureCommands(this));
  }

  // --- messages ------------------------------------------------------------------------------

  receive(message, buffers) {
    const { kind } = message;
    if (kind === "reading") this.readout.take(message);
    else if (kind === "refused") this.readout.say(message.text);
    else {
      if (kind === "tile") this.tiles.take(message, buffers[0]);
      else if (kind === "slices") this.slices.take(message, buffers);
      else if (kind === "changed") {
        this.tiles.forget(message);
        this.ask();
      }
      this.schedule();
    }
  }

  /** Ask for the values under the pointer or of the pinned bin, and for the lines through this. */
  ask() {
    this.slices.ask();
    const pinned = this.model.get("pinned");
    const place = this.gestures.hover ?? (pinned && { seconds: pinned[0], hertz: pinned[1] });
    if (place) this.readout.ask(place);
  }

  // --- painting ------------------------------------------------------------------------------

  /** Record of the layer that is shown. */
  get layer() {
    const show = this.model.get("show");
    return this.model.get("_layers").find(({ name }) => name === show);
  }

  /** Layers whose values the picture is painted from. */
  get sources() {
    const { layer } = this;
    if (layer.kind !== "hues") return [layer];
    const layers = this.model.get("_layers");
    const all = (wanted) => layers.filter(({ kind }) => kind === wanted);
    return [...all("mixture"), ...all("mask")];
  }

  /** Be as high as the trait says, unless what is around the view gives its picture a place. */
  showHeight() {
    this.stage.style.setProperty("--picture-height", `${this.model.get("height").toFixed(0)}px`);
    this.resize();
  }

  /** Take the room that there is. */
  resize() {
    const { clientWidth, clientHeight } = this.stage;
    if (!clientWidth || !clientHeight || !this.plot.resize(clientWidth, clientHeight)) return;
    const { width, height, ratio } = this.plot.size;
    for (const canvas of [this.canvas, this.top, this.slices.canvas]) {
      fitCanvas(canvas, width, height, ratio);
    }
    this.painter.resize();
    this.schedule();
  }

  /** Paint all in the next frame. */
  schedule() {
    this.dirty = true;
    this.paintSoon();
  }

  /** Paint playhead and selection alone; a playing song moves them all the time. */
  scheduleOverlay() {
    if (!this.dirty) this.paintOverlaySoon();
  }

  paintFrame() {
    this.dirty = false;
    if (!this.plot.size) return;
    this.resize();
    const began = performance.now();
    this.paint();
    this.frameTimes.push(performance.now() - began);
    if (this.frameTimes.length > TIMED_FRAMES) this.frameTimes.shift();
  }

  paint() {
    const { layer } = this;
    if (this.painter.paint(layer, this.sources, this.tiles)) this.schedule();
    if (this.tiles.waiting.size) this.insist();
    this.overlay.paint(this.gestures.hover);
    this.marks.show();
    this.slices.paint();
    this.readout.place(this.gestures.hover);
    this.controls.update(layer);
    this.bar.update(layer);
    this.colorbar.update(layer);
    this.canvas.style.cursor = CURSORS[this.brush.tool] ?? "none";
  }
}

export default asWidget("mssvizSpectrogram", (widget) => new SpectrogramView(widget));
