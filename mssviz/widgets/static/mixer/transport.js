// What sounds when: buffers started at one sample, faded over at jumps and at the loop's seams.

import { clamp, equalGainFade, equalPowerFade, toSample } from "../timeline.js";

/** Seconds of seams that are scheduled ahead: tabs in the background wake once a second. */
export const AHEAD = 2.5;
// Unrelated sounds meet at seams and jumps (powers sum to 1), alike ones elsewhere (amplitudes).
export const JUMP_FADE = { seconds: 0.015, ...equalPowerFade(64) };
export const SMOOTH_FADE = { seconds: 0.015, ...equalGainFade() };
export const REPLACE_FADE = { seconds: 0.03, ...equalGainFade() };

/** Longest fade, in seconds. */
const FADES_SECONDS = Math.max(...[JUMP_FADE, SMOOTH_FADE, REPLACE_FADE].map((f) => f.seconds));

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

  /** Whether it may still be heard at a time of the context's clock. */
  soundsAt(time) {
    return time < this.ends + FADES_SECONDS;
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

/** Runs of all buffers, one after the other; the last one sounds. */
export class Transport {
  /** `sources()` gives [{buffer, input}]; times are seconds into the buffers. */
  constructor(context, sources, duration) {
    Object.assign(this, { context, sources, duration, runs: [], left: [], loop: null, rate: 1 });
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

  /** Whether a buffer is heard, fades out or is about to be heard. */
  sounds(buffer) {
    const now = this.context.currentTime;
    const voices = [...this.runs, ...this.left].flatMap((run) => run.voices);
    return voices.some((voice) => voice.source.buffer === buffer && voice.soundsAt(now));
  }

  /** Forget what has faded out. */
  prune() {
    const now = this.context.currentTime;
    this.runs = this.runs.filter((run) => run.voices.some((v) => v.ends + 1 > now));
  }

  /** Fade out now and forget all. */
  stop() {
    for (const run of this.runs) this.endRun(run, this.context.currentTime, SMOOTH_FADE);
    this.left = this.runs;
    this.runs = [];
  }
}
