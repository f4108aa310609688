// The brush without a mouse: a box that arrows move and resize, and that Enter paints.

import { frequencyToUnit, unitToFrequency } from "../axes.js";
import { make } from "../elements.js";

const STEP = 0.02; // of the picture's width and height
const LEAST = 0.01;
const FIRST = 0.1;
const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowDown: [0, -1],
  ArrowUp: [0, 1],
};
const HELP = "Arrows move a box, with Shift they resize it; Enter paints it, Escape leaves.";
const SELECTING = "select. [ and ] begin and end the selection at the playhead, Escape leaves.";

/** Range of a size around a middle, moved into [0, 1]. */
function within(middle, size) {
  const from = Math.min(Math.max(middle - size / 2, 0), 1 - size);
  return [from, from + size];
}

/** Frequency as it is read out. */
function spoken(hertz) {
  return hertz >= 1000 ? `${(hertz / 1000).toFixed(2)} kHz` : `${hertz.toFixed(0)} Hz`;
}

export class KeyBox {
  /** `repaint` is called when the box has changed, `middle` gives the time where it begins. */
  constructor({ model, plot, brush, repaint, middle }) {
    Object.assign(this, { model, plot, brush, repaint, middle });
    /** Reads out what happens to it. */
    this.element = make("div", "mssviz-read-out mssviz-told", {
      role: "status",
      "aria-live": "polite",
    });
  }

  /** Take another tool: what was begun with the one before is dropped. */
  take() {
    this.brush.drop();
    this.explain();
  }

  /** Tell somebody who comes with a tool what can be done with it. */
  explain() {
    const { tool, paints, box } = this.brush;
    if (!box) this.say(paints ? `${tool}. ${HELP}` : tool === "select" ? SELECTING : "");
  }

  say(text) {
    this.element.textContent = text;
  }

  /** Take a key on the picture, if it is one of the box's. */
  key(event) {
    if (!this.brush.paints || event.ctrlKey || event.altKey || event.metaKey) return;
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    if (!this.brush.box) this.place(this.first());
    else if (!arrow) this.paint();
    else if (event.shiftKey) this.change([0, 0], arrow);
    else this.change(arrow, [0, 0]);
  }

  first() {
    const { start, stop } = this.plot.axes;
    const time = (this.middle() - start) / (stop - start);
    return { time: within(time, FIRST), frequency: within(0.5, FIRST) };
  }

  /** Move and resize by steps in time and frequency. */
  change(moves, sizes) {
    const { start, stop, ...axis } = this.plot.axes;
    const { seconds, hertz } = this.brush.box;
    const edges = [
      seconds.map((time) => (time - start) / (stop - start)),
      hertz.map((frequency) => frequencyToUnit(frequency, axis)),
    ];
    const [time, frequency] = edges.map(([from, to], i) => {
      const size = Math.min(Math.max(to - from + sizes[i] * STEP, LEAST), 1);
      return within((from + to) / 2 + moves[i] * STEP, size);
    });
    this.place({ time, frequency });
  }

  /** Put it where shares of the picture say. */
  place({ time, frequency }) {
    const { start, stop, ...axis } = this.plot.axes;
    this.brush.box = {
      seconds: time.map((share) => start + share * (stop - start)),
      hertz: frequency.map((share) => unitToFrequency(share, axis)),
    };
    this.say(this.text);
    this.repaint();
  }

  get text() {
    const { seconds, hertz } = this.brush.box;
    const [from, to] = seconds.map((time) => time.toFixed(2));
    return `${from} to ${to} s, ${hertz.map(spoken).join(" to ")}`;
  }

  paint() {
    const { tool } = this.brush;
    this.brush.finishBox();
    this.say(`${tool} on ${this.model.get("brush").target}: ${this.text}`);
  }
}
