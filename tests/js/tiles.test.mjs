// The tiles of a picture: what is asked for, what is kept, and what is painted of it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Tiles } from "../../mssviz/widgets/static/spectrogram/tiles.js";

const FRAMES = 40;
const COLUMNS = 4; // of a tile
const BINS = 2;
const LAYERS = [
  { name: "mixture", pool: "max" },
  { name: "mask", pool: "mean" },
];

/** Value of a layer's bin 0 at a column of a level; bin 1 holds 100 more. */
const valueAt = (layer, level, column) => (layer === "mask" ? 50 : 0) + 8 * level + (column % 40);

/** A picture of one pixel for each of so many frames, in two rows, with what it has asked for. */
function picture({ start = 0, width = 8 } = {}) {
  const asked = [];
  const geometry = { frames: FRAMES, bins: BINS, hop: 1, first: 0.5, levels: 4 };
  const plot = {
    geometry: { ...geometry, tileColumns: COLUMNS },
    axes: { start, stop: start + width },
    inner: { width, height: BINS },
    rows: { from: Int32Array.of(1, 0), to: Int32Array.of(2, 1) },
    rowsKey: "rows",
  };
  const model = { get: () => "mean", send: ({ tiles }) => asked.push(...tiles) };
  const tiles = new Tiles(model, plot);
  let painted = 0;
  const paint = (pixels, [mixture, mask]) => {
    painted++;
    for (let i = 0; i < pixels.length; i++) pixels[i] = 1000 * mixture[i] + mask[i];
  };
  const look = { key: "a", paint };
  const fill = () => {
    const pixels = new Uint32Array(width * BINS);
    painted = 0;
    const late = tiles.fill(pixels, LAYERS, look);
    return { pixels: [...pixels], painted, late, asked: asked.splice(0) };
  };
  const move = (first, frames = width) =>
    Object.assign(plot.axes, { start: first, stop: first + frames });
  return { tiles, fill, look, move };
}

/** A tile as it comes from Python. */
function send(tiles, layer, level, index, { version = 0, more = 0 } = {}) {
  const n = Math.min(COLUMNS, Math.ceil(FRAMES / 2 ** level) - index * COLUMNS);
  const values = new Uint8Array(n * BINS);
  for (let c = 0; c < n; c++) {
    const value = valueAt(layer, level, index * COLUMNS + c) + more;
    values.set([value, value + 100], c * BINS);
  }
  tiles.take({ layer, channel: "mean", level, index, version }, values);
}

function answer(tiles, asked, options) {
  for (const [layer, level, index] of asked) send(tiles, layer, level, index, options);
}

/** Pixels of frames of level 0, or of the level's columns that they lie in. */
function expected(frames, level = 0) {
  const row = (more) =>
    frames.map((frame) => {
      if (frame < 0 || frame >= FRAMES) return 0xff000000;
      const [mixture, mask] = LAYERS.map(({ name }) => valueAt(name, level, frame >> level) + more);
      return 1000 * mixture + mask;
    });
  return [...row(100), ...row(0)];
}

const range = (first, n) => Array.from({ length: n }, (_, i) => first + i);

test("what is missing is asked for once, and painted when it has come", () => {
  const { tiles, fill } = picture();
  const wanted = LAYERS.flatMap(({ name }) => [0, 1].map((index) => [name, 0, index]));
  const { pixels, asked } = fill();
  assert.deepEqual(asked.sort(), wanted.sort());
  assert.deepEqual(pixels, Array(16).fill(0));
  assert.deepEqual(fill().asked, []);
  answer(tiles, asked);
  assert.deepEqual(fill().pixels, expected(range(0, 8)));
});

test("moving along the song paints only tiles that were not in view", () => {
  const { tiles, fill, move } = picture();
  answer(tiles, fill().asked);
  assert.equal(fill().painted, 2);
  assert.equal(fill().painted, 0);
  move(3);
  answer(tiles, fill().asked);
  const { pixels, painted } = fill();
  assert.equal(painted, 1);
  assert.deepEqual(pixels, expected(range(3, 8)));
});

test("beyond the song's ends there is black", () => {
  const { tiles, fill, move } = picture();
  move(-3);
  answer(tiles, fill().asked);
  assert.deepEqual(fill().pixels, expected(range(-3, 8)));
  move(37);
  answer(tiles, fill().asked);
  assert.deepEqual(fill().pixels, expected(range(37, 8)));
});

test("until a tile has come, the finest coarser one is shown", () => {
  const { tiles, fill } = picture();
  const { asked } = fill();
  for (const { name } of LAYERS) {
    send(tiles, name, 3, 0);
    send(tiles, name, 1, 0);
  }
  assert.deepEqual(fill().pixels, expected(range(0, 8), 1));
  answer(tiles, asked);
  assert.deepEqual(fill().pixels, expected(range(0, 8)));
});

test("what has changed is shown as it was until it comes anew, and asked for", () => {
  const { tiles, fill } = picture();
  answer(tiles, fill().asked);
  fill();
  tiles.forget({ layers: ["mask"], start: 5, stop: 6, version: 1 });
  const { pixels, asked, painted } = fill();
  assert.deepEqual(asked, [["mask", 0, 1]]);
  assert.equal(painted, 1);
  assert.deepEqual(pixels, expected(range(0, 8)));
  answer(tiles, asked, { version: 1, more: 9 });
  const after = fill().pixels;
  assert.deepEqual(after.slice(0, 4), pixels.slice(0, 4));
  assert.deepEqual(
    after.slice(4, 8),
    pixels.slice(4, 8).map((pixel) => pixel + 9),
  );
});

test("a tile that comes unasked is shown", () => {
  const { tiles, fill } = picture();
  answer(tiles, fill().asked);
  const { pixels } = fill();
  tiles.forget({ layers: ["mask"], start: 0, stop: 4, version: 1 });
  send(tiles, "mask", 0, 0, { version: 1, more: 9 });
  const after = fill();
  assert.deepEqual(after.asked, []);
  assert.equal(after.pixels[0], pixels[0] + 9);
});

test("a tile that was made before a change is asked for again", () => {
  const { tiles, fill } = picture();
  const { asked } = fill();
  tiles.forget({ layers: ["mask"], start: 0, stop: 8, version: 1 });
  answer(tiles, asked, { version: 0 });
  assert.deepEqual(fill().asked.sort(), asked.sort());
  answer(tiles, asked, { version: 1 });
  assert.deepEqual(fill().asked, []);
});

test("another look paints all tiles in view anew", () => {
  const { tiles, fill, look } = picture();
  answer(tiles, fill().asked);
  fill();
  look.key = "b";
  const { painted, asked } = fill();
  assert.equal(painted, 2);
  assert.deepEqual(asked, []);
});

test("until another level has come and is painted, over some frames, the one before is shown", (t) => {
  const { tiles, fill, move } = picture();
  answer(tiles, fill().asked);
  move(0, 32);
  const { asked } = fill();
  tiles.clear(); // the fine ones
  answer(tiles, asked);
  fill();
  let now = 0;
  t.mock.method(performance, "now", () => (now += 6)); // so that a frame has time for one tile
  move(0);
  const waiting = fill();
  assert.deepEqual(waiting.pixels, expected(range(0, 8), 2));
  assert.deepEqual([waiting.painted, waiting.late], [0, false]);
  answer(tiles, waiting.asked);
  const half = fill();
  assert.deepEqual(half.pixels, waiting.pixels);
  assert.deepEqual([half.painted, half.late], [1, true]);
  const whole = fill();
  assert.deepEqual(whole.pixels, expected(range(0, 8)));
  assert.deepEqual([whole.painted, whole.late], [1, false]);
});

test("a level that does not show all of the view does not stand in for another", () => {
  const { tiles, fill, move } = picture();
  answer(tiles, fill().asked);
  fill();
  move(0, 32);
  const { pixels, asked } = fill();
  assert.deepEqual(pixels, Array(16).fill(0));
  answer(tiles, asked);
  assert.deepEqual(
    fill().pixels,
    expected(
      range(0, 8).map((pixel) => 4 * pixel),
      2,
    ),
  );
});

test("zooming out shows the level before as long as few of its tiles are to be painted", () => {
  const { tiles, fill, move } = picture();
  answer(tiles, fill().asked);
  for (const { name } of LAYERS) for (const index of [2, 3, 4]) send(tiles, name, 0, index);
  fill();
  move(0, 16); // every second column of level 0, or all of level 1
  const { pixels, painted } = fill();
  assert.deepEqual(pixels, expected(range(0, 8).map((pixel) => 2 * pixel + 1)));
  assert.equal(painted, 2);
});
