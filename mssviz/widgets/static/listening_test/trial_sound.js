// The sound of a trial: what has arrived, what plays, where, and for how long it has been heard.

import { beginToSound, decode, onOtherSound } from "../sound.js";
import { clamp } from "../timeline.js";
import { Run, shortest, taper } from "./run.js";

const TAPER_SECONDS = 0.01; // at a sound's ends, so that the loop's seam does not click
const TICK_MS = 50;
const FADING_MS = 200; // until the context may sleep
const REPORT_SECONDS = 5; // of listening, after which Python is told

export class TrialSound {
  /**
   * `onChange` is called when something else is heard or has arrived, `onTime` as time passes,
   * and `onHeard(id, times, seconds)` tells what has been listened to.
   */
  constructor(widget, { onChange, onTime, onHeard }) {
    Object.assign(this, { widget, onChange, onTime, onHeard, loop: true });
    this.suspending = widget.later(() => this.context?.suspend());
    this.open([]);
    onOtherSound(widget, this, () => this.stop());
    widget.onEnd(() => this.close());
  }

  /** Expect the sounds of a trial. */
  open(ids) {
    this.ids = ids;
    this.buffers = new Map();
    this.selected = null;
    this.position = 0;
    this.failure = "";
  }

  get ready() {
    return this.ids.length > 0 && this.buffers.size === this.ids.length;
  }

  get duration() {
    return shortest(this.buffers);
  }

  /** Seconds into the sounds. */
  get now() {
    return this.run ? (this.run.at() ?? this.duration) : this.position;
  }

  get sampleRate() {
    return this.widget.model.get("sample_rate");
  }

  /** Whether a sound is heard just now. */
  hears(id) {
    return Boolean(this.run) && this.selected === id;
  }

  /** Take a sound that has arrived. */
  async receive(id, data) {
    const { buffers } = this;
    if (buffers.has(id)) return;
    const outcome = await this.decode(data).catch((error) => error);
    if (this.widget.closed || buffers !== this.buffers || buffers.has(id)) return;
    if (outcome instanceof AudioBuffer) buffers.set(id, outcome);
    else this.failure = `The browser cannot decode a sound: ${outcome.message}`;
    this.onChange();
  }

  /** Decode, and fade the ends. */
  async decode(data) {
    const buffer = await decode(data, this.sampleRate);
    for (let c = 0; c < buffer.numberOfChannels; c++) {
      taper(buffer.getChannelData(c), Math.round(TAPER_SECONDS * this.sampleRate));
    }
    return buffer;
  }

  /** Hear a sound; what plays goes on at the same position. */
  select(id) {
    if (!this.ready || this.hears(id)) return;
    this.selected = id;
    if (!this.run) {
      this.play();
      return;
    }
    this.run.select(id);
    this.beginHearing();
    this.onChange();
  }

  toggle() {
    if (this.run) this.stop();
    else if (this.ready) this.play();
  }

  play() {
    beginToSound(this);
    this.context ??= new AudioContext({ sampleRate: this.sampleRate });
    this.suspending.drop();
    this.context.resume();
    this.selected ??= this.ids[0];
    this.startRun();
    this.beginHearing();
    this.ticking = setInterval(() => this.tick(), TICK_MS);
    this.onChange();
  }

  startRun() {
    this.run = new Run(this.context, this.buffers, this);
  }

  stop() {
    if (!this.run) return;
    this.position = this.run.at() ?? 0;
    this.run.end();
    this.run = null;
    this.report();
    this.hearing = null;
    clearInterval(this.ticking);
    this.suspending.after(FADING_MS);
    this.onChange();
  }

  seek(position) {
    this.position = clamp(position, 0, Math.max(0, this.duration - 0.01));
    if (this.run) {
      this.run.end();
      this.startRun();
    }
    this.onTime();
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
    this.onTime();
  }

  beginHearing() {
    this.report();
    this.hearing = { id: this.selected, since: this.context.currentTime };
    this.onHeard(this.selected, 1, 0);
  }

  /** Tell how long a sound has been heard since that was last told. */
  report() {
    if (!this.hearing) return;
    const now = this.context.currentTime;
    this.onHeard(this.hearing.id, 0, now - this.hearing.since);
    this.hearing.since = now;
  }

  /** Stop, and give the audio context back. */
  close() {
    this.stop();
    this.context?.close();
    this.context = null;
  }

  /** Left channel of a run that switches to each id at its time, [[seconds, id], …]. For tests. */
  async render(seconds, switches) {
    const rate = this.sampleRate;
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
