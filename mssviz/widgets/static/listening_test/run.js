// All sounds of a trial running together, so that a switch between them keeps the position.

import { glide } from "../sound.js";
import { loopPosition, toSample } from "../timeline.js";

const FADE_SECONDS = 0.02; // between two sounds, and where sound starts and stops
const START_SECONDS = 0.02; // from a click to its sound, so that all sources meet it

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

/** Seconds of the shortest of some buffers. */
export function shortest(buffers) {
  return Math.min(...[...buffers.values()].map((buffer) => buffer.duration));
}

/** All sounds of a trial running from one moment on; one of them is heard. */
export class Run {
  constructor(context, buffers, { position, loop, selected }) {
    this.context = context;
    this.duration = shortest(buffers);
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
