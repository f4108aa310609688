// Lanes: the ruler and the strips' waveforms over the same part of the song, under one playhead.

import { make } from "../elements.js";
import { clamp, formatTime, timeTicks } from "../timeline.js";

const DRAG_PX = 4;
const LABEL_PX = 70;
const LAST_LABEL_PX = 40;

export class Lanes {
  constructor(desk, player) {
    Object.assign(this, { desk, player, lanes: [], playheads: [], loops: [], width: 1 });
    this.buildRuler();
  }

  /** A lane with something in it: a click seeks, a drag loops. */
  build(content) {
    const loop = make("div", "mssviz-mixer-loop");
    const playhead = make("div", "mssviz-mixer-playhead");
    const title = "Click to seek, drag to loop";
    const lane = make("div", "mssviz-mixer-lane", { title }, content, loop, playhead);
    this.lanes.push(lane);
    this.loops.push(loop);
    this.playheads.push(playhead);
    this.listen(lane);
    return lane;
  }

  /** The lane by which all are measured: a strip's, as the ruler may be hidden. */
  get widest() {
    return this.lanes.at(-1);
  }

  buildRuler() {
    this.ticks = make("div", "mssviz-mixer-ticks");
    this.ruler = this.build(this.ticks);
    this.ruler.classList.add("mssviz-mixer-ruler");
    const range = { "aria-valuemin": this.desk.first, "aria-valuemax": this.desk.last };
    const role = { role: "slider", "data-mssviz-playhead": "", "aria-label": "Position" };
    const attributes = { ...role, tabindex: "0", ...range };
    for (const [name, value] of Object.entries(attributes)) this.ruler.setAttribute(name, value);
  }

  listen(lane) {
    const { desk, player } = this;
    let from = null;
    let dragging = false;
    const timeAt = (x) => {
      const box = lane.getBoundingClientRect();
      return desk.timeAt(clamp((x - box.left) / box.width, 0, 1));
    };
    const dragged = (x) => desk.loopBetween(timeAt(from), timeAt(x));
    lane.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = event.clientX;
      dragging = false;
      lane.setPointerCapture(event.pointerId);
    });
    lane.addEventListener("pointermove", ({ clientX }) => {
      if (from === null) return;
      dragging ||= Math.abs(clientX - from) > DRAG_PX;
      if (dragging) this.showLoop(dragged(clientX));
    });
    lane.addEventListener("pointerup", ({ clientX }) => {
      if (from === null) return;
      const loop = dragging && dragged(clientX);
      if (loop) desk.setLoop(loop);
      else if (!dragging) player.seek(timeAt(clientX));
      from = null;
      this.showLoop();
    });
    lane.addEventListener("pointercancel", () => {
      from = null;
      this.showLoop();
    });
  }

  /** Show the loop, or one that is being dragged. */
  showLoop(loop = this.desk.get("selection")) {
    const percent = (time) => 100 * this.desk.share(time);
    for (const element of this.loops) {
      element.hidden = !loop;
      if (!loop) continue;
      element.style.left = `${percent(loop[0])}%`;
      element.style.width = `${percent(loop[1]) - percent(loop[0])}%`;
    }
  }

  /** Move the playhead; `text` is its time for people, given when that has changed. */
  showTime(now, text) {
    if (text) {
      this.ruler.setAttribute("aria-valuenow", now.toFixed(1));
      this.ruler.setAttribute("aria-valuetext", text.replace("/", "of"));
    }
    const share = this.desk.share(now);
    const shift = `translateX(${(share * this.width).toFixed(1)}px)`;
    for (const element of this.playheads) {
      element.hidden = share < 0 || share > 1;
      element.style.transform = shift;
    }
  }

  /** Take the room that there is. A frame of a playing song must not ask for it: that is slow. */
  measure() {
    this.width = Math.max(1, this.widest.clientWidth);
  }

  drawTicks() {
    const [start, stop] = [this.desk.timeAt(0), this.desk.timeAt(1)];
    const { width } = this;
    const times = timeTicks(start, stop, Math.max(2, Math.floor(width / LABEL_PX)));
    const decimals = times.length > 1 && times[1] - times[0] < 1 ? 1 : 0;
    // a label that would stick out on the right is left off
    const fitting = times.filter((time) => this.desk.share(time) < 1 - LAST_LABEL_PX / width);
    const labels = fitting.map((time) => {
      const label = make("span", "", {}, formatTime(time, decimals));
      label.style.left = `${100 * this.desk.share(time)}%`;
      return label;
    });
    this.ticks.replaceChildren(...labels);
  }
}
