// The page of a trial: its sounds with their sliders or its choice, and the way on.

import { ICONS, icon, make, oneLine, press } from "../elements.js";
import { formatTime } from "../timeline.js";
import { LABELS, OPEN, keysHelp, qualityLabel, soundName } from "./wording.js";

const UNRATED = 50; // where a slider stands before it is moved

/** Element of a class of ours. */
export function element(tag, className, ...rest) {
  return make(tag, className && `mssviz-lt-${className}`, ...rest);
}

function setIcon(node, name) {
  if (node.dataset.icon === name) return;
  node.dataset.icon = name;
  node.replaceChildren(icon(ICONS[name]));
}

export class TrialPage {
  /** `group` is a name of its own for the radio buttons; `onNext` goes on to the next trial. */
  constructor({ answers, sound, question, group, onNext }) {
    Object.assign(this, { answers, sound, question, group, onNext });
    this.method = answers.method;
    const { ids } = answers.state;
    this.rows = new Map(ids.map((id) => [id, this.buildRow(id)]));
    this.radios = new Map();
    const rows = [...this.rows.values()].map((row) => row.node);
    const reference = ids[0] === OPEN ? [rows.shift()] : [];
    const judged =
      this.method === "ab"
        ? [element("div", "pair", {}, ...rows), this.buildChoice()]
        : [this.buildScale(), ...rows];
    const top = [...this.buildHead(), this.buildTransport()];
    this.elements = [...top, ...reference, ...judged, this.buildFoot()];
  }

  // --- building

  buildHead() {
    const { trial, n_trials: count, name } = this.answers.state;
    this.heading = element("h3", "heading", { tabindex: "-1" }, `Trial ${trial + 1} of ${count}`);
    const label = element("span", "name", { title: name }, oneLine(name));
    const bar = element("progress", "progress", { max: count, "aria-label": "Trials done" });
    bar.value = trial;
    const question = element("p", "question", {}, this.question);
    return [element("div", "about", {}, this.heading, label), bar, question];
  }

  buildTransport() {
    const { sound } = this;
    this.play = element("button", "play", { type: "button", "aria-label": "Play" });
    this.play.addEventListener("click", () => sound.toggle());
    const range = { type: "range", min: 0, max: 1, step: "any", "aria-label": "Position" };
    this.seekBar = element("input", "seek", range);
    this.seekBar.addEventListener("input", () => sound.seek(Number(this.seekBar.value)));
    this.clock = element("span", "clock");
    const box = element("input", "", { type: "checkbox" });
    box.checked = sound.loop;
    box.addEventListener("change", () => sound.setLoop(box.checked));
    const loop = element("label", "loop", {}, box, "Loop");
    return element("div", "transport", {}, this.play, this.seekBar, this.clock, loop);
  }

  buildScale() {
    const labels = LABELS.map((label) => element("span", "", {}, label));
    const scale = element("div", "labels", { "aria-hidden": "true" }, ...labels);
    return element("div", "row", {}, element("span", ""), scale, element("span", ""));
  }

  buildRow(id) {
    const { sound } = this;
    const name = soundName(id, this.method);
    const mark = element("span", "mark", { "aria-hidden": "true" });
    const button = element("button", "hear", { type: "button" }, mark, name);
    const row = { button, mark };
    button.addEventListener("click", (event) => {
      if (sound.hears(id)) sound.stop();
      else sound.select(id);
      // after a click with the mouse, digits and arrows are what comes next
      if (event.detail > 0) this.focusSlider(id);
    });
    const attributes = { role: "group", "aria-label": name };
    if (id === OPEN) {
      const note = element("span", "note", {}, "what the sounds are compared with");
      row.node = element("div", "row", attributes, button, note);
    } else if (this.method === "ab") row.node = element("div", "side", attributes, button);
    else {
      row.slider = this.buildSlider(id, name);
      row.value = element("output", "value");
      row.node = element("div", "row", attributes, button, row.slider, row.value);
    }
    return row;
  }

  buildSlider(id, name) {
    const range = { type: "range", min: 0, max: 100, step: 1, "aria-label": `Rating of ${name}` };
    const slider = element("input", "rating", range);
    slider.value = UNRATED;
    const rate = (options) => this.answers.rate(id, Number(slider.value), options);
    slider.addEventListener("input", () => rate());
    // a click that leaves the thumb where it is is a rating, too
    for (const event of ["change", "click"]) {
      slider.addEventListener(event, () => rate({ atOnce: true }));
    }
    return slider;
  }

  buildChoice() {
    const labels = ["A is better", "No preference", "B is better"];
    const options = [0, 2, 1].map((choice, i) => {
      const radio = element("input", "", { type: "radio", name: this.group });
      radio.addEventListener("change", () => this.answers.choose(choice));
      this.radios.set(choice, radio);
      return element("label", "option", {}, radio, labels[i]);
    });
    const attributes = { role: "radiogroup", "aria-label": this.question };
    return element("div", "choice", attributes, ...options);
  }

  buildFoot() {
    const { trial, n_trials: count, ids } = this.answers.state;
    this.status = element("span", "status", { role: "status" });
    const label = trial + 1 === count ? "Finish" : "Next";
    this.next = element("button", "next", { type: "button" }, label);
    this.next.addEventListener("click", () => this.onNext());
    const keys = keysHelp(this.method, ids.includes(OPEN));
    const help = element("details", "help", {}, element("summary", "", {}, "Keys"), keys);
    return element("div", "foot", {}, help, this.status, this.next);
  }

  focusSlider(id) {
    this.rows.get(id).slider?.focus({ preventScroll: true });
  }

  // --- showing

  /** Show answers and sound; `text` is what the listener is told, `mayGo` whether "Next" acts. */
  show(text, mayGo) {
    const { played, ratings, choice } = this.answers.state;
    const { sound } = this;
    for (const [id, row] of this.rows) {
      const heard = sound.hears(id);
      row.node.classList.toggle("mssviz-lt-heard", heard);
      row.node.classList.toggle("mssviz-lt-played", played.includes(id));
      row.button.disabled = !sound.ready;
      press(row.button, heard);
      const times = played.includes(id) ? "heard" : "not heard yet";
      row.button.setAttribute("aria-label", `${soundName(id, this.method)}, ${times}`);
      setIcon(row.mark, heard ? "pause" : "play");
      if (row.slider) this.showRating(row, ratings[id]);
    }
    for (const [value, radio] of this.radios) radio.checked = choice === value;
    setIcon(this.play, sound.run ? "pause" : "play");
    this.play.setAttribute("aria-label", sound.run ? "Pause" : "Play");
    this.play.disabled = !sound.ready;
    this.seekBar.disabled = !sound.ready;
    if (this.status.textContent !== text) this.status.textContent = text;
    this.next.disabled = !mayGo;
    this.showTime();
  }

  showRating({ slider, value }, rating) {
    const rated = rating !== undefined;
    slider.classList.toggle("mssviz-lt-unrated", !rated);
    if (rated && Number(slider.value) !== rating) slider.value = rating;
    const text = rated ? `${rating}, ${qualityLabel(rating)}` : "not rated";
    slider.setAttribute("aria-valuetext", text);
    const shown = rated ? String(rating) : "–";
    if (value.textContent !== shown) value.textContent = shown;
  }

  showTime() {
    const { ready, now, duration } = this.sound;
    if (!ready) {
      this.clock.textContent = "";
      return;
    }
    this.seekBar.max = duration;
    this.seekBar.value = now;
    this.seekBar.style.setProperty("--fill", `${(100 * now) / duration}%`);
    const text = `${formatTime(now)} / ${formatTime(duration)}`;
    if (this.clock.textContent === text) return;
    this.clock.textContent = text;
    this.seekBar.setAttribute("aria-valuetext", text.replace("/", "of"));
  }
}
