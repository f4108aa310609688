// Scores as numbers: ranges, medians, windows; run with `node --test tests/js`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Gestures } from "../../mssviz/widgets/static/scores/gestures.js";
import * as scores from "../../mssviz/widgets/static/scores/windows.js";

const values = (...list) => Float64Array.from(list);
const seconds = { times: [10, 11, 12, 13], window: 1, step: 1 };
const overlapping = { times: [0, 0.5, 1], window: 2, step: 0.5 };

test("values come out of JSON with NaN and infinities", () => {
  const raw = JSON.parse('[1.5, null, "Infinity", "-Infinity", 0]');
  assert.deepEqual(scores.scoreValues(raw), values(1.5, NaN, Infinity, -Infinity, 0));
});

test("a median leaves NaN out and knows infinities", () => {
  assert.equal(scores.median(values(3, NaN, 1, 2)), 2);
  assert.equal(scores.median(values(10, 9, -1, 2)), 5.5);
  assert.equal(scores.median(values(1, Infinity)), Infinity);
  assert.equal(scores.median(values(Infinity, Infinity)), Infinity);
  assert.equal(scores.median(values(-Infinity, 4, Infinity)), 4);
  assert.ok(Number.isNaN(scores.median(values(NaN, NaN))));
  assert.ok(Number.isNaN(scores.median(values())));
});

test("whiskers leave an outlier out and end at values", () => {
  assert.deepEqual(scores.whiskers(values(1, 2, 3, 4, 5, 6, 7, 8, -90, NaN, Infinity)), [1, 8]);
  assert.deepEqual(scores.whiskers(values(4)), [4, 4]);
  assert.equal(scores.whiskers(values(NaN, Infinity)), null);
});

test("the axis has room for every target and for 0, on steps of 5 dB", () => {
  assert.deepEqual(scores.levelRange([values(3, 4, 5), values(11, 12.5)]), [0, 15]);
  assert.deepEqual(scores.levelRange([values(8, 9)]), [0, 10]);
  assert.deepEqual(scores.levelRange([values(-8, -9)]), [-10, 0]);
  assert.deepEqual(scores.levelRange([values(-3, -4), values(2)]), [-5, 5]);
  assert.deepEqual(scores.levelRange([values(NaN), values(Infinity)]), [0, 10]);
  assert.deepEqual(scores.levelRange([values(0, 0)]), [0, 10]);
});

test("values lie between the edges, and beyond them at the edge", () => {
  const range = [-5, 15];
  assert.deepEqual(scores.levelToUnit(15, range), { unit: 0, beyond: 0 });
  assert.deepEqual(scores.levelToUnit(5, range), { unit: 0.5, beyond: 0 });
  assert.deepEqual(scores.levelToUnit(-5, range), { unit: 1, beyond: 0 });
  assert.deepEqual(scores.levelToUnit(Infinity, range), { unit: 0, beyond: 1 });
  assert.deepEqual(scores.levelToUnit(-5.1, range), { unit: 1, beyond: -1 });
});

test("every time belongs to one window, or none", () => {
  assert.equal(scores.windowAt(10, seconds), 0);
  assert.equal(scores.windowAt(10.999, seconds), 0);
  assert.equal(scores.windowAt(11, seconds), 1);
  assert.equal(scores.windowAt(13.5, seconds), 3);
  for (const outside of [9.99, 14, NaN]) assert.equal(scores.windowAt(outside, seconds), -1);
});

test("overlapping windows are drawn around their middles, without overlap", () => {
  const spans = overlapping.times.map((_, i) => scores.windowSpan(i, overlapping));
  assert.deepEqual(spans, [
    [0.75, 1.25],
    [1.25, 1.75],
    [1.75, 2.25],
  ]);
  assert.equal(scores.windowAt(1.3, overlapping), 1);
});

test("runs end at windows without score and where windows are apart", () => {
  const runs = (list, table) => scores.scoredRuns(values(...list), table);
  assert.deepEqual(runs([1, 2, 3, 4], seconds), [[0, 1, 2, 3]]);
  assert.deepEqual(runs([1, NaN, 3, 4], seconds), [[0], [2, 3]]);
  assert.deepEqual(runs([NaN, NaN, NaN, NaN], seconds), []);
  assert.deepEqual(runs([1, 2, 3], { times: [0, 1, 3], window: 1, step: 1 }), [[0, 1], [2]]);
  const thirds = {
    times: [0, 0.3, 0.6000000000000001, 0.8999999999999999],
    window: 0.3,
    step: 0.3,
  };
  assert.equal(runs([1, 2, 3, 4], thirds).length, 1);
});

test("scores are read with a minus, and silence is a word", () => {
  const texts = [1.234, -1.236, -0.001, Infinity, -Infinity, NaN].map((db) =>
    scores.formatScore(db),
  );
  assert.deepEqual(texts, ["1.23", "−1.24", "0.00", "∞", "−∞", "silent"]);
  assert.equal(scores.formatScore(NaN, "damaged"), "damaged");
});

/** Gestures on a picture of 100 pixels for each second, without a page around it. */
function picture(windows, time = 0) {
  const traits = { time, selection: null };
  const canvas = Object.assign(new EventTarget(), { setPointerCapture() {}, focus() {} });
  const widget = {
    model: { get: (name) => traits[name] },
    on: (target, type, listener) => target.addEventListener(type, listener),
    save: (values) => Object.assign(traits, values),
  };
  const plot = {
    windows,
    lastWindow: windows.times.length - 1,
    secondsAt: (_, { clientX }) => clientX / 100,
  };
  const nothing = () => {};
  const what = { widget, plot, canvas, showWindow: nothing, repaint: nothing };
  const gestures = new Gestures(what);
  const pointer = (type, clientX) => {
    const event = { pointerId: 1, button: 0, shiftKey: true, clientX };
    canvas.dispatchEvent(Object.assign(new Event(type), event));
  };
  return { gestures, traits, pointer };
}

test("keys step through all windows, whether they overlap or not", () => {
  const times = [0, 1, 2, 3];
  for (const window of [0.5, 1, 2, 3]) {
    const { gestures, traits } = picture({ times, window, step: 1 });
    const [, { step }] = gestures.commands;
    const met = times.map(() => {
      step(1);
      return gestures.here;
    });
    assert.deepEqual(met, [1, 2, 3, 3], `windows of ${window} s`);
    step(-1);
    assert.equal(gestures.here, 2);
    step(-9);
    assert.ok(traits.time >= 0);
  }
});

test("a selection that is dragged is as long as the mixer takes, and within the windows", () => {
  const { traits, pointer } = picture({ times: [0, 1, 2], window: 1, step: 1 });
  const drag = (from, to) => {
    pointer("pointerdown", from);
    pointer("pointermove", to);
    pointer("pointerup", to);
  };
  drag(100, 105);
  assert.equal(traits.selection, null);
  drag(150, 120);
  assert.deepEqual(traits.selection, [1.2, 1.5]);
  drag(250, 900);
  assert.deepEqual(traits.selection, [2.5, 3]);
});
