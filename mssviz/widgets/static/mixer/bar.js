// The bar above the strips: play, clock, loop, speed.

import { ICONS, button, icon, make, press } from "../elements.js";
import { formatTime } from "../timeline.js";

const RATES = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];
const START_ICON = "M3 3h2v10H3zM13 3v10L6 8z";
const LOOP_ICON =
  "M5 4h6a4 4 0 0 1 0 8H6v2L2.5 11 6 8v2h5a2 2 0 0 0 0-4H5a2 2 0 0 0-2 2H1a4 4 0 0 1 4-4z";

export class Bar {
  constructor(desk, player) {
    this.desk = desk;
    this.play = button("mssviz-mixer-play", "Play", () => player.toggle());
    const toStart = () => player.seek(desk.first);
    const home = button("", "To the start", toStart, icon(START_ICON));
    this.clock = make("span", "mssviz-mixer-clock");
    this.loopText = make("span", "mssviz-mixer-loop-text");
    const onLoop = () => desk.toggleLoop(player.now);
    this.loop = button("", "Loop", onLoop, icon(LOOP_ICON), this.loopText);
    this.loop.title = "Play the selection again and again (L)";
    this.rate = make("select", "", { "aria-label": "Speed; the pitch follows it" });
    this.rate.title = "Speed; the pitch follows it";
    this.rate.addEventListener("change", () => desk.save({ rate: Number(this.rate.value) }));
    const elements = [this.play, home, this.clock, this.loop];
    this.element = make("div", "mssviz-mixer-bar", {}, ...elements);
  }

  showPlaying(enabled) {
    const label = this.desk.get("playing") ? "Pause" : "Play";
    this.play.replaceChildren(icon(ICONS[label.toLowerCase()]));
    this.play.setAttribute("aria-label", label);
    this.play.title = `${label} (space)`;
    this.play.disabled = !enabled;
  }

  showLoop() {
    const loop = this.desk.get("selection");
    this.loopText.textContent = loop ? `${formatTime(loop[0])} – ${formatTime(loop[1])}` : "Loop";
    press(this.loop, Boolean(loop));
  }

  showRate() {
    const rate = this.desk.get("rate");
    const rates = RATES.includes(rate) ? RATES : [...RATES, rate].sort((a, b) => a - b);
    const options = rates.map((r) => make("option", "", { value: r }, `${Number(r.toFixed(2))}×`));
    this.rate.replaceChildren(...options);
    this.rate.value = String(rate);
  }

  /** Show the playhead's time; returns the new text, or null if it is the same as before. */
  showTime(now) {
    const text = `${formatTime(now)} / ${formatTime(this.desk.last)}`;
    if (this.clock.textContent === text) return null;
    this.clock.textContent = text;
    return text;
  }
}
