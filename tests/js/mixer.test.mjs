// Arithmetic of the mixer; run with `node --test tests/js`.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as loops from "../../mssviz/widgets/static/loop.js";
import { Desk } from "../../mssviz/widgets/static/mixer/desk.js";
import * as timeline from "../../mssviz/widgets/static/timeline.js";

const strip = (changes = {}) => ({ gain_db: 0, muted: false, solo: false, ...changes });
const near = (a, b, tolerance = 1e-6) => assert.ok(Math.abs(a - b) <= tolerance, `${a} != ${b}`);

test("decibels and factors are each other's inverse, down to silence", () => {
  for (const db of [-59.9, -6, 0, 3, 12]) near(timeline.gainToDb(timeline.dbToGain(db)), db);
  near(timeline.dbToGain(-6.0206), 0.5);
  assert.equal(timeline.dbToGain(-60), 0);
  assert.equal(timeline.gainToDb(0), -Infinity);
});

test("levels and pans read well", () => {
  assert.deepEqual([-60, -6, -0.01, 0, 1.5].map(timeline.formatDb), [
    "silent",
    "−6.0 dB",
    "0.0 dB",
    "0.0 dB",
    "+1.5 dB",
  ]);
  assert.deepEqual([-1, -0.4, 0, 0.25].map(timeline.formatPan), [
    "100 % left",
    "40 % left",
    "centre",
    "25 % right",
  ]);
});

test("times carry over when they round up", () => {
  assert.equal(timeline.formatTime(0), "0:00.0");
  assert.equal(timeline.formatTime(59.96), "1:00.0");
  assert.equal(timeline.formatTime(65.25, 2), "1:05.25");
  assert.equal(timeline.formatTime(3599.99), "1:00:00.0");
  assert.equal(timeline.formatTime(90, 0), "1:30");
  assert.equal(timeline.formatTime(-1), "0:00.0");
});

test("peaks keep every extreme, whatever the number of stretches", () => {
  const samples = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i * i));
  const [low, high] = [Math.min(...samples), Math.max(...samples)];
  for (const n of [1, 7, 999, 1000]) {
    const wave = timeline.peaks(samples, n);
    assert.equal(wave.length, 2 * n);
    assert.equal(Math.min(...wave), low);
    assert.equal(Math.max(...wave), high);
  }
  const fewer = timeline.peaks(Float32Array.of(0.5, -0.5), 4);
  assert.deepEqual([...fewer], [0.5, 0.5, 0.5, 0.5, -0.5, -0.5, -0.5, -0.5]);
  assert.deepEqual([...timeline.peaks(new Float32Array(0), 2)], [0, 0, 0, 0]);
});

test("peaks of the stretches that some samples touch are those of all of them", () => {
  for (const length of [1, 5, 64, 1000]) {
    const samples = Float32Array.from({ length }, (_, i) => Math.cos(i * i));
    for (const n of [1, 7, 64, 300]) {
      for (const [start, stop] of [
        [0, 1],
        [0, length],
        [length - 1, length],
        [length >> 1, length],
      ]) {
        const changed = samples.slice();
        for (let i = start; i < stop; i++) changed[i] = 2 + i;
        const [first, last] = timeline.touched(start, stop, length, n);
        const wave = timeline.peaks(samples, n);
        wave.set(timeline.peaks(changed, n, first, last), 2 * first);
        assert.deepEqual(wave, timeline.peaks(changed, n));
      }
    }
  }
  assert.deepEqual(timeline.touched(44100, 88200, 441000, 4000), [400, 800]);
});

test("channels' peaks merge to their envelope", () => {
  const merged = timeline.mergePeaks([Float32Array.of(-1, 0), Float32Array.of(0, 0.5)]);
  assert.deepEqual([...merged], [-1, 0.5]);
  assert.equal(timeline.largest(merged), 1);
});

test("mute wins over solo, solo over the others, several solos sound together", () => {
  const gains = (...strips) => strips.map((_, i) => timeline.effectiveGain(strips, i));
  assert.deepEqual(gains(strip(), strip()), [1, 1]);
  assert.deepEqual(gains(strip({ muted: true }), strip()), [0, 1]);
  assert.deepEqual(gains(strip({ solo: true }), strip(), strip({ solo: true })), [1, 0, 1]);
  assert.deepEqual(gains(strip({ solo: true, muted: true }), strip()), [0, 0]);
  near(gains(strip({ gain_db: -20 }))[0], 0.1);
});

test("all strips compare at once; those with fewer choices stay", () => {
  const strips = [
    { choices: ["a", "a2", "a3"], shows: "a" },
    { choices: ["b", "b2"], shows: "b2", muted: true },
    { choices: ["c"], shows: "c" },
  ];
  const shown = (position) => timeline.comparedAt(strips, position).map((s) => s.shows);
  assert.deepEqual([0, 1, 2].map(shown), [
    ["a", "b", "c"],
    ["a2", "b2", "c"],
    ["a3", "b2", "c"],
  ]);
  assert.deepEqual(timeline.comparedAt(strips, 0)[1], { ...strips[1], shows: "b" });
  assert.deepEqual(strips.map(timeline.nextChoice), [1, 0, 0]);
});

test("fades keep power or amplitude", () => {
  const power = timeline.equalPowerFade(33);
  for (let i = 0; i < 33; i++) near(power.in[i] ** 2 + power.out[i] ** 2, 1);
  assert.deepEqual([power.in[0], power.in[32]], [0, 1]);
  const gain = timeline.equalGainFade();
  gain.in.forEach((value, i) => near(value + gain.out[i], 1));
});

test("a loop wraps what lies behind it and lets in what lies before", () => {
  assert.equal(timeline.loopPosition(7, null), 7);
  assert.equal(timeline.loopPosition(1, [2, 5]), 1);
  assert.equal(timeline.loopPosition(4, [2, 5]), 4);
  assert.equal(timeline.loopPosition(5, [2, 5]), 2);
  assert.equal(timeline.loopPosition(12, [2, 5]), 3);
});

test("a dragged loop is ordered, inside, and not too short", () => {
  assert.deepEqual(loops.loopBetween(5, 2, 0, 10, 0.1), [2, 5]);
  assert.deepEqual(loops.loopBetween(-1, 12, 0, 10, 0.1), [0, 10]);
  assert.equal(loops.loopBetween(5, 5.05, 0, 10, 0.1), null);
});

test("a loop of which one end goes to the playhead keeps its other end", () => {
  assert.deepEqual(loops.loopAt(0, 3, [2, 5], 0, 10, 0.1), [3, 5]);
  assert.deepEqual(loops.loopAt(1, 3, null, 0, 10, 0.1), [0, 3]);
  assert.equal(loops.loopAt(0, 6, [2, 5], 0, 10, 0.1), null);
});

test("strips do not wrap around", () => {
  assert.equal(timeline.nearestStrip(0, -1, 3), 0);
  assert.equal(timeline.nearestStrip(1, 1, 3), 2);
  assert.equal(timeline.nearestStrip(2, 1, 3), 2);
});

test("ticks are round, inside, and not too many", () => {
  assert.deepEqual(timeline.timeTicks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(timeline.timeTicks(30.5, 34.5, 4), [31, 32, 33, 34]);
  for (const seconds of [0.3, 7, 61, 240, 7000]) {
    assert.ok(timeline.timeTicks(3, 3 + seconds, 8).length <= 9);
  }
});

test("times fall on samples", () => {
  near(timeline.toSample(0.1, 44100) * 44100, 4410, 1e-9);
  near(timeline.toSample(1 / 3, 44100) * 44100, 14700, 1e-9);
});

test("meters span 60 dB", () => {
  assert.equal(timeline.meterLevel(0), 0);
  near(timeline.meterLevel(10 ** -1.5), 0.5);
  assert.equal(timeline.meterLevel(2), 1);
});

/** A desk, and its model's traits, which `change` sets as another view or Python does. */
function desk(duration, selection = null) {
  const traits = { strips: [strip()], offset: 0, duration, selection };
  const listeners = new Map();
  const change = (values) => {
    Object.assign(traits, values);
    for (const name of Object.keys(values)) listeners.get(`change:${name}`)?.();
  };
  const widget = {
    model: { get: (name) => traits[name] },
    onModel: (event, listener) => listeners.set(event, listener),
    save: change,
    saveSoon: change,
  };
  return { desk: new Desk(widget), traits, change };
}

test("a loop that is dropped comes back, wherever it was chosen and dropped", () => {
  const { desk: one, traits, change } = desk(60);
  one.toggleLoop(20);
  assert.deepEqual(traits.selection, [20, 24]);
  change({ selection: [30, 40] });
  one.toggleLoop(20);
  assert.equal(traits.selection, null);
  one.toggleLoop(20);
  assert.deepEqual(traits.selection, [30, 40]);
  change({ selection: [5, 6] });
  change({ selection: null });
  one.toggleLoop(20);
  assert.deepEqual(traits.selection, [5, 6]);
});

test("what is selected already is brought back, too, and a loop lies within the tracks", () => {
  const { desk: one, traits } = desk(60, [1, 2]);
  one.toggleLoop(0);
  one.toggleLoop(0);
  assert.deepEqual(traits.selection, [1, 2]);
  const late = desk(60);
  late.desk.toggleLoop(59.99);
  assert.deepEqual(late.traits.selection, [59.9, 60]);
  const short = desk(0.05);
  short.desk.toggleLoop(0.02);
  assert.equal(short.traits.selection, null);
});
