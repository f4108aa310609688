// Tracks: audio that arrives from Python, whole or in pieces, decoded and kept with its waveform.

import { decode } from "../sound.js";
import { largest, mergePeaks, peaks, touched } from "../timeline.js";
import { copyOf, put, putFrom } from "./buffers.js";

/** Samples of one column of what is kept to draw a waveform; closer, samples themselves are. */
const COLUMN = 256;

function columnsOf({ length }) {
  return Math.ceil(length / COLUMN);
}

/** Lowest and highest samples of a buffer's columns from `first` up to `last`. */
function columns(buffer, first = 0, last = columnsOf(buffer)) {
  const channels = [0, buffer.numberOfChannels - 1].map((c) => buffer.getChannelData(c));
  return mergePeaks(channels.map((samples) => peaks(samples, columnsOf(buffer), first, last)));
}

/** What is kept of a track that has come whole, scaled by `gain`. */
function wholeTrack(buffer, gain) {
  const wave = columns(buffer);
  return { gain, buffer, spare: null, peaks: wave, peak: largest(wave) };
}

/**
 * The same of a track in which a piece, scaled by `gain`, is new from sample `first` on.
 *
 * What sounds is not written to: two buffers take turns, of which the one that rests lacks the
 * latest piece alone. A song is copied as a whole only where both may still be heard.
 */
function withPiece(track, piece, first, gain, sounds) {
  const { buffer: before, spare } = track;
  const range = [first, first + piece.length];
  const rests = spare && !sounds(spare.buffer);
  const buffer = rests ? putFrom(spare.buffer, before, spare.lacks) : copyOf(before);
  put(buffer, piece, first, track.gain / gain);
  const [from, to] = touched(...range, buffer.length, columnsOf(buffer));
  const wave = track.peaks.slice();
  wave.set(columns(buffer, from, to), 2 * from);
  const next = { buffer: before, lacks: range };
  return { gain: track.gain, buffer, spare: next, peaks: wave, peak: largest(wave) };
}

/**
 * All tracks of a mixer; `onTrack` is called for each one that has come, or failed to, and
 * `sounds` says whether a buffer may still be heard.
 */
export class Tracks {
  constructor(widget, desk, onTrack, sounds) {
    Object.assign(this, { widget, desk, onTrack, sounds });
    this.tracks = new Map(); // name to {version, gain, buffer, spare, peaks, peak}
    this.arrivals = new Map(); // name to {version, whole, done} of what came last, decoded or not
    this.failure = null;
    this.insist = widget.insist(
      () => desk.names.some((name) => !this.arrivals.has(name)),
      () => this.ask(),
    );
    widget.onModel("msg:custom", (content, buffers) => {
      if (["audio", "piece"].includes(content.kind)) this.receive(content, buffers[0]);
    });
  }

  get(name) {
    return this.tracks.get(name);
  }

  /** How many have come. */
  get count() {
    return this.desk.names.filter((name) => this.tracks.has(name)).length;
  }

  get complete() {
    return this.count === this.desk.names.length;
  }

  /** Version of each track's audio, counted up by Python. */
  get versions() {
    return Object.fromEntries([...this.tracks].map(([name, { version }]) => [name, version]));
  }

  /** Factor from a track's samples to its true level; 0 before it has come. */
  correction(name) {
    return this.tracks.has(name) ? this.desk.get("common_gain") / this.tracks.get(name).gain : 0;
  }

  /** Factor from a track's samples to its height, the same for all tracks. */
  height(name) {
    const levels = [...this.tracks].map(([other, track]) => track.peak * this.correction(other));
    return this.correction(name) / Math.max(1e-6, ...levels);
  }

  /** Ask for all audio that has not come. */
  ask() {
    const have = {};
    for (const [name, { version }] of this.arrivals) have[name] = version;
    this.widget.model.send({ kind: "ask", have });
    this.insist();
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
    const decoding = decode(data, this.desk.get("sample_rate"));
    const done = Promise.allSettled([decoding, piece && before.done]).then(([result]) => {
      const superseded = this.arrivals.get(name)?.whole !== whole;
      if (!this.widget.closed && !superseded) this.take(content, result);
    });
    this.arrivals.set(name, { version, whole, done });
  }

  /** Take decoded audio in; ask for the whole track if a piece does not fit what is here. */
  take({ kind, name, version, gain, first }, { value: buffer, reason }) {
    const track = this.tracks.get(name);
    if (kind === "piece") {
      if (!buffer || track?.version !== version - 1) this.askAgain(name);
      else
        this.tracks.set(name, { version, ...withPiece(track, buffer, first, gain, this.sounds) });
    } else if (buffer) this.tracks.set(name, { version, ...wholeTrack(buffer, gain) });
    else this.failure = `The browser cannot decode ${name}: ${reason.message}`;
    this.onTrack();
  }
}
