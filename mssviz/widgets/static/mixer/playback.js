// The sound of one view: its audio context, the mix of its strips and the transport that feeds it.

import { toSample } from "../timeline.js";
import { Mix } from "./graph.js";
import { AHEAD, JUMP_FADE, Transport } from "./transport.js";

const SOON = 0.02; // s, after which a start can be met on its sample

/** Plays the tracks as the desk says; needs all of them before it starts. */
export class Playback {
  constructor(desk, tracks) {
    Object.assign(this, { desk, tracks });
  }

  get rate() {
    return Math.fround(this.desk.get("rate"));
  }

  /** The loop in seconds into the buffers, on their samples. */
  get loop() {
    const rate = this.desk.get("sample_rate");
    return this.desk.get("selection")?.map((time) => toSample(time - this.desk.first, rate));
  }

  /** Buffer position for a song time; from one beyond the loop, all is played up to the end. */
  target(time) {
    return this.desk.clamp(time) - this.desk.first;
  }

  /** Seconds into the buffers. */
  get position() {
    return this.transport.position();
  }

  settings() {
    const { desk, tracks } = this;
    return {
      strips: desk.strips,
      masterDb: desk.get("master_db"),
      corrections: new Map(desk.names.map((name) => [name, tracks.correction(name)])),
    };
  }

  /** Bring levels and pans in line with the desk, if there is a mix. */
  adjust(seconds) {
    this.mix?.apply(this.settings(), seconds);
  }

  /** Whether a buffer may still be heard. */
  sounds(buffer) {
    return Boolean(this.transport?.sounds(buffer));
  }

  /** Make what is needed to be heard, once; `onState` hears when the browser lets it run. */
  open(onState) {
    if (this.context) return;
    this.context = new AudioContext({ sampleRate: this.desk.get("sample_rate") });
    this.mix = new Mix(this.context, this.desk.strips);
    this.mix.addMeters();
    this.transport = this.transportInto(this.mix);
    this.context.onstatechange = onState;
  }

  /** A transport of all tracks into the inputs of a mix. */
  transportInto(mix) {
    const sources = () =>
      mix.inputs.map(([name, input]) => ({ buffer: this.tracks.get(name).buffer, input }));
    const transport = new Transport(mix.context, sources, this.desk.duration);
    transport.rate = this.rate;
    return transport;
  }

  start(position) {
    this.adjust(0);
    this.transport.rate = this.rate;
    this.transport.loop = this.loop;
    this.jump(position);
  }

  /** Context time, on a sample, that is soon enough and can still be met. */
  soon() {
    return toSample(this.context.currentTime + SOON, this.context.sampleRate);
  }

  jump(position) {
    this.transport.start(position, this.soon(), JUMP_FADE);
  }

  /** Start anew where the playhead will be in a moment. */
  goOn(fade) {
    const when = this.soon();
    this.transport.start(this.transport.position(when), when, fade);
  }

  /** Prepare what comes next, and forget what is over. */
  tick() {
    this.transport.schedule(this.context.currentTime + AHEAD);
    this.transport.prune();
  }

  /** Samples of both channels from a song time on; of the loop if `looped`. For tests. */
  async render(seconds, start, looped) {
    const rate = this.desk.get("sample_rate");
    const context = new OfflineAudioContext(2, Math.round(seconds * rate), rate);
    const mix = new Mix(context, this.desk.strips);
    mix.apply(this.settings(), 0);
    const transport = this.transportInto(mix);
    transport.loop = looped ? this.loop : null;
    transport.begin(start - this.desk.first, 0, null);
    transport.schedule(seconds);
    const sound = await context.startRendering();
    return [sound.getChannelData(0), sound.getChannelData(1)];
  }
}
