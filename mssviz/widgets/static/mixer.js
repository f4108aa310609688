// Mixer: tracks played together by Web Audio, with level, pan, mute, solo, A/B/C and loop.
// Python holds the state as traits, in seconds and decibels; audio arrives as messages.

import { ICONS, button, icon, keepKeys, make, press } from "./elements.js";
import { decode, glide, patched } from "./sound.js";
import {
  SILENCE_DB,
  clamp,
  comparedAt,
  dbToGain,
  effectiveGain,
  equalGainFade,
  equalPowerFade,
  formatDb,
  formatPan,
  formatTime,
  gainToDb,
  largest,
  loopBetween,
  loopPosition,
  mergePeaks,
  meterLevel,
  nearestStrip,
  nextChoice,
  peaks,
  timeTicks,
  toSample,
  touched,
} from "./timeline.js";

const MAX_DB = 12;
const SHORTEST_LOOP = 0.1; // s, as in Python
const NEW_LOOP = 4; // s
const AHEAD = 2.5; // s of loop seams scheduled ahead: background tabs wake once a second
const TICK_MS = 100;
const JOIN_MS = 20;
const SEEK_TOLERANCE = 0.15; // s between our clock and the trait, beyond which it is a seek
const PEAK_COLUMNS = 4000;
const DRAG_PX = 4;
const METER_SAMPLES = 8192; // as long as 185 ms: nothing is missed at 6 frames a second
const METER_FALL = 0.9; // per frame
// Unrelated sounds meet at seams and jumps (powers sum to 1), alike ones elsewhere (amplitudes).
const JUMP_FADE = { seconds: 0.015, ...equalPowerFade(64) };
const SMOOTH_FADE = { seconds: 0.015, ...equalGainFade() };
const REPLACE_FADE = { seconds: 0.03, ...equalGainFade() };
const SWITCH_SECONDS = 0.02;
const RATES = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];
const KEYS =
  "Space play or pause · ← → 1 s, with Shift 5 s · Home, End · ↑ ↓ choose a strip · 1–9 solo · " +
  "M mute · B compare, with Shift all strips · L loop · [ ] loop from, to here. " +
  "Drag over a waveform to loop it.";
const START_ICON = "M3 3h2v10H3zM13 3v10L6 8z";
const LOOP_ICON =
  "M5 4h6a4 4 0 0 1 0 8H6v2L2.5 11 6 8v2h5a2 2 0 0 0 0-4H5a2 2 0 0 0-2 2H1a4 4 0 0 1 4-4z";

// --- Sound ---------------------------------------------------------------------------------

/** Peak of what passes a node, per frame: the loudest of two channels' last samples. */
class Meter {
  constructor(node) {
    const context = node.context;
    const splitter = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    node.connect(splitter);
    this.analysers = [0, 1].map((channel) => {
      const analyser = new AnalyserNode(context, { fftSize: METER_SAMPLES });
      splitter.connect(analyser, channel);
      return analyser;
    });
    this.samples = new Float32Array(METER_SAMPLES);
  }

  /** Largest magnitude of the last `n` samples. */
  peak(n = METER_SAMPLES) {
    let peak = 0;
    for (const analyser of this.analysers) {
      analyser.getFloatTimeDomainData(this.samples);
      peak = Math.max(peak, largest(this.samples.subarray(METER_SAMPLES - n)));
    }
    return peak;
  }
}

/** Levels and pans of all strips and their sum, as nodes of one audio context. */
class Mix {
  constructor(context, strips) {
    this.context = context;
    this.master = new GainNode(context);
    this.master.connect(context.destination);
    this.channels = strips.map((strip) => this.newChannel(strip));
  }

  newChannel({ choices }) {
    const { context } = this;
    const inputs = new Map(choices.map((name) => [name, new GainNode(context)]));
    const level = new GainNode(context);
    // explicit stereo: a mono track in the centre keeps its level, as a stereo one does
    const stereo = { channelCount: 2, channelCountMode: "explicit" };
    const panner = new StereoPannerNode(context, stereo);
    for (const input of inputs.values()) input.connect(level);
    level.connect(panner).connect(this.master);
    return { inputs, level, panner };
  }

  /** Set all nodes; `corrections` holds each track's factor. */
  apply({ strips, masterDb, corrections }, seconds) {
    const set = (param, value) => glide(this.context, param, value, seconds);
    set(this.master.gain, dbToGain(masterDb));
    strips.forEach((strip, i) => {
      const { inputs, level, panner } = this.channels[i];
      set(level.gain, effectiveGain(strips, i));
      set(panner.pan, strip.pan);
      for (const [name, input] of inputs) {
        set(input.gain, strip.shows === name ? corrections.get(name) : 0);
      }
    });
  }

  /** Meters of strips and master, only where somebody looks. */
  addMeters() {
    this.meters = this.channels.map((channel) => new Meter(channel.panner));
    this.masterMeter = new Meter(this.master);
  }
}

/** One buffer sounding once, with a fade at either end. */
class Voice {
  constructor(buffer, input, when, position, rate, fade) {
    const { context } = input;
    this.when = when;
    this.ends = Infinity;
    this.source = new AudioBufferSourceNode(context, { buffer, playbackRate: rate });
    const enter = new GainNode(context);
    this.leave = new GainNode(context);
    this.source.connect(enter).connect(this.leave).connect(input);
    this.source.onended = () => this.leave.disconnect();
    this.source.start(when, position);
    if (fade) enter.gain.setValueCurveAtTime(fade.in, when, fade.seconds);
  }

  /** Fade out from `when` on, unless it does so earlier anyway. */
  end(when, fade) {
    if (this.ends <= when) return;
    this.ends = when;
    if (when <= this.when) {
      this.source.stop();
      this.leave.disconnect();
      return;
    }
    this.leave.gain.cancelScheduledValues(0);
    this.leave.gain.setValueAtTime(1, this.when);
    this.leave.gain.setValueCurveAtTime(fade.out, when, fade.seconds);
    this.source.stop(when + fade.seconds);
  }
}

/** What sounds when: runs of all buffers, each started at one sample; seams of the loop. */
class Transport {
  /** `sources()` gives [{buffer, input}]; times are seconds into the buffers. */
  constructor(context, sources, duration) {
    Object.assign(this, { context, sources, duration, runs: [], loop: null, rate: 1 });
  }

  /** Go on from a position, at `when` of the context's clock; what sounds fades over to it. */
  start(position, when, fade) {
    const first = this.runs.length === 0;
    for (const run of this.runs) this.endRun(run, when, fade);
    this.runs = this.runs.filter((run) => run.when < when);
    this.landing = when;
    this.begin(position, when, first && position === 0 ? null : fade);
    this.schedule(when + AHEAD);
  }

  begin(position, when, fade) {
    const from = toSample(clamp(position, 0, this.duration), this.context.sampleRate);
    const voices = this.sources().map(
      ({ buffer, input }) => new Voice(buffer, input, when, from, this.rate, fade),
    );
    this.runs.push({ when, position: from, rate: this.rate, voices });
  }

  endRun(run, when, fade) {
    for (const voice of run.voices) voice.end(when, fade);
  }

  /** Prepare the loop's seams up to a time of the context's clock. */
  schedule(until) {
    if (!this.loop) return;
    for (;;) {
      const run = this.runs.at(-1);
      const seam = run.when + (this.loop[1] - run.position) / run.rate;
      if (run.position >= this.loop[1] || seam > until) return;
      const when = toSample(seam, this.context.sampleRate);
      // a loop up to the very end has nothing left to fade out over: fade before
      const end = run.when + (this.duration - run.position) / run.rate - JUMP_FADE.seconds;
      this.begin(this.loop[0], when, JUMP_FADE);
      this.endRun(run, Math.max(run.when, Math.min(when, end)), JUMP_FADE);
    }
  }

  /** Position at a time of the context's clock; until a jump has landed, where it goes. */
  position(at = this.context.currentTime) {
    const time = Math.max(at, this.landing);
    const run = this.runs.findLast((r) => r.when <= time);
    return clamp(run.position + (time - run.when) * run.rate, 0, this.duration);
  }

  /** Forget what has faded out. */
  prune() {
    const now = this.context.currentTime;
    this.runs = this.runs.filter((run) => run.voices.some((v) => v.ends + 1 > now));
  }

  /** Fade out now and forget all. */
  stop() {
    for (const run of this.runs) this.endRun(run, this.context.currentTime, SMOOTH_FADE);
    this.runs = [];
  }
}

// --- Page ----------------------------------------------------------------------------------

/** Slider that says its value; a double click sets it back to 0. */
function slider(className, label, [low, high, step], toText, onInput) {
  const attributes = { type: "range", min: low, max: high, step, "aria-label": label };
  const input = make("input", className, attributes);
  input.addEventListener("input", () => onInput(Number(input.value)));
  input.addEventListener("dblclick", () => onInput(0));
  const show = (value) => {
    if (Number(input.value) !== value) input.value = value;
    input.setAttribute("aria-valuetext", toText(value));
    input.title = `${label}: ${toText(value)} (double click: ${toText(0)})`;
    input.style.setProperty("--fill", `${(100 * (value - low)) / (high - low)}%`);
  };
  return { input, show };
}

/** Lowest and highest samples of a buffer's columns from `first` up to `last`. */
function columns(buffer, first = 0, last = PEAK_COLUMNS) {
  const channels = [0, buffer.numberOfChannels - 1].map((c) => buffer.getChannelData(c));
  return mergePeaks(channels.map((samples) => peaks(samples, PEAK_COLUMNS, first, last)));
}

/** What is kept of a track that has come whole, scaled by `gain`. */
function wholeTrack(buffer, gain) {
  const wave = columns(buffer);
  return { gain, buffer, peaks: wave, peak: largest(wave) };
}

/** The same of a track in which a piece, scaled by `gain`, is new from sample `first` on. */
function withPiece(track, piece, first, gain) {
  const buffer = patched(track.buffer, piece, first, track.gain / gain);
  const [from, to] = touched(first, first + piece.length, buffer.length, PEAK_COLUMNS);
  const wave = track.peaks.slice();
  wave.set(columns(buffer, from, to), 2 * from);
  return { gain: track.gain, buffer, peaks: wave, peak: largest(wave) };
}

// Of several views of one mixer, the one used last sounds; the others follow its playhead.
let leader = null;

class MixerView {
  constructor(model, el) {
    this.model = model;
    this.tracks = new Map(); // name to {version, gain, buffer, peaks, peak}
    this.arrivals = new Map(); // name to {version, whole, done} of what came last, decoded or not yet
    this.running = false;
    this.lastLoop = null;
    this.clip = 0;
    this.levels = [];
    this.listeners = [];
    this.build(el);
    this.listen();
    this.show();
    this.ask();
    el.mssvizMixer = this.forTests();
  }

  // --- state

  get strips() {
    return this.model.get("strips");
  }

  get first() {
    return this.model.get("offset");
  }

  get last() {
    return this.first + this.model.get("duration");
  }

  get names() {
    return this.strips.flatMap((strip) => strip.choices);
  }

  get ready() {
    return this.names.every((name) => this.tracks.has(name));
  }

  /** Playhead in song time. */
  get now() {
    return this.running ? this.first + this.transport.position() : this.model.get("time");
  }

  /** Set traits; sent within a tenth of a second. */
  set(values, { atOnce = false } = {}) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    if (atOnce) this.save();
    else this.saving ??= setTimeout(() => this.save(), TICK_MS);
  }

  save() {
    clearTimeout(this.saving);
    this.saving = null;
    this.model.save_changes();
  }

  setStrip(index, changes, options) {
    const strips = this.strips.map((s, i) => (i === index ? { ...s, ...changes } : s));
    this.set({ strips }, options);
  }

  // --- sound

  settings() {
    const common = this.model.get("common_gain");
    const factor = (name) => (this.tracks.has(name) ? common / this.tracks.get(name).gain : 0);
    return {
      strips: this.strips,
      masterDb: this.model.get("master_db"),
      corrections: new Map(this.names.map((name) => [name, factor(name)])),
    };
  }

  /** All buffers with the inputs of a mix that they go to. */
  sourcesFor(mix) {
    return mix.channels.flatMap(({ inputs }) =>
      [...inputs].map(([name, input]) => ({ buffer: this.tracks.get(name).buffer, input })),
    );
  }

  ensureContext() {
    if (this.context) return;
    this.context = new AudioContext({ sampleRate: this.model.get("sample_rate") });
    this.mix = new Mix(this.context, this.strips);
    this.mix.addMeters();
    this.mix.apply(this.settings(), 0);
    const duration = this.model.get("duration");
    this.transport = new Transport(this.context, () => this.sourcesFor(this.mix), duration);
    this.context.onstatechange = () => this.showStatus();
  }

  /** Context time, on a sample, that is soon enough and can still be met. */
  soon() {
    return toSample(this.context.currentTime + 0.02, this.context.sampleRate);
  }

  loopInBuffer() {
    const loop = this.model.get("selection");
    const rate = this.model.get("sample_rate");
    return loop?.map((time) => toSample(time - this.first, rate));
  }

  /** Bring what sounds in line with the trait `playing`. */
  syncPlaying() {
    const playing = this.model.get("playing");
    if (playing && !leader) leader = this;
    const wanted = playing && leader === this && this.ready;
    if (wanted && !this.running) this.startSound();
    if (!wanted && this.running) this.stopSound();
    this.showPlaying();
    this.showStatus();
  }

  startSound() {
    this.ensureContext();
    clearTimeout(this.suspending);
    this.context.resume(); // stays pending until a gesture; the clock stands still until then
    this.running = true;
    this.transport.rate = Math.fround(this.model.get("rate"));
    this.transport.loop = this.loopInBuffer();
    this.transport.start(this.target(this.model.get("time")), this.soon(), JUMP_FADE);
    this.ticking = setInterval(() => this.tick(), TICK_MS);
    this.animate();
  }

  stopSound() {
    const time = this.now;
    this.transport.stop();
    this.running = false;
    clearInterval(this.ticking);
    this.suspending = setTimeout(() => this.context.suspend(), 200);
    this.set({ time: clamp(time, this.first, this.last) }, { atOnce: true });
  }

  /** Buffer position for a song time, wrapped into the loop. */
  target(time) {
    return loopPosition(clamp(time, this.first, this.last) - this.first, this.loopInBuffer());
  }

  /** Start anew where the playhead will be in a moment. */
  goOn(fade) {
    const when = this.soon();
    this.transport.start(this.transport.position(when), when, fade);
  }

  tick() {
    this.transport.schedule(this.context.currentTime + AHEAD);
    this.transport.prune();
    const position = this.transport.position();
    if (position >= this.model.get("duration")) {
      this.set({ playing: false, time: this.last }, { atOnce: true });
    } else {
      this.set({ time: this.first + position }, { atOnce: true });
    }
  }

  // --- what the user does

  lead() {
    if (leader === this) return;
    const before = leader;
    leader = this;
    before?.syncPlaying();
    this.syncPlaying();
  }

  togglePlaying() {
    this.lead();
    const playing = !this.model.get("playing");
    const atEnd = this.model.get("time") >= this.last - 0.01;
    const start = this.model.get("selection")?.[0] ?? this.first;
    this.set(playing && atEnd ? { playing, time: start } : { playing }, { atOnce: true });
  }

  seek(time) {
    time = clamp(time, this.first, this.last);
    if (this.running) this.transport.start(this.target(time), this.soon(), JUMP_FADE);
    this.set({ time: this.first + this.target(time) }, { atOnce: true });
  }

  setLoop(loop) {
    if (loop) this.lastLoop = loop;
    this.set({ selection: loop }, { atOnce: true });
  }

  toggleLoop() {
    if (this.model.get("selection")) return this.setLoop(null);
    const start = Math.min(this.now, this.last - SHORTEST_LOOP);
    const ahead = [start, Math.min(start + NEW_LOOP, this.last)];
    return this.setLoop(this.lastLoop ?? ahead);
  }

  /** Move the loop's start (0) or stop (1) to the playhead. */
  loopHere(edge) {
    const [start, stop] = this.model.get("selection") ?? [this.first, this.last];
    const [a, b] = edge === 0 ? [this.now, stop] : [start, this.now];
    const loop = a < b && loopBetween(a, b, this.first, this.last, SHORTEST_LOOP);
    if (loop) this.setLoop(loop);
  }

  toggle(index, flag) {
    if (index < this.strips.length) {
      this.setStrip(index, { [flag]: !this.strips[index][flag] }, { atOnce: true });
    }
  }

  /** Let a strip play one of its choices. */
  compare(index, shows) {
    this.setStrip(index, { shows }, { atOnce: true });
  }

  compareNext(index) {
    const strip = this.strips[index];
    this.compare(index, strip.choices[nextChoice(strip)]);
  }

  /** The next choice on all strips at once, counted on the first of those with most of them. */
  compareAll() {
    const most = Math.max(...this.strips.map((strip) => strip.choices.length));
    const leading = this.strips.find((strip) => strip.choices.length === most);
    this.set({ strips: comparedAt(this.strips, nextChoice(leading)) }, { atOnce: true });
  }

  onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const control = event.target.closest("input, select, button, summary");
    const own = { INPUT: /^(Arrow|Home|End|Page)/, SELECT: /./, BUTTON: /^( |Enter)$/ };
    if (own[control?.tagName]?.test(event.key) || control?.tagName === "SUMMARY") return;
    if (this.actOnKey(event)) event.preventDefault();
  }

  /** Do what a key stands for; false if it stands for nothing. */
  actOnKey({ key, shiftKey }) {
    const index = this.rows.findIndex((row) => row.group.contains(document.activeElement));
    const step = shiftKey ? 5 : 1;
    const actions = {
      " ": () => this.togglePlaying(),
      ArrowLeft: () => this.seek(this.now - step),
      ArrowRight: () => this.seek(this.now + step),
      ArrowUp: () => this.focusStrip(index < 0 ? 0 : nearestStrip(index, -1, this.rows.length)),
      ArrowDown: () => this.focusStrip(index < 0 ? 0 : nearestStrip(index, 1, this.rows.length)),
      Home: () => this.seek(this.first),
      End: () => this.seek(this.last),
      l: () => this.toggleLoop(),
      "[": () => this.loopHere(0),
      "]": () => this.loopHere(1),
      m: () => index >= 0 && this.toggle(index, "muted"),
      b: () => (shiftKey ? this.compareAll() : index >= 0 && this.compareNext(index)),
    };
    const name = key.length === 1 ? key.toLowerCase() : key;
    if (/^[1-9]$/.test(key)) this.toggle(Number(key) - 1, "solo");
    else if (!(name in actions)) return false;
    else actions[name]();
    return true;
  }

  focusStrip(index) {
    this.rows[index].group.focus();
  }

  /** Click seeks, drag loops, on a lane whose width is the tracks' length. */
  listenToLane(lane) {
    let from = null;
    let dragging = false;
    const timeAt = (x) => {
      const box = lane.getBoundingClientRect();
      return this.first + clamp((x - box.left) / box.width, 0, 1) * this.model.get("duration");
    };
    const dragged = (x) =>
      loopBetween(timeAt(from), timeAt(x), this.first, this.last, SHORTEST_LOOP);
    lane.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = event.clientX;
      dragging = false;
      lane.setPointerCapture(event.pointerId);
    });
    lane.addEventListener("pointermove", ({ clientX }) => {
      if (from === null) return;
      dragging ||= Math.abs(clientX - from) > DRAG_PX;
      if (dragging) this.placeLoop(dragged(clientX));
    });
    lane.addEventListener("pointerup", ({ clientX }) => {
      if (from === null) return;
      const loop = dragging && dragged(clientX);
      if (loop) this.setLoop(loop);
      else if (!dragging) this.seek(timeAt(clientX));
      this.placeLoop(this.model.get("selection"));
      from = null;
    });
    lane.addEventListener("pointercancel", () => {
      from = null;
      this.placeLoop(this.model.get("selection"));
    });
  }

  // --- elements

  build(el) {
    const attributes = { role: "region", "aria-label": "Mixer", tabindex: "0" };
    this.root = make("div", "mssviz-mixer", attributes);
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    keepKeys(this.root);
    // a gesture is what the browser may have been waiting for
    this.root.addEventListener("pointerdown", () => this.running && this.context.resume());
    this.rows = this.strips.map((strip, i) => this.buildStrip(strip, i));
    this.status = make("span", "mssviz-mixer-status", { role: "status" });
    const help = make("details", "mssviz-mixer-help", {}, make("summary", "", {}, "Keys"), KEYS);
    this.foot = make("div", "mssviz-mixer-foot", {}, this.status, help);
    const strips = this.rows.map((row) => row.group);
    this.root.append(this.buildBar(), this.buildRuler(), ...strips, this.foot);
    this.playheads = [...this.root.querySelectorAll(".mssviz-mixer-playhead")];
    this.loops = [...this.root.querySelectorAll(".mssviz-mixer-loop")];
    el.append(this.root);
    this.resizing = new ResizeObserver(() => this.onResize());
    this.resizing.observe(this.ruler);
  }

  buildBar() {
    this.playButton = button("mssviz-mixer-play", "Play", () => this.togglePlaying());
    const home = button("", "To the start", () => this.seek(this.first), icon(START_ICON));
    this.clock = make("span", "mssviz-mixer-clock");
    this.loopText = make("span", "mssviz-mixer-loop-text");
    this.loopButton = button("", "Loop", () => this.toggleLoop(), icon(LOOP_ICON), this.loopText);
    this.rateMenu = make("select", "", { "aria-label": "Speed; the pitch follows it" });
    this.rateMenu.title = "Speed; the pitch follows it";
    this.rateMenu.addEventListener("change", () => {
      this.set({ rate: Number(this.rateMenu.value) }, { atOnce: true });
    });
    const left = [this.playButton, home, this.clock, this.loopButton, this.rateMenu];
    return make("div", "mssviz-mixer-bar", {}, ...left, this.buildMaster());
  }

  buildMaster() {
    const range = [SILENCE_DB, MAX_DB, 0.5];
    const onInput = (db) => this.set({ master_db: db });
    this.master = slider("mssviz-mixer-fader", "Master level", range, formatDb, onInput);
    this.masterText = make("span", "mssviz-mixer-value");
    this.masterMeter = make("div", "mssviz-mixer-meter-bar");
    const meter = make("div", "mssviz-mixer-meter mssviz-mixer-across", {}, this.masterMeter);
    this.clipButton = button("mssviz-mixer-clip", "", () => this.resetClip());
    const attributes = { role: "group", "aria-label": "Master" };
    const label = make("span", "", {}, "Master");
    const parts = [label, this.master.input, this.masterText, meter, this.clipButton];
    return make("div", "mssviz-mixer-master", attributes, ...parts);
  }

  buildLane(label) {
    const lane = make("div", "mssviz-mixer-lane", { title: label });
    lane.append(
      make("canvas", ""),
      make("div", "mssviz-mixer-loop"),
      make("div", "mssviz-mixer-playhead"),
    );
    this.listenToLane(lane);
    return lane;
  }

  buildRuler() {
    this.ruler = this.buildLane("Click to seek, drag to loop");
    this.ruler.classList.add("mssviz-mixer-ruler");
    const range = { "aria-valuemin": this.first, "aria-valuemax": this.last };
    const attributes = { role: "slider", "aria-label": "Position", tabindex: "0", ...range };
    for (const [name, value] of Object.entries(attributes)) this.ruler.setAttribute(name, value);
    this.ticks = make("div", "mssviz-mixer-ticks");
    this.ruler.querySelector("canvas").replaceWith(this.ticks);
    return make("div", "mssviz-mixer-top", {}, this.ruler);
  }

  buildStrip(strip, i) {
    const row = { lane: this.buildLane("Click to seek, drag to loop") };
    const heard = make("span", "mssviz-mixer-heard");
    const name = make("span", "mssviz-mixer-name", { title: strip.name }, strip.name, heard);
    const toggle = (className, verb, flag) =>
      button(className, `${verb} ${strip.name}`, () => this.toggle(i, flag), verb[0]);
    const mute = toggle("mssviz-mixer-mute", "Mute", "muted");
    const solo = toggle("mssviz-mixer-solo", "Solo", "solo");
    const onGain = (db) => this.setStrip(i, { gain_db: db });
    const range = [SILENCE_DB, MAX_DB, 0.5];
    const level = `Level of ${strip.name}`;
    const gain = slider("mssviz-mixer-fader", level, range, formatDb, onGain);
    const onPan = (pan) => this.setStrip(i, { pan });
    const panning = `Pan of ${strip.name}`;
    const pan = slider("mssviz-mixer-pan", panning, [-1, 1, 0.05], formatPan, onPan);
    const value = make("span", "mssviz-mixer-value");
    const bar = make("div", "mssviz-mixer-meter-bar");
    const meter = make("div", "mssviz-mixer-meter", {}, bar);
    const buttons = make("div", "mssviz-mixer-buttons", {}, mute, solo);
    if (strip.choices.length > 1) buttons.prepend(this.buildCompare(strip, i, row));
    const side = (letter) => make("span", "mssviz-mixer-side", { "aria-hidden": "true" }, letter);
    const controls = [gain.input, value, side("L"), pan.input, side("R")];
    const faders = make("div", "mssviz-mixer-faders", {}, ...controls);
    const head = make("div", "mssviz-mixer-head", {}, name, buttons);
    const panel = make("div", "mssviz-mixer-panel", {}, head, faders);
    const attributes = { role: "group", "aria-label": strip.name, tabindex: "0" };
    const group = make("div", "mssviz-mixer-strip", attributes, panel, meter, row.lane);
    return Object.assign(row, { group, heard, mute, solo, gain, pan, value, bar });
  }

  buildCompare(strip, i, row) {
    row.compare = strip.choices.map((name, k) => {
      const letter = String.fromCharCode("A".charCodeAt(0) + k);
      const element = button("", `${letter}: ${name}`, () => this.compare(i, name), letter);
      return { name, element };
    });
    const attributes = { role: "group", "aria-label": `Compare ${strip.name}` };
    const elements = row.compare.map(({ element }) => element);
    return make("span", "mssviz-mixer-compare", attributes, ...elements);
  }

  // --- showing

  show() {
    this.showStrips();
    this.showMaster();
    this.showLoop();
    this.showRate();
    this.showCommonGain();
    this.showTime();
    this.resetClip();
    this.syncPlaying();
  }

  showStrips() {
    this.strips.forEach((strip, i) => {
      const row = this.rows[i];
      row.group.style.setProperty("--strip", strip.color);
      press(row.mute, strip.muted);
      press(row.solo, strip.solo);
      row.gain.show(strip.gain_db);
      row.value.textContent = formatDb(strip.gain_db);
      row.pan.show(strip.pan);
      row.group.classList.toggle("mssviz-mixer-silent", effectiveGain(this.strips, i) === 0);
      row.heard.textContent = strip.shows === strip.name ? "" : ` → ${strip.shows}`;
      for (const { name, element } of row.compare ?? []) press(element, strip.shows === name);
      this.drawWave(i);
    });
  }

  showMaster() {
    const db = this.model.get("master_db");
    this.master.show(db);
    this.masterText.textContent = formatDb(db);
  }

  showPlaying() {
    const playing = this.model.get("playing");
    const label = playing ? "Pause" : "Play";
    this.playButton.replaceChildren(icon(ICONS[label.toLowerCase()]));
    this.playButton.setAttribute("aria-label", label);
    this.playButton.title = `${label} (space)`;
    this.playButton.disabled = !this.ready;
  }

  showLoop() {
    const loop = this.model.get("selection");
    this.loopText.textContent = loop ? `${formatTime(loop[0])} – ${formatTime(loop[1])}` : "Loop";
    press(this.loopButton, Boolean(loop));
    this.placeLoop(loop);
  }

  placeLoop(loop) {
    const share = (time) => (100 * (time - this.first)) / this.model.get("duration");
    for (const element of this.loops) {
      element.hidden = !loop;
      if (!loop) continue;
      element.style.left = `${share(loop[0])}%`;
      element.style.width = `${share(loop[1]) - share(loop[0])}%`;
    }
  }

  showRate() {
    const rate = this.model.get("rate");
    const rates = RATES.includes(rate) ? RATES : [...RATES, rate].sort((a, b) => a - b);
    const options = rates.map((r) => make("option", "", { value: r }, `${Number(r.toFixed(2))}×`));
    this.rateMenu.replaceChildren(...options);
    this.rateMenu.value = String(rate);
  }

  showCommonGain() {
    this.mix?.apply(this.settings(), SWITCH_SECONDS);
    this.strips.forEach((_, i) => this.drawWave(i));
    this.showStatus();
  }

  showTime() {
    const now = this.now;
    const text = `${formatTime(now)} / ${formatTime(this.last)}`;
    if (this.clock.textContent !== text) {
      this.clock.textContent = text;
      this.ruler.setAttribute("aria-valuenow", now.toFixed(1));
      this.ruler.setAttribute("aria-valuetext", text.replace("/", "of"));
    }
    const share = clamp((now - this.first) / this.model.get("duration"), 0, 1);
    const shift = `translateX(${(share * this.ruler.clientWidth).toFixed(1)}px)`;
    for (const element of this.playheads) element.style.transform = shift;
  }

  showStatus() {
    const loaded = this.names.filter((name) => this.tracks.has(name)).length;
    const common = this.model.get("common_gain");
    const notes = [];
    if (this.failure) notes.push(this.failure);
    else if (loaded < this.names.length) {
      notes.push(`Waiting for audio from the kernel: ${loaded} of ${this.names.length} tracks.`);
    }
    if (this.running && this.context.state !== "running") {
      notes.push("Click here to hear it: the browser plays sound only after a click.");
    }
    if (common < 1) {
      const by = formatDb(gainToDb(common));
      notes.push(`All tracks ${by}, so that none exceeds full scale; relative levels are true.`);
    } else notes.push("Levels are true, not normalised.");
    this.status.textContent = notes.join(" ");
  }

  resetClip() {
    this.clip = 0;
    this.clipButton.textContent = "no clipping";
    this.clipButton.setAttribute("aria-label", "The sum has not clipped");
    this.clipButton.title = "The sum has not exceeded full scale";
    this.clipButton.classList.remove("mssviz-mixer-clipped");
  }

  showClip(peak) {
    if (peak <= Math.max(1, this.clip)) return;
    this.clip = peak;
    const over = gainToDb(peak);
    this.clipButton.textContent = `clips ${formatDb(over)}`;
    this.clipButton.classList.add("mssviz-mixer-clipped");
    const label = `The sum exceeds full scale by ${over.toFixed(1)} dB; lower the master. Reset`;
    this.clipButton.setAttribute("aria-label", label);
    this.clipButton.title = label;
  }

  /** Frames while sound is playing, and until the meters have fallen. */
  animate() {
    cancelAnimationFrame(this.frame);
    this.showTime();
    this.showMeters();
    if (this.running || this.levels.some((level) => level > 0.01)) {
      this.frame = requestAnimationFrame(() => this.animate());
    }
  }

  showMeters() {
    const sounding = this.context.state === "running";
    const peaksNow = [...this.mix.meters, this.mix.masterMeter].map((meter) =>
      sounding ? meter.peak(2048) : 0,
    );
    if (sounding) this.showClip(this.mix.masterMeter.peak());
    const bars = [...this.rows.map((row) => row.bar), this.masterMeter];
    bars.forEach((bar, i) => {
      const level = Math.max(meterLevel(peaksNow[i]), (this.levels[i] ?? 0) * METER_FALL);
      this.levels[i] = level < 0.01 ? 0 : level;
      bar.style.setProperty("--level", this.levels[i].toFixed(3));
    });
  }

  onResize() {
    this.strips.forEach((_, i) => this.drawWave(i));
    this.drawTicks();
    this.showTime();
  }

  drawTicks() {
    const most = Math.max(2, Math.floor(this.ruler.clientWidth / 70));
    const times = timeTicks(this.first, this.last, most);
    const decimals = times.length > 1 && times[1] - times[0] < 1 ? 1 : 0;
    const labels = times.map((time) => {
      const label = make("span", "", {}, formatTime(time, decimals));
      label.style.left = `${(100 * (time - this.first)) / this.model.get("duration")}%`;
      return label;
    });
    // a label that would stick out on the right is left off
    const room = 1 - 40 / Math.max(1, this.ruler.clientWidth);
    const fits = (_, i) => (times[i] - this.first) / this.model.get("duration") < room;
    this.ticks.replaceChildren(...labels.filter(fits));
  }

  /** Factor from a track's samples to its height, the same for all tracks. */
  heightOf(name) {
    const common = this.model.get("common_gain");
    const level = (track) => common / track.gain;
    const highest = Math.max(1e-6, ...[...this.tracks.values()].map((t) => t.peak * level(t)));
    return level(this.tracks.get(name)) / highest;
  }

  drawWave(i) {
    const { shows: name, color } = this.strips[i];
    const canvas = this.rows[i].lane.querySelector("canvas");
    const { clientWidth, clientHeight } = canvas;
    if (!this.tracks.has(name) || !clientWidth) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    Object.assign(canvas, { width, height });
    const paint = canvas.getContext("2d");
    paint.fillStyle = color;
    const wave = this.tracks.get(name).peaks;
    const scale = (this.heightOf(name) * (height - 2 * ratio)) / 2;
    const n = wave.length / 2;
    for (let x = 0; x < width; x++) {
      let [low, high] = [0, 0];
      const stop = Math.max(Math.floor((x * n) / width) + 1, Math.floor(((x + 1) * n) / width));
      for (let j = Math.floor((x * n) / width); j < stop; j++) {
        low = Math.min(low, wave[2 * j]);
        high = Math.max(high, wave[2 * j + 1]);
      }
      const top = height / 2 - high * scale;
      paint.fillRect(x, top, 1, Math.max(ratio, (high - low) * scale));
    }
  }

  // --- messages and traits

  listen() {
    const on = (event, callback) => {
      this.model.on(event, callback);
      this.listeners.push([event, callback]);
    };
    on("msg:custom", (content, buffers) => this.onMessage(content, buffers));
    on("change:playing", () => this.syncPlaying());
    on("change:time", () => this.onTime());
    on("change:selection", () => this.onLoop());
    on("change:rate", () => this.onRate());
    on("change:strips", () => {
      this.mix?.apply(this.settings(), SWITCH_SECONDS);
      this.showStrips();
    });
    on("change:master_db", () => {
      this.mix?.apply(this.settings(), SWITCH_SECONDS);
      this.showMaster();
    });
    on("change:common_gain", () => this.showCommonGain());
  }

  onTime() {
    const time = this.model.get("time");
    if (!this.running) this.showTime();
    else if (Math.abs(time - this.now) > SEEK_TOLERANCE) {
      this.transport.start(this.target(time), this.soon(), JUMP_FADE);
    }
  }

  onLoop() {
    this.showLoop();
    if (!this.running) return;
    const loop = this.loopInBuffer();
    this.transport.loop = loop;
    const position = this.transport.position();
    const inside = !loop || (loop[0] <= position && position < loop[1]);
    if (inside) this.goOn(SMOOTH_FADE);
    else this.transport.start(loop[0], this.soon(), JUMP_FADE);
  }

  onRate() {
    this.showRate();
    if (!this.running) return;
    this.transport.rate = Math.fround(this.model.get("rate"));
    this.goOn(SMOOTH_FADE);
  }

  onMessage(content, buffers) {
    if (content.kind === "seek" && (this.running || !this.model.get("playing"))) {
      if (Math.abs(this.now - content.time) > 1e-3) this.seek(content.time);
    }
    if (content.kind === "audio" || content.kind === "piece") this.receive(content, buffers[0]);
  }

  /** Ask for all audio that has not come. */
  ask() {
    const have = {};
    for (const [name, { version }] of this.arrivals) have[name] = version;
    this.model.send({ kind: "ask", have });
  }

  /** Ask for a track anew, whole. */
  askAgain(name) {
    this.arrivals.delete(name);
    this.ask();
  }

  /** Decode what has come; pieces of a track take effect after it and in their order. */
  receive(content, data) {
    const { kind, name, version } = content;
    const before = this.arrivals.get(name);
    if (version <= before?.version) return;
    const piece = kind === "piece";
    if (piece && !before) return; // the whole track is on its way
    const whole = piece ? before.whole : version;
    const decoding = decode(data, this.model.get("sample_rate"));
    const done = Promise.allSettled([decoding, piece && before.done]).then(([result]) => {
      const superseded = this.arrivals.get(name)?.whole !== whole;
      if (!this.closed && !superseded) this.take(content, result);
    });
    this.arrivals.set(name, { version, whole, done });
  }

  /** Take decoded audio in; ask for the whole track if a piece does not fit what is here. */
  take({ kind, name, version, gain, first }, { value: buffer, reason }) {
    const track = this.tracks.get(name);
    if (kind === "piece") {
      if (!buffer || track?.version !== version - 1) this.askAgain(name);
      else this.tracks.set(name, { version, ...withPiece(track, buffer, first, gain) });
    } else if (buffer) this.tracks.set(name, { version, ...wholeTrack(buffer, gain) });
    else this.failure = `The browser cannot decode ${name}: ${reason.message}`;
    this.onTrack();
  }

  onTrack() {
    this.strips.forEach((_, i) => this.drawWave(i)); // all: they share one height
    // stems that changed together are heard together: one cross-fade for all that come at once
    this.joining ??= setTimeout(() => this.takeUp(), this.running ? JOIN_MS : 0);
    this.syncPlaying();
  }

  /** Play what has arrived. */
  takeUp() {
    this.joining = null;
    this.mix?.apply(this.settings(), 0);
    if (this.running) this.goOn(REPLACE_FADE);
  }

  // --- end

  close() {
    this.closed = true;
    if (this.running) {
      this.stopSound();
      this.set({ playing: false }, { atOnce: true });
    }
    if (leader === this) leader = null;
    for (const [event, callback] of this.listeners) this.model.off(event, callback);
    for (const timer of [this.saving, this.suspending, this.joining]) clearTimeout(timer);
    clearInterval(this.ticking);
    cancelAnimationFrame(this.frame);
    this.resizing.disconnect();
    this.context?.close();
    this.root.remove();
  }

  /** What tests look at: the context, and the mix rendered offline. */
  forTests() {
    const view = this;
    return {
      get context() {
        return view.context ?? null;
      },
      get position() {
        return view.now;
      },
      get ready() {
        return view.ready;
      },
      /** Version of each track's audio, counted up by Python. */
      get versions() {
        return Object.fromEntries([...view.tracks].map(([name, { version }]) => [name, version]));
      },
      /** Largest magnitudes of the last 185 ms: of the strips, then of the sum. */
      get peaks() {
        return [...view.mix.meters, view.mix.masterMeter].map((meter) => meter.peak());
      },
      /** Samples of both channels from a song time on; loops if `loop`. */
      render: (seconds, start = view.first, loop = false) => view.render(seconds, start, loop),
    };
  }

  async render(seconds, start, loop) {
    const rate = this.model.get("sample_rate");
    const context = new OfflineAudioContext(2, Math.round(seconds * rate), rate);
    const mix = new Mix(context, this.strips);
    mix.apply(this.settings(), 0);
    const duration = this.model.get("duration");
    const transport = new Transport(context, () => this.sourcesFor(mix), duration);
    transport.loop = loop ? this.loopInBuffer() : null;
    transport.rate = Math.fround(this.model.get("rate"));
    transport.begin(start - this.first, 0, null);
    transport.schedule(seconds);
    const sound = await context.startRendering();
    return [sound.getChannelData(0), sound.getChannelData(1)];
  }
}

/** Show the mixer in `el`; gives back what removes it. */
function render({ model, el }) {
  const view = new MixerView(model, el);
  return () => {
    view.close();
    delete el.mssvizMixer;
  };
}

export default { render };
