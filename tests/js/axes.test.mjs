// Time and frequency to pixels and back; run with `node --test tests/js`.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as axes from "../../mssviz/widgets/static/axes.js";

const near = (a, b, tolerance = 1e-9) => assert.ok(Math.abs(a - b) <= tolerance, `${a} != ${b}`);
const SCALES = ["linear", "log", "mel"];
const views = (low, high) => SCALES.map((scale) => ({ scale, low, high }));
const HERTZ_PER_BIN = 44100 / 4096;
const BINS = 2049;

test("mel equals librosa's", () => {
  // librosa.hz_to_mel, Slaney's formula
  const table = [
    [0, 0],
    [40, 0.6],
    [440, 6.6],
    [1000, 15],
    [1500, 20.897521828790076],
    [4000, 35.163760314616646],
    [11025, 49.91059448015905],
    [22050, 59.99247463746737],
  ];
  for (const [hertz, mel] of table) {
    near(axes.hertzToMel(hertz), mel);
    near(axes.melToHertz(mel), hertz, 1e-6);
  }
});

test("frequencies come back from every scale, and its ends are 0 and 1", () => {
  for (const view of [...views(40, 22050), ...views(900, 1100), ...views(5000, 5001)]) {
    near(axes.frequencyToUnit(view.low, view), 0);
    near(axes.frequencyToUnit(view.high, view), 1);
    let before = -Infinity;
    for (let i = 0; i <= 50; i++) {
      const unit = i / 50;
      const hertz = axes.unitToFrequency(unit, view);
      assert.ok(hertz > before);
      before = hertz;
      near(axes.frequencyToUnit(hertz, view), unit, 1e-6);
    }
  }
});

test("zero hertz is no infinity on a logarithmic scale", () => {
  assert.ok(Number.isFinite(axes.frequencyToUnit(0, { scale: "log", low: 20, high: 20000 })));
});

test("rows of pixels share the bins without gaps when there are fewer rows", () => {
  const view = { scale: "linear", low: 0, high: 22050 };
  for (const height of [1, 2, 97, 360, 1024]) {
    const { from, to } = axes.binRows(height, view, BINS, HERTZ_PER_BIN);
    const counts = new Int32Array(BINS);
    for (let y = 0; y < height; y++) for (let b = from[y]; b < to[y]; b++) counts[b]++;
    assert.ok(
      counts.every((count) => count === 1),
      `${height} rows`,
    );
  }
});

test("rows of pixels cover what is in view on every scale, top row highest", () => {
  for (const [low, high] of [
    [40, 22050],
    [300, 700],
    [1000, 1040],
    [20000, 22050],
  ]) {
    for (const view of views(low, high)) {
      const { from, to } = axes.binRows(360, view, BINS, HERTZ_PER_BIN);
      for (let y = 0; y < 360; y++) {
        assert.ok(from[y] >= 0 && to[y] <= BINS && to[y] > from[y]);
        if (y === 0) continue;
        assert.ok(from[y] <= from[y - 1]);
        assert.ok(to[y] >= from[y - 1], "no bin between two rows is left out");
        // rows overlap only where a bin is higher than a pixel
        if (to[y] > from[y - 1]) assert.equal(to[y] - from[y], 1);
      }
      const nearest = Math.round(axes.unitToFrequency(0.5 + 0.5 / 360, view) / HERTZ_PER_BIN);
      assert.ok(from[179] <= nearest && nearest <= to[179]);
      near(to[0] - 1, high / HERTZ_PER_BIN, 1);
      near(from[359], low / HERTZ_PER_BIN, 1);
    }
  }
});

test("the coarsest level with a column for every pixel is chosen", () => {
  for (const [framesPerPixel, level] of [
    [0.01, 0],
    [1, 0],
    [1.99, 0],
    [2, 1],
    [7.9, 2],
    [8, 3],
    [1e9, 5],
  ]) {
    assert.equal(axes.chooseLevel(framesPerPixel, 6), level);
  }
  assert.equal(axes.chooseLevel(100, 1), 0);
});

test("pixels find the column of their nearest frame", () => {
  const geometry = { first: -0.05, hop: 0.02, frames: 101 };
  const [start, stop, width] = [-0.2, 2.2, 481];
  for (const level of [0, 1, 3]) {
    const columns = axes.pixelColumns(width, start, stop, geometry, level);
    columns.forEach((column, x) => {
      const seconds = start + ((x + 0.5) / width) * (stop - start);
      const frame = Math.round((seconds - geometry.first) / geometry.hop);
      const inside = frame >= 0 && frame < 101;
      assert.ok(column === (inside ? Math.floor(frame / 2 ** level) : -1));
    });
    assert.equal(columns[0], -1);
    assert.equal(columns[width - 1], -1);
    assert.equal(Math.max(...columns), 100 >> level);
  }
});

test("ticks are round, within the range and about as many as asked for", () => {
  assert.deepEqual(axes.niceTicks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(axes.niceTicks(0.1, 0.5, 4), [0.1, 0.2, 0.3, 0.4, 0.5]);
  assert.deepEqual(axes.niceTicks(-1, 1, 4), [-1, -0.5, 0, 0.5, 1]);
  for (const [low, high] of [
    [0, 3e-3],
    [17.3, 200.1],
    [-5, 1e6],
    [1000, 1000.2],
  ]) {
    for (const count of [1, 3, 6, 12]) {
      const ticks = axes.niceTicks(low, high, count);
      const step = ticks.length > 1 ? ticks[1] - ticks[0] : 0;
      const slack = 1e-6 * (high - low);
      assert.ok(ticks.length <= count + 1 && ticks.length >= Math.floor(count / 2.5));
      for (let i = 0; i < ticks.length; i++) {
        assert.ok(ticks[i] >= low - slack && ticks[i] <= high + slack);
        if (i) near(ticks[i] - ticks[i - 1], step, slack);
      }
    }
  }
  assert.deepEqual(axes.niceTicks(2, 2, 5), []);
});

test("frequencies to label are within the view", () => {
  assert.deepEqual(
    axes.frequencyTicks({ scale: "log", low: 40, high: 1000 }, 6),
    [50, 100, 200, 500, 1000],
  );
  assert.deepEqual(
    axes.frequencyTicks({ scale: "linear", low: 0, high: 20000 }, 4),
    [0, 5000, 10000, 15000, 20000],
  );
  for (const view of views(430, 470)) {
    const ticks = axes.frequencyTicks(view, 6);
    assert.ok(ticks.length >= 3);
    assert.ok(ticks.every((f) => f >= 430 && f <= 470));
  }
});

test("frequencies read well", () => {
  const found = [0, 50, 440.04, 999, 1000, 1500, 22050].map(axes.formatHertz);
  assert.deepEqual(found, ["0 ", "50 ", "440 ", "999 ", "1 k", "1.5 k", "22.05 k"]);
});

test("zooming keeps the fixed value where it is", () => {
  const share = (x, [a, b]) => (x - a) / (b - a);
  for (const factor of [0.5, 0.9, 1, 1.1]) {
    for (const around of [40, 45, 50, 60]) {
      const found = axes.zoomRange([40, 60], factor, around, [0, 100], 0.1);
      near(found[1] - found[0], 20 * factor);
      near(share(around, found), share(around, [40, 60]));
    }
  }
});

test("zooming and moving stay within limits", () => {
  const limits = [-1, 100];
  for (const range of [
    [-1, 100],
    [-1, 5],
    [95, 100],
    [30, 31],
  ]) {
    for (const factor of [1e-6, 0.5, 1, 3, 1e6]) {
      for (const around of [range[0], (range[0] + range[1]) / 2, range[1]]) {
        const [a, b] = axes.zoomRange(range, factor, around, limits, 0.1);
        assert.ok(a >= -1 && b <= 100 + 1e-9 && b - a >= 0.1 - 1e-9);
      }
    }
    for (const distance of [-1e6, -3, 0, 3, 1e6]) {
      const [a, b] = axes.panRange(range, distance, limits);
      assert.ok(a >= -1 && b <= 100 + 1e-9);
      near(b - a, range[1] - range[0]);
    }
  }
  assert.deepEqual(axes.panRange([10, 20], 5, limits), [15, 25]);
});
