// The desk: the mixer's state as Python holds it, and what people set on it.

import { loopAt, loopBetween } from "../loop.js";
import { clamp, comparedAt, nextChoice } from "../timeline.js";

const SHORTEST_LOOP = 0.1; // s, as in Python
const NEW_LOOP = 4; // s

/** Traits of the model, in song time and decibels. */
export class Desk {
  constructor(widget) {
    this.widget = widget;
    /** What is looped or was last, wherever it was chosen. */
    this.lastLoop = this.get("selection");
    widget.onModel("change:selection", () => {
      this.lastLoop = this.get("selection") ?? this.lastLoop;
    });
    /** Index of the strip that keys change, and whether a person has chosen it. */
    this.chosen = this.firstHeard;
    this.isChosen = false;
  }

  /** Index of the first strip that is heard. */
  get firstHeard() {
    return Math.max(
      this.strips.findIndex(({ muted }) => !muted),
      0,
    );
  }

  /** What all views of one mixer have in common: each of them has a model object of its own. */
  get owner() {
    return this.get("layout") ?? this.widget.model;
  }

  get(name) {
    return this.widget.model.get(name);
  }

  get strips() {
    return this.get("strips");
  }

  /** Names of all tracks, whether they are played or not. */
  get names() {
    return this.strips.flatMap((strip) => strip.choices);
  }

  /** Song time at which the tracks start. */
  get first() {
    return this.get("offset");
  }

  get duration() {
    return this.get("duration");
  }

  /** Song time at which the tracks end. */
  get last() {
    return this.first + this.duration;
  }

  /** Place of a song time in what is in view: 0 at the lanes' left edge, 1 at their right. */
  share(time) {
    const [start, stop] = [this.get("start"), this.get("stop")];
    return (time - start) / (stop - start);
  }

  /** Song time at a place in view, within the tracks. */
  timeAt(share) {
    const [start, stop] = [this.get("start"), this.get("stop")];
    return this.clamp(start + share * (stop - start));
  }

  /** What is in view, as parts of the tracks' length: [from, to]. */
  get part() {
    return ["start", "stop"].map((edge) => (this.get(edge) - this.first) / this.duration);
  }

  /** Song time within the tracks. */
  clamp(time) {
    return clamp(time, this.first, this.last);
  }

  save(values) {
    this.widget.save(values);
  }

  // --- strips

  changed(index, changes) {
    return this.strips.map((strip, i) => (i === index ? { ...strip, ...changes } : strip));
  }

  /** Move a fader of a strip. */
  move(index, changes) {
    this.widget.saveSoon({ strips: this.changed(index, changes) });
  }

  moveMaster(db) {
    this.widget.saveSoon({ master_db: db });
  }

  /** Switch "muted" or "solo" of a strip, if there is such a strip. */
  toggle(index, flag) {
    if (index >= this.strips.length) return;
    this.save({ strips: this.changed(index, { [flag]: !this.strips[index][flag] }) });
  }

  /** Let a strip play one of its choices. */
  compare(index, shows) {
    this.save({ strips: this.changed(index, { shows }) });
  }

  compareNext(index) {
    const strip = this.strips[index];
    this.compare(index, strip.choices[nextChoice(strip)]);
  }

  /** The next choice on all strips at once, counted on the first of those with most of them. */
  compareAll() {
    const most = Math.max(...this.strips.map((strip) => strip.choices.length));
    const leading = this.strips.find((strip) => strip.choices.length === most);
    this.save({ strips: comparedAt(this.strips, nextChoice(leading)) });
  }

  // --- loop

  /** Loop between two song times in any order; null if they are too close. */
  loopBetween(a, b) {
    return loopBetween(a, b, this.first, this.last, SHORTEST_LOOP);
  }

  setLoop(loop) {
    this.save({ selection: loop });
  }

  /** Loop no more; or what was looped last, or a few seconds from the playhead on. */
  toggleLoop(now) {
    if (this.get("selection")) {
      this.setLoop(null);
      return;
    }
    const start = Math.max(this.first, Math.min(now, this.last - SHORTEST_LOOP));
    const again = this.lastLoop ?? [start, start + NEW_LOOP];
    const within = this.loopBetween(...again);
    if (within) this.setLoop(within);
  }

  /** Move the loop's start (0) or stop (1) to the playhead. */
  loopHere(edge, now) {
    const before = this.get("selection");
    const loop = loopAt(edge, now, before, this.first, this.last, SHORTEST_LOOP);
    if (loop) this.setLoop(loop);
  }
}
