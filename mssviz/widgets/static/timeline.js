// Pure arithmetic of time axes, levels and fades; no DOM, no Web Audio.

export const SILENCE_DB = -60;

/** Amplitude factor of a level in dB; the lowest level of a fader is silence. */
export function dbToGain(db) {
  return db <= SILENCE_DB ? 0 : 10 ** (db / 20);
}

/** Level in dB of an amplitude factor; -Infinity for 0. */
export function gainToDb(gain) {
  return gain > 0 ? 20 * Math.log10(gain) : -Infinity;
}

/** Level as people read it: "+1.5 dB", "−6.0 dB", "silent". */
export function formatDb(db) {
  if (db <= SILENCE_DB) return "silent";
  const text = Math.abs(db).toFixed(1);
  if (text === "0.0") return "0.0 dB";
  return `${db < 0 ? "−" : "+"}${text} dB`;
}

/** Pan as people read it: "centre", "40 % left". */
export function formatPan(pan) {
  const percent = Math.round(Math.abs(pan) * 100);
  if (percent === 0) return "centre";
  return `${percent} % ${pan < 0 ? "left" : "right"}`;
}

/** Time in seconds as "m:ss.s", or "h:mm:ss.s" from an hour on. */
export function formatTime(seconds, decimals = 1) {
  const scale = 10 ** decimals;
  const units = Math.round(Math.max(0, seconds) * scale);
  const whole = Math.floor(units / scale);
  const fraction = decimals ? `.${String(units % scale).padStart(decimals, "0")}` : "";
  const pad = (value) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const minutes = h ? `${h}:${pad(m)}` : m;
  return `${minutes}:${pad(s)}${fraction}`;
}

/**
 * Lowest and highest sample of each of n equal stretches: [low0, high0, low1, high1, …];
 * of all of them, or of those from `first` up to `last`.
 */
export function peaks(samples, n, first = 0, last = n) {
  const result = new Float32Array(2 * (last - first));
  for (let i = first; i < last; i++) {
    const start = Math.floor((i * samples.length) / n);
    const stop = Math.max(start + 1, Math.floor(((i + 1) * samples.length) / n));
    let low = Infinity;
    let high = -Infinity;
    for (let j = start; j < stop && j < samples.length; j++) {
      const value = samples[j];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    result[2 * (i - first)] = low === Infinity ? 0 : low;
    result[2 * (i - first) + 1] = high === -Infinity ? 0 : high;
  }
  return result;
}

/** Those of n equal stretches of `length` samples, [first, last), that some samples touch. */
export function touched(start, stop, length, n) {
  return [Math.floor((start * n) / length), Math.min(n, Math.ceil((stop * n) / length))];
}

/** Outer envelope of several channels' peaks. */
export function mergePeaks(channels) {
  const merged = channels[0].slice();
  for (const channel of channels.slice(1)) {
    for (let i = 0; i < merged.length; i += 2) {
      merged[i] = Math.min(merged[i], channel[i]);
      merged[i + 1] = Math.max(merged[i + 1], channel[i + 1]);
    }
  }
  return merged;
}

/** Largest magnitude. */
export function largest(samples) {
  let peak = 0;
  for (let i = 0; i < samples.length; i++) peak = Math.max(peak, Math.abs(samples[i]));
  return peak;
}

/** Amplitude factor of a strip under mutes and solos: mute wins, then solo. */
export function effectiveGain(strips, index) {
  const strip = strips[index];
  const soloed = strips.some((other) => other.solo);
  if (strip.muted || (soloed && !strip.solo)) return 0;
  return dbToGain(strip.gain_db);
}

/** Strips of which all that have a choice at some position play it. */
export function comparedAt(strips, position) {
  return strips.map((s) => ({ ...s, shows: s.choices[position] ?? s.shows }));
}

/** Position of the choice after the one that a strip plays; after the last comes the first. */
export function nextChoice({ choices, shows }) {
  return (choices.indexOf(shows) + 1) % choices.length;
}

/** Curves of a fade whose powers sum to 1, for unrelated sounds: {in, out} of n points. */
export function equalPowerFade(n) {
  const at = (i) => (Math.PI / 2) * (i / (n - 1));
  const rising = Float32Array.from({ length: n }, (_, i) => Math.sin(at(i)));
  return { in: rising, out: rising.slice().reverse() };
}

/** Curves of a fade whose amplitudes sum to 1, for alike sounds: {in, out} of 2 points. */
export function equalGainFade() {
  return { in: Float32Array.of(0, 1), out: Float32Array.of(1, 0) };
}

/** Position that a time stands for under a loop: from its end on, wrapped into it. */
export function loopPosition(time, loop) {
  if (!loop || time < loop[1]) return time;
  return loop[0] + ((time - loop[0]) % (loop[1] - loop[0]));
}

/** Value within [low, high]. */
export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/** Index of the strip that is `step` away from `index`, or an end's. */
export function nearestStrip(index, step, count) {
  return clamp(index + step, 0, count - 1);
}

/** Time rounded to a whole sample. */
export function toSample(seconds, sampleRate) {
  return Math.round(seconds * sampleRate) / sampleRate;
}

/** Round times for an axis, at most about `most` of them. */
export function timeTicks(start, stop, most) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
  const step = steps.find((s) => (stop - start) / s <= most) ?? 7200;
  const first = Math.ceil(start / step - 1e-9);
  const last = Math.floor(stop / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step);
}

/** Part of a meter's length, 0 to 1, that a peak fills: 60 dB, linear in dB. */
export function meterLevel(peak) {
  return clamp(1 + gainToDb(peak) / 60, 0, 1);
}
