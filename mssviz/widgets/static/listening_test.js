// Listening test: sounds of a trial in sync, heard one at a time, rated or preferred blind.
// Python holds the answers and who is who; here a sound is only its place on the page.

import { ICONS, icon, keepKeys, make, oneLine, press } from "./elements.js";
import { decode, glide } from "./sound.js";
import { clamp, formatTime, loopPosition, toSample } from "./timeline.js";

const FADE_SECONDS = 0.02; // between two sounds, and where sound starts and stops
const TAPER_SECONDS = 0.01; // at a sound's ends, so that the loop's seam does not click
const START_SECONDS = 0.02; // from a click to its sound, so that all sources meet it
const TICK_MS = 50;
const REPORT_SECONDS = 5; // of listening, after which Python is told
const SEND_MS = 150;
const PATIENCE_MS = 8000;
const OPEN = "open"; // id of the open reference
const LABELS = ["Bad", "Poor", "Fair", "Good", "Excellent"];
const SIDES = ["A", "B"];
const UNRATED = 50;

// --- What can be computed without a page -----------------------------------------------------

/** Label of the fifth of the scale that a rating of 0 to 100 lies in. */
export function qualityLabel(rating) {
  return LABELS[clamp(Math.floor(rating / 20), 0, 4)];
}

/** Name of a sound on the page: "Reference", "Sound 2", or "A". */
export function soundName(id, method) {
  if (id === OPEN) return "Reference";
  return method === "ab" ? SIDES[Number(id) - 1] : `Sound ${id}`;
}

/** What is left to do: how many sounds to hear and to rate (in A/B, 1 until there is a choice). */
export function remaining({ ids, played, ratings, choice }, method) {
  const judged = ids.filter((id) => id !== OPEN);
  const unrated = judged.filter((id) => ratings[id] === undefined).length;
  return {
    hear: judged.filter((id) => !played.includes(id)).length,
    rate: method === "ab" ? Number(choice === null) : unrated,
  };
}

/** What is left to do, for people; empty if nothing is. */
export function hint({ hear, rate }, method) {
  const sounds = (n) => (n === 1 ? "1 more sound" : `${n} more sounds`);
  const parts = [];
  if (hear) parts.push(`listen to ${sounds(hear)}`);
  if (rate) parts.push(method === "ab" ? "choose one" : `rate ${sounds(rate)}`);
  const text = parts.join(" and ");
  return text && `${text[0].toUpperCase()}${text.slice(1)} to go on.`;
}

/** What a key stands for, or null: {do: "select", id}, {do: "toggle"}, {do: "next"}. */
export function keyAction(key, target, ids) {
  const own = { range: /^(Arrow|Home|End|Page)/, radio: /^(Arrow| )/, button: /^( |Enter)$/ };
  if (own[target]?.test(key)) return null;
  if (key === " ") return { do: "toggle" };
  if (key === "Enter") return { do: "next" };
  const letter = { 0: OPEN, r: OPEN, R: OPEN, a: "1", A: "1", b: "2", B: "2" }[key];
  const id = letter ?? key;
  return ids.includes(id) && /^[0-9rRaAbB]$/.test(key) ? { do: "select", id } : null;
}

/** Fade the first and last `n` samples in and out, in place. */
export function taper(samples, n) {
  const length = Math.min(n, Math.floor(samples.length / 2));
  for (let i = 0; i < length; i++) {
    const gain = (i + 0.5) / length;
    samples[i] *= gain;
    samples[samples.length - 1 - i] *= gain;
  }
  return samples;
}

/** Position in a sound of some length, so long after it started; null once it has ended. */
export function positionAfter(start, elapsed, duration, loop) {
  const time = start + Math.max(0, elapsed);
  if (loop) return loopPosition(time, [0, duration]);
  return time < duration ? time : null;
}

// --- Sound -----------------------------------------------------------------------------------

/** All sounds of a trial running from one moment on; one of them is heard. */
class Run {
  constructor(context, buffers, { position, loop, selected }) {
    this.context = context;
    this.duration = Math.min(...[...buffers.values()].map((buffer) => buffer.duration));
    this.position = position;
    this.loop = loop;
    this.when = toSample(context.currentTime + START_SECONDS, context.sampleRate);
    this.out = new GainNode(context, { gain: position > 0 ? 0 : 1 });
    this.out.connect(context.destination);
    if (position > 0) {
      this.out.gain.setValueAtTime(0, this.when);
      this.out.gain.linearRampToValueAtTime(1, this.when + FADE_SECONDS);
    }
    this.voices = new Map([...buffers].map(([id, b]) => [id, this.voice(b, id === selected)]));
  }

  voice(buffer, heard) {
    const gain = new GainNode(this.context, { gain: heard ? 1 : 0 });
    const source = new AudioBufferSourceNode(this.context, { buffer, loop: this.loop });
    source.connect(gain).connect(this.out);
    source.start(this.when, toSample(this.position, this.context.sampleRate));
    return { gain, source };
  }

  /** Cross-fade to another sound, which has been running along. */
  select(selected) {
    for (const [id, { gain }] of this.voices) {
      glide(this.context, gain.gain, id === selected ? 1 : 0, FADE_SECONDS);
    }
  }

  setLoop(loop) {
    const now = this.context.currentTime;
    this.position = this.at(now) ?? 0;
    this.when = Math.max(now, this.when);
    this.loop = loop;
    for (const { source } of this.voices.values()) source.loop = loop;
  }

  /** Position at a time of the context's clock; null at the end. */
  at(time = this.context.currentTime) {
    return positionAfter(this.position, time - this.when, this.duration, this.loop);
  }

  end() {
    glide(this.context, this.out.gain, 0, FADE_SECONDS);
    const silent = this.context.currentTime + FADE_SECONDS;
    for (const { source } of this.voices.values()) source.stop(silent);
    const [{ source }] = this.voices.values();
    source.onended = () => this.out.disconnect();
  }
}

// --- Page ------------------------------------------------------------------------------------

/** Element of a class of ours. */
function element(tag, className, ...rest) {
  return make(tag, className && `mssviz-lt-${className}`, ...rest);
}

function setIcon(node, name) {
  if (node.dataset.icon === name) return;
  node.dataset.icon = name;
  node.replaceChildren(icon(ICONS[name]));
}

// Of several views on a page, the one that was started last sounds.
let sounding = null;
let views = 0; // so far, for the names of radio groups

class ListeningTestView {
  constructor(model, el) {
    this.model = model;
    this.el = el;
    this.number = views++;
    this.loop = true;
    this.trial = null;
    this.root = make("div", "mssviz-lt", { role: "region", "aria-label": "Listening test" });
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    keepKeys(this.root);
    el.append(this.root);
    this.listeners = [
      ["change:state", () => this.onState()],
      ["msg:custom", (content, buffers) => this.onMessage(content, buffers)],
    ];
    for (const [event, callback] of this.listeners) model.on(event, callback);
    this.onState();
    el.mssvizListeningTest = this.forTests();
  }

  // --- state: Python's, and what has been done here that it does not know yet

  get method() {
    return this.model.get("method");
  }

  get state() {
    const state = this.model.get("state");
    const { played = [], ratings = {}, choice = null } = state;
    return {
      ...state,
      played: [...new Set([...played, ...this.heard])],
      ratings: { ...ratings, ...Object.fromEntries(this.changed) },
      choice: this.chosen ?? choice,
    };
  }

  get left() {
    return remaining(this.state, this.method);
  }

  get ready() {
    return this.buffers.size > 0 && this.buffers.size === this.state.ids?.length;
  }

  onState() {
    const state = this.model.get("state");
    if (state.trial !== this.trial) return this.openTrial(state);
    for (const [id, value] of this.changed) {
      if (state.ratings?.[id] === value) this.changed.delete(id);
    }
    if (this.chosen === state.choice) this.chosen = null;
    return this.show();
  }

  openTrial(state) {
    const inside = this.root.contains(document.activeElement);
    this.stop();
    clearTimeout(this.giveUp);
    this.trial = state.trial;
    this.buffers = new Map();
    this.heard = new Set();
    this.changed = new Map(); // ratings that Python has not confirmed
    this.chosen = null;
    this.advancing = this.silent = false;
    this.failure = "";
    this.selected = null;
    this.position = 0;
    if (!state.ids) {
      this.context?.close();
      this.context = null;
      this.root.replaceChildren(...this.buildEnd(state));
    } else {
      this.root.replaceChildren(...this.buildTrial(state));
      this.model.send({ kind: "ask", trial: this.trial, have: [] });
      this.show();
    }
    if (inside) this.heading.focus(); // so that keys go on working and the new trial is read out
  }

  // --- sound

  async receive({ trial, id }, data) {
    if (trial !== this.trial || this.buffers.has(id)) return;
    try {
      const buffer = await this.decode(data);
      if (this.closed || trial !== this.trial || this.buffers.has(id)) return;
      this.buffers.set(id, buffer);
    } catch (error) {
      this.failure = `The browser cannot decode a sound: ${error.message}`;
    }
    this.show();
  }

  /** Decode, and fade the ends. */
  async decode(data) {
    const rate = this.model.get("sample_rate");
    const buffer = await decode(data, rate);
    for (let c = 0; c < buffer.numberOfChannels; c++) {
      taper(buffer.getChannelData(c), Math.round(TAPER_SECONDS * rate));
    }
    return buffer;
  }

  get duration() {
    return Math.min(...[...this.buffers.values()].map((buffer) => buffer.duration));
  }

  /** Hear a sound; what plays goes on at the same position. */
  select(id) {
    if (!this.ready || (this.run && this.selected === id)) return;
    this.selected = id;
    if (!this.run) return this.play();
    this.run.select(id);
    this.beginHearing(id);
    return this.show();
  }

  toggle() {
    if (this.run) this.stop();
    else if (this.ready) this.play();
  }

  play() {
    if (sounding !== this) sounding?.stop();
    sounding = this;
    this.context ??= new AudioContext({ sampleRate: this.model.get("sample_rate") });
    clearTimeout(this.suspending);
    this.context.resume();
    this.selected ??= this.state.ids[0];
    this.startRun();
    this.beginHearing(this.selected);
    this.ticking = setInterval(() => this.tick(), TICK_MS);
    this.show();
  }

  startRun() {
    const { position, loop, selected } = this;
    this.run = new Run(this.context, this.buffers, { position, loop, selected });
  }

  stop() {
    if (!this.run) return;
    this.position = this.run.at() ?? 0;
    this.run.end();
    this.run = null;
    this.report();
    this.hearing = null;
    clearInterval(this.ticking);
    this.suspending = setTimeout(() => this.context?.suspend(), 200);
    this.show();
  }

  seek(position) {
    this.position = clamp(position, 0, Math.max(0, this.duration - 0.01));
    if (this.run) {
      this.run.end();
      this.startRun();
    }
    this.showTime();
  }

  setLoop(loop) {
    this.loop = loop;
    this.run?.setLoop(loop);
  }

  tick() {
    if (this.run.at() === null) {
      this.stop();
      return;
    }
    if (this.context.currentTime - this.hearing.since > REPORT_SECONDS) this.report();
    this.showTime();
  }

  beginHearing(id) {
    this.report();
    this.heard.add(id);
    this.hearing = { id, since: this.context.currentTime };
    this.sendHeard(id, 1, 0);
  }

  /** Tell Python how long a sound has been heard since it was last told. */
  report() {
    if (!this.hearing) return;
    const now = this.context.currentTime;
    this.sendHeard(this.hearing.id, 0, now - this.hearing.since);
    this.hearing.since = now;
  }

  sendHeard(id, times, seconds) {
    this.model.send({ kind: "heard", trial: this.trial, id, times, seconds });
  }

  // --- answers

  rate(id, rating, { atOnce = false } = {}) {
    if (this.state.ratings[id] !== rating) {
      this.changed.set(id, rating);
      this.unsent ??= new Map();
      this.unsent.set(id, rating);
    }
    if (atOnce) this.sendRatings();
    else this.sending ??= setTimeout(() => this.sendRatings(), SEND_MS);
    this.show();
  }

  sendRatings() {
    clearTimeout(this.sending);
    this.sending = null;
    for (const [id, rating] of this.unsent ?? []) {
      this.model.send({ kind: "rate", trial: this.trial, id, rating });
    }
    this.unsent = null;
  }

  choose(choice) {
    this.chosen = choice;
    this.model.send({ kind: "choose", trial: this.trial, choice });
    this.show();
  }

  next() {
    const { hear, rate } = this.left;
    if (hear || rate || this.advancing) return;
    this.sendRatings();
    this.stop();
    this.advancing = true;
    this.silent = false;
    this.giveUp = setTimeout(() => this.retry(), PATIENCE_MS);
    this.heading.focus({ preventScroll: true }); // a button loses it where it is disabled
    this.model.send({ kind: "next", trial: this.trial });
    this.show();
  }

  /** Let the listener press "Next" again if the kernel has not answered. */
  retry() {
    this.advancing = false;
    this.silent = true;
    this.show();
  }

  onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !this.state.ids) return;
    const control = event.target.closest("button, input, summary");
    const target = control?.type ?? (control ? "button" : "");
    const action = keyAction(event.key, target, this.state.ids);
    if (!action || (event.repeat && action.do !== "select")) return;
    event.preventDefault();
    if (action.do === "toggle") this.toggle();
    if (action.do === "next") this.next();
    if (action.do === "select") {
      this.select(action.id);
      this.rows.get(action.id).slider?.focus({ preventScroll: true });
    }
  }

  // --- elements

  buildTrial(state) {
    const { trial, n_trials: count, name, ids } = state;
    this.heading = element("h3", "heading", { tabindex: "-1" }, `Trial ${trial + 1} of ${count}`);
    const about = element(
      "div",
      "about",
      {},
      this.heading,
      element("span", "name", { title: name }, oneLine(name)),
    );
    const bar = element("progress", "progress", { max: count, "aria-label": "Trials done" });
    bar.value = trial;
    const question = element("p", "question", {}, this.model.get("question"));
    this.rows = new Map(ids.map((id) => [id, this.buildRow(id)]));
    const rows = [...this.rows.values()].map((row) => row.node);
    const reference = ids[0] === OPEN ? [rows.shift()] : [];
    const judged =
      this.method === "ab"
        ? [element("div", "pair", {}, ...rows), this.buildChoice()]
        : [this.buildScale(), ...rows];
    const top = [about, bar, question, this.buildTransport()];
    return [...top, ...reference, ...judged, this.buildFoot()];
  }

  buildTransport() {
    const attributes = { type: "button", "aria-label": "Play" };
    this.playButton = element("button", "play", attributes);
    this.playButton.addEventListener("click", () => this.toggle());
    const range = { type: "range", min: 0, max: 1, step: "any", "aria-label": "Position" };
    this.seekBar = element("input", "seek", range);
    this.seekBar.addEventListener("input", () => this.seek(Number(this.seekBar.value)));
    this.clock = element("span", "clock");
    const box = element("input", "", { type: "checkbox" });
    box.checked = this.loop;
    box.addEventListener("change", () => this.setLoop(box.checked));
    const loop = element("label", "loop", {}, box, "Loop");
    return element("div", "transport", {}, this.playButton, this.seekBar, this.clock, loop);
  }

  buildScale() {
    const labels = LABELS.map((label) => element("span", "", {}, label));
    const scale = element("div", "labels", { "aria-hidden": "true" }, ...labels);
    return element("div", "row", {}, element("span", ""), scale, element("span", ""));
  }

  buildRow(id) {
    const name = soundName(id, this.method);
    const mark = element("span", "mark", { "aria-hidden": "true" });
    const button = element("button", "hear", { type: "button" }, mark, name);
    const row = { button, mark };
    button.addEventListener("click", (event) => {
      if (this.run && this.selected === id) this.stop();
      else this.select(id);
      // after a click with the mouse, digits and arrows are what comes next
      if (event.detail > 0) row.slider?.focus({ preventScroll: true });
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
    const rate = (options) => this.rate(id, Number(slider.value), options);
    slider.addEventListener("input", () => rate());
    // a click that leaves the thumb where it is is a rating, too
    for (const event of ["change", "click"]) {
      slider.addEventListener(event, () => rate({ atOnce: true }));
    }
    return slider;
  }

  buildChoice() {
    const labels = ["A is better", "No preference", "B is better"];
    this.radios = new Map();
    const options = [0, 2, 1].map((choice, i) => {
      const radio = element("input", "", { type: "radio", name: `mssviz-lt-${this.number}` });
      radio.addEventListener("change", () => this.choose(choice));
      this.radios.set(choice, radio);
      return element("label", "option", {}, radio, labels[i]);
    });
    const group = { role: "radiogroup", "aria-label": this.model.get("question") };
    return element("div", "choice", group, ...options);
  }

  buildFoot() {
    this.status = element("span", "status", { role: "status" });
    const last = this.trial + 1 === this.model.get("state").n_trials;
    this.nextButton = element("button", "next", { type: "button" }, last ? "Finish" : "Next");
    this.nextButton.addEventListener("click", () => this.next());
    const digits = this.method === "ab" ? "A B hear a side" : "1–9 hear a sound";
    const reference = this.state.ids.includes(OPEN) ? " · 0 or R the reference" : "";
    const arrows = this.method === "ab" ? "choose" : "move the slider";
    const keys = `${digits}${reference} · Space play or pause · ← → ${arrows} · Enter next`;
    const help = element("details", "help", {}, element("summary", "", {}, "Keys"), keys);
    return element("div", "foot", {}, help, this.status, this.nextButton);
  }

  buildEnd({ table }) {
    this.heading = element("h3", "heading", { tabindex: "-1" }, "Thank you");
    const thanks = element("p", "question", {}, "All trials are answered.");
    if (!table) return [this.heading, thanks];
    const cell = (tag, scope) => (text, i) =>
      element(i ? tag : "th", "", i && !scope ? {} : { scope: scope ?? "row" }, text);
    const [head, ...body] = table;
    const header = element("tr", "", {}, ...head.map(cell("th", "col")));
    const rows = body.map((row) => element("tr", "", {}, ...row.map(cell("td"))));
    const parts = [element("thead", "", {}, header), element("tbody", "", {}, ...rows)];
    const scroller = element("div", "scroller", {}, element("table", "results", {}, ...parts));
    return [this.heading, thanks, scroller];
  }

  // --- showing

  show() {
    const { state } = this;
    if (this.closed || !state.ids) return;
    const { played, ratings } = state;
    for (const [id, row] of this.rows) {
      const heard = Boolean(this.run) && this.selected === id;
      row.node.classList.toggle("mssviz-lt-heard", heard);
      row.node.classList.toggle("mssviz-lt-played", played.includes(id));
      row.button.disabled = !this.ready;
      press(row.button, heard);
      const times = played.includes(id) ? "heard" : "not heard yet";
      row.button.setAttribute("aria-label", `${soundName(id, this.method)}, ${times}`);
      setIcon(row.mark, heard ? "pause" : "play");
      if (row.slider) this.showRating(row, ratings[id]);
    }
    for (const [choice, radio] of this.radios ?? []) radio.checked = state.choice === choice;
    setIcon(this.playButton, this.run ? "pause" : "play");
    this.playButton.setAttribute("aria-label", this.run ? "Pause" : "Play");
    this.playButton.disabled = !this.ready;
    this.seekBar.disabled = !this.ready;
    this.showStatus();
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

  showStatus() {
    const { ids } = this.state;
    const { hear, rate } = this.left;
    let text = hint({ hear, rate }, this.method);
    if (this.advancing) text = "Waiting for the kernel…";
    if (this.silent) text = "The kernel does not answer. If it was restarted, run the cell again.";
    if (!this.ready) text = `Loading sounds: ${this.buffers.size} of ${ids.length}.`;
    if (this.failure) text = this.failure;
    if (this.status.textContent !== text) this.status.textContent = text;
    this.nextButton.disabled = Boolean(hear || rate || this.advancing);
  }

  showTime() {
    if (!this.ready) {
      this.clock.textContent = "";
      return;
    }
    const now = this.run ? (this.run.at() ?? this.duration) : this.position;
    this.seekBar.max = this.duration;
    this.seekBar.value = now;
    this.seekBar.style.setProperty("--fill", `${(100 * now) / this.duration}%`);
    const text = `${formatTime(now)} / ${formatTime(this.duration)}`;
    if (this.clock.textContent === text) return;
    this.clock.textContent = text;
    this.seekBar.setAttribute("aria-valuetext", text.replace("/", "of"));
  }

  onMessage(content, buffers) {
    if (content.kind === "audio") this.receive(content, buffers[0]);
  }

  // --- end

  close() {
    this.sendRatings();
    this.stop();
    this.closed = true;
    if (sounding === this) sounding = null;
    for (const timer of [this.suspending, this.giveUp]) clearTimeout(timer);
    for (const [event, callback] of this.listeners) this.model.off(event, callback);
    this.context?.close();
    this.context = null;
    this.root.remove();
  }

  /** What tests look at. */
  forTests() {
    const view = this;
    return {
      get ready() {
        return view.ready;
      },
      get context() {
        return view.context ?? null;
      },
      get position() {
        return view.run ? view.run.at() : view.position;
      },
      get gains() {
        return [...(view.run?.voices ?? [])].map(([, { gain }]) => gain.gain.value);
      },
      get model() {
        return view.model;
      },
      /** Left channel of a run that switches to each id at its time, [[seconds, id], …]. */
      render: (seconds, switches) => view.render(seconds, switches),
    };
  }

  async render(seconds, switches) {
    const rate = this.model.get("sample_rate");
    const context = new OfflineAudioContext(2, Math.round(seconds * rate), rate);
    const [[, selected], ...later] = switches;
    const run = new Run(context, this.buffers, { position: 0, loop: true, selected });
    for (const [time, id] of later) {
      context.suspend(time).then(() => {
        run.select(id);
        context.resume();
      });
    }
    return (await context.startRendering()).getChannelData(0);
  }
}

/** Show the test in `el`; gives back what removes it. */
function render({ model, el }) {
  const view = new ListeningTestView(model, el);
  return () => {
    view.close();
    delete el.mssvizListeningTest;
  };
}

export default { render };
