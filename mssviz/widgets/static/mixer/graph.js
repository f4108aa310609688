// The mixer's audio graph: a channel for each strip with level and pan, their sum, and meters.

import { glide } from "../sound.js";
import { dbToGain, effectiveGain, largest } from "../timeline.js";

const METER_SAMPLES = 8192; // as long as 185 ms: nothing is missed at 6 frames a second

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
export class Mix {
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

  /** Inputs by the name of the track that goes there: [[name, input], …]. */
  get inputs() {
    return this.channels.flatMap(({ inputs }) => [...inputs]);
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

  /** Meters of the strips and, last, of their sum; only where somebody looks. */
  addMeters() {
    const nodes = [...this.channels.map((channel) => channel.panner), this.master];
    this.meters = nodes.map((node) => new Meter(node));
  }
}
