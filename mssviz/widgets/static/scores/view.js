// Scores over time: joins the picture of one measure, the text of a window, pointer and keys.

import { fitCanvas, onColors } from "../canvas.js";
import { obeyKeys } from "../commands.js";
import { make } from "../elements.js";
import { asWidget } from "../widget.js";
import { Gestures } from "./gestures.js";
import { Painter } from "./painter.js";
import { Plot } from "./plot.js";
import { Texts } from "./text.js";

const KEYS_HELP =
  "Scores over time. Left and right move the playhead, whose window is read out; question mark " +
  "shows all keys.";

class ScoreView {
  constructor(widget) {
    const { model, el } = widget;
    Object.assign(this, { widget, model });
    this.plot = new Plot(model);
    this.texts = new Texts(model, this.plot);
    this.canvas = make("canvas", "mssviz-picture", {
      tabindex: "0",
      role: "application",
      "aria-label": KEYS_HELP,
    });
    this.painter = new Painter(model, this.plot, this.canvas);
    this.schedule = widget.perFrame(() => this.plot.size && this.paint());
    this.gestures = new Gestures({
      widget,
      plot: this.plot,
      canvas: this.canvas,
      repaint: this.schedule,
      showWindow: (index) => {
        this.texts.showWindow(index);
        this.schedule();
      },
    });
    const options = Object.entries(this.plot.measures);
    this.select = make(
      "select",
      "",
      { "aria-label": "Measure", title: "Measure whose course is drawn, in dB" },
      ...options.map(([value, help]) => make("option", "", { value }, `${value}: ${help}`)),
    );
    this.stage = make("div", "mssviz-stage", {}, this.canvas);
    const toolbar = make("div", "mssviz-toolbar", {}, this.select, this.texts.legend);
    el.classList.add("mssviz-scoreview");
    el.append(toolbar, this.stage, this.texts.readout);
    this.listen();
    this.showMeasure();
    this.resize();
  }

  listen() {
    const { widget } = this;
    for (const trait of ["start", "stop", "time", "selection"]) {
      widget.onModel(`change:${trait}`, () => this.schedule());
    }
    widget.onModel("change:height", () => this.resize());
    widget.onModel("change:measure", () => this.showMeasure());
    widget.onModel("change:_table", () => this.read());
    widget.on(this.select, "change", () => widget.save({ measure: this.select.value }));
    widget.onResize(widget.el, () => this.resize());
    onColors(widget, this.canvas, this.schedule);
    obeyKeys(widget, widget.el, ...this.gestures.commands);
  }

  /** Show other scores. */
  read() {
    this.plot.read();
    this.gestures.keepWithin(this.plot.lastWindow);
    this.showMeasure();
  }

  showMeasure() {
    this.plot.fitRange();
    this.select.value = this.model.get("measure");
    this.texts.showLegend();
    this.texts.showWindow(this.gestures.current);
    this.schedule();
  }

  /** Take the room that there is. */
  resize() {
    const room = Math.floor(this.stage.clientWidth);
    if (!room) return;
    this.plot.resize(room);
    const { width, height, ratio } = this.plot.size;
    fitCanvas(this.canvas, width, height, ratio);
    this.schedule();
  }

  paint() {
    this.painter.paint(this.gestures.selection, this.gestures.current);
  }
}

export default asWidget("mssvizScores", (widget) => new ScoreView(widget));
