// The strips: a track's name, buttons, faders, meter and waveform; and the master's.

import { button, make, press } from "../elements.js";
import { range } from "../range.js";
import { SILENCE_DB, effectiveGain, formatDb, formatPan, gainToDb } from "../timeline.js";
import { drawWaveform } from "./waveform.js";

const LEVELS = [SILENCE_DB, 12, 0.5]; // lowest, highest, step in dB
const PANS = [-1, 1, 0.05];

/** One strip, which can play several tracks, one at a time. */
export class Strip {
  constructor(desk, tracks, index, lanes) {
    Object.assign(this, { desk, tracks, index });
    const { name } = this.strip;
    this.canvas = make("canvas");
    this.bar = make("div", "mssviz-mixer-meter-bar");
    const panel = make("div", "mssviz-mixer-panel", {}, this.buildHead(), this.buildFaders());
    const meter = make("div", "mssviz-mixer-meter", {}, this.bar);
    const attributes = { role: "group", "aria-label": name, tabindex: "0" };
    this.caption = make("span", "mssviz-mixer-caption");
    const lane = lanes.build(this.canvas);
    lane.append(this.caption);
    this.group = make("div", "mssviz-mixer-strip", attributes, panel, meter, lane);
  }

  /** Its state, as Python holds it. */
  get strip() {
    return this.desk.strips[this.index];
  }

  buildHead() {
    const { desk, index, strip } = this;
    this.heard = make("span", "mssviz-mixer-heard");
    const title = strip.name;
    const name = make("span", "mssviz-mixer-name", { title }, strip.name, this.heard);
    const toggle = (className, verb, flag) =>
      button(className, `${verb} ${strip.name}`, () => desk.toggle(index, flag), verb[0]);
    this.mute = toggle("mssviz-mixer-mute", "Mute", "muted");
    this.solo = toggle("mssviz-mixer-solo", "Solo", "solo");
    if (index < 9) this.solo.setAttribute("aria-keyshortcuts", index + 1);
    const buttons = make("div", "mssviz-mixer-buttons", {}, this.mute, this.solo);
    this.choices = strip.choices.length > 1 ? this.buildChoices() : [];
    if (this.choices.length) {
      const attributes = { role: "group", "aria-label": `Compare ${strip.name}` };
      const elements = this.choices.map(({ element }) => element);
      buttons.prepend(make("span", "mssviz-mixer-compare", attributes, ...elements));
    }
    return make("div", "mssviz-mixer-head", {}, name, buttons);
  }

  buildChoices() {
    return this.strip.choices.map((name, k) => {
      const letter = String.fromCharCode("A".charCodeAt(0) + k);
      const choose = () => this.desk.compare(this.index, name);
      return { name, element: button("", `${letter}: ${name}`, choose, letter) };
    });
  }

  buildFaders() {
    const { desk, index, strip } = this;
    const onGain = (db) => desk.move(index, { gain_db: db });
    const level = `Level of ${strip.name}`;
    const number = make("span", "mssviz-mixer-number", { "aria-hidden": "true" }, index + 1);
    this.gain = range("mssviz-mixer-fader", level, LEVELS, formatDb, onGain);
    this.value = make("span", "mssviz-mixer-value");
    const onPan = (pan) => desk.move(index, { pan });
    this.pan = range("mssviz-mixer-pan", `Pan of ${strip.name}`, PANS, formatPan, onPan);
    const side = (letter) => make("span", "mssviz-mixer-side", { "aria-hidden": "true" }, letter);
    const controls = [number, this.gain.input, this.value, side("L"), this.pan.input, side("R")];
    return make("div", "mssviz-mixer-faders", {}, ...controls);
  }

  show() {
    const { strip } = this;
    this.group.style.setProperty("--strip", strip.color);
    press(this.mute, strip.muted);
    press(this.solo, strip.solo);
    this.gain.show(strip.gain_db);
    this.value.textContent = formatDb(strip.gain_db);
    this.pan.show(strip.pan);
    const silent = effectiveGain(this.desk.strips, this.index) === 0;
    this.group.classList.toggle("mssviz-mixer-silent", silent);
    this.heard.textContent = strip.shows === strip.name ? "" : ` → ${strip.shows}`;
    for (const { name, element } of this.choices) press(element, strip.shows === name);
    this.draw();
  }

  /** Draw the waveform of the track that is played. */
  draw() {
    const { shows, color } = this.strip;
    const track = this.tracks.get(shows);
    if (track) drawWaveform(this.canvas, track, this.desk.part, this.tracks.height(shows), color);
  }

  /** Show what is said of it at the right end of its lane. */
  showCaption() {
    const text = this.desk.get("captions")[this.strip.name] ?? "";
    this.caption.textContent = text;
    this.caption.hidden = !text;
  }
}

/** Level of the sum, and whether it clips. */
export class Master {
  constructor(desk) {
    this.desk = desk;
    const onInput = (db) => desk.moveMaster(db);
    this.fader = range("mssviz-mixer-fader", "Master level", LEVELS, formatDb, onInput);
    this.value = make("span", "mssviz-mixer-value");
    this.bar = make("div", "mssviz-mixer-meter-bar");
    const meter = make("div", "mssviz-mixer-meter mssviz-mixer-across", {}, this.bar);
    this.clipButton = button("mssviz-mixer-clip", "", () => this.resetClip());
    const attributes = { role: "group", "aria-label": "Master" };
    const label = make("span", "", {}, "Master");
    const elements = [label, this.fader.input, this.value, meter, this.clipButton];
    this.group = make("div", "mssviz-mixer-master", attributes, ...elements);
    this.resetClip();
  }

  show() {
    const db = this.desk.get("master_db");
    this.fader.show(db);
    this.value.textContent = formatDb(db);
  }

  resetClip() {
    this.clip = 0;
    this.clipButton.classList.remove("mssviz-mixer-clipped");
    this.sayClip("no clipping", "The sum of all tracks has not exceeded full scale.");
  }

  /** Tell of a peak above full scale and above those before it. */
  showClip(peak) {
    if (peak <= Math.max(1, this.clip)) return;
    this.clip = peak;
    this.clipButton.classList.add("mssviz-mixer-clipped");
    const over = formatDb(gainToDb(peak));
    this.sayClip(
      `clips ${over}`,
      "The sum of all tracks exceeds full scale: lower the master. A click resets this.",
    );
  }

  /** Name the button by its text, which speech input knows it by, and say what that means. */
  sayClip(text, meaning) {
    this.clipButton.textContent = text;
    this.clipButton.title = meaning;
  }
}
