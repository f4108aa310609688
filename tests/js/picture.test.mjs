// From 8-bit tiles to pixels; run with `node --test tests/js`.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as picture from "../../mssviz/widgets/static/picture.js";

const near = (a, b, tolerance = 1e-6) => assert.ok(Math.abs(a - b) <= tolerance, `${a} != ${b}`);
const tile = (bytes, extra = {}) => ({ values: new Uint8Array(bytes), ...extra });
const channels = (word) => [word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24];

/** Repeatable pseudo-random integers from 0 to below `limit`. */
function random(seed) {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

test("the least recently used tiles are dropped first, and bytes are counted", () => {
  const cache = new picture.TileCache(100);
  for (const key of ["a", "b", "c"]) cache.set(key, tile(30));
  assert.equal(cache.bytes, 90);
  cache.get("a");
  cache.set("d", tile(30));
  assert.deepEqual([...cache.tiles.keys()], ["c", "a", "d"]);
  assert.equal(cache.bytes, 90);
  cache.set("e", tile(60));
  assert.deepEqual([...cache.tiles.keys()], ["d", "e"]);
  assert.equal(cache.get("b"), undefined);
});

test("a tile that is replaced, deleted or larger than the cache is counted right", () => {
  const cache = new picture.TileCache(100);
  cache.set("a", tile(30));
  cache.set("a", tile(50));
  assert.equal(cache.bytes, 50);
  cache.delete("a");
  cache.delete("none");
  assert.equal(cache.bytes, 0);
  cache.set("b", tile(10));
  cache.set("big", tile(500));
  assert.deepEqual([...cache.tiles.keys()], ["big"]);
  assert.equal(cache.bytes, 500);
});

test("tiles are deleted by a test of key and tile", () => {
  const cache = new picture.TileCache(1000);
  cache.set("mask|1", tile(10, { layer: "mask" }));
  cache.set("mask|2", tile(10, { layer: "mask" }));
  cache.set("mixture|1", tile(10, { layer: "mixture" }));
  cache.deleteWhere((key, { layer }) => layer === "mask" && key.endsWith("2"));
  assert.deepEqual([...cache.tiles.keys()], ["mask|1", "mixture|1"]);
  assert.equal(cache.bytes, 20);
});

test("rows pool their bins by maximum or rounded mean", () => {
  const next = random(1);
  const [bins, columns] = [11, 7];
  const values = Uint8Array.from({ length: bins * columns }, () => next(256));
  const rows = { from: Int32Array.of(9, 5, 4, 0, 0), to: Int32Array.of(11, 9, 5, 4, 1) };
  for (const how of ["max", "mean"]) {
    const found = picture.poolRows(values, bins, rows, how);
    assert.equal(found.length, 5 * columns);
    for (let y = 0; y < 5; y++) {
      for (let c = 0; c < columns; c++) {
        const part = [...values.slice(c * bins + rows.from[y], c * bins + rows.to[y])];
        const mean = part.reduce((a, b) => a + b) / part.length;
        const expected = how === "max" ? Math.max(...part) : mean;
        near(found[y * columns + c], expected, how === "max" ? 0 : 0.5);
      }
    }
  }
});

test("brightness goes from floor to ceiling along the gamma", () => {
  const table = picture.brightnessTable(120, -80, -20, 2);
  for (let i = 0; i < 256; i++) {
    const db = (i / 255 - 1) * 120;
    near(table[i], Math.min(Math.max((db + 80) / 60, 0), 1) ** 2, 1e-6);
  }
  assert.equal(table[0], 0);
  assert.equal(table[255], 1);
  assert.ok(picture.brightnessTable(120, -20, -20, 1).every(Number.isFinite));
});

test("pixels are red, green, blue, opaque in memory", () => {
  const word = picture.pack(1, 2, 255);
  assert.ok(word > 0);
  assert.deepEqual([...new Uint8Array(Uint32Array.of(word).buffer)], [1, 2, 255, 255]);
});

test("a table of colours looks values up in a palette", () => {
  const hex = (n) => n.toString(16).padStart(2, "0");
  const palette = Array.from({ length: 256 }, (_, i) => `${hex(i)}${hex(255 - i)}07`).join("");
  const straight = Float32Array.from({ length: 256 }, (_, i) => i / 255);
  picture.colorTable(palette, straight).forEach((word, i) => {
    assert.deepEqual(channels(word), [i, 255 - i, 7, 255]);
  });
  const ends = picture.colorTable(
    palette,
    straight.map((u) => (u < 0.5 ? 0 : 1)),
  );
  assert.deepEqual(channels(ends[100]), [0, 255, 7, 255]);
  assert.deepEqual(channels(ends[200]), [255, 0, 7, 255]);
  const pixels = new Uint32Array(3);
  picture.paintColors(pixels, Uint8Array.of(255, 0, 9), ends);
  assert.deepEqual([...pixels], [ends[255], ends[0], ends[9]]);
});

test("hues are parts of a colour, and their sums do not run into each other", () => {
  const colors = ["#E69F00", "#56b4e9", "#ffffff", "#ffffff"];
  const tables = colors.map(picture.hueTable);
  const rgb = colors.map((c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16)));
  for (let m = 0; m < 256; m++) {
    let sum = 0;
    const expected = [0, 0, 0];
    tables.forEach((table, k) => {
      sum += table[m];
      rgb[k].forEach((part, i) => (expected[i] += Math.round((part * m) / 255)));
    });
    assert.deepEqual([sum >>> 20, (sum >>> 10) & 1023, sum & 1023], expected);
  }
});

test("columns of a tile are copied to their pixels, and to no others", () => {
  const values = Uint8Array.of(1, 2, 3, 4, 5, 6); // 2 rows of 3 columns
  const out = new Uint8Array(10).fill(99);
  const offsets = Int32Array.of(7, 0, 2, 2, 7);
  picture.gatherRun(out, 5, 2, { values, stride: 3, from: 1, to: 4, offsets });
  assert.deepEqual([...out], [99, 1, 3, 3, 99, 99, 4, 6, 6, 99]);
  picture.fillRun(out, 5, 2, { from: 3, to: 5, value: 7 });
  assert.deepEqual([...out], [99, 1, 3, 7, 7, 99, 4, 6, 7, 7]);
});

/** The same picture in floating point. */
function paintSlowly(level, masks, colors, brightness, grey) {
  const rgb = colors.map((c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16)));
  return [...level].map((value, i) => {
    const shares = masks.map((mask) => mask[i] / 255);
    const rest = grey * Math.max(1 - shares.reduce((a, b) => a + b, 0), 0);
    return [0, 1, 2].map((part) => {
      const sum = shares.reduce((total, share, k) => total + share * rgb[k][part], rest);
      return Math.min(sum, 255) * brightness[value];
    });
  });
}

function paintAll(level, masks, colors, brightness, grey) {
  const pixels = new Uint32Array(level.length);
  picture.paintHues(pixels, level, masks, colors.map(picture.hueTable), brightness, grey);
  return pixels;
}

test("hues equal a picture in floating point within 2 of 255", () => {
  const next = random(2);
  const n = 4000;
  const colors = ["#E69F00", "#56B4E9", "#009E73"];
  const brightness = picture.brightnessTable(120, -90, 0, 1);
  const level = Uint8Array.from({ length: n }, () => next(256));
  const masks = colors.map(() => new Uint8Array(n));
  for (let i = 0; i < n; i++) {
    // sums below one, equal to it, and above
    const parts = masks.map(() => next(1000) + 1);
    const whole = parts.reduce((a, b) => a + b) / [0.5, 1, 1, 1.7][i % 4];
    parts.forEach((part, k) => (masks[k][i] = Math.min(Math.round((255 * part) / whole), 255)));
  }
  const expected = paintSlowly(level, masks, colors, brightness, 118);
  paintAll(level, masks, colors, brightness, 118).forEach((word, i) => {
    const found = channels(word);
    assert.equal(found[3], 255);
    expected[i].forEach((value, part) => near(found[part], value, 2));
  });
});

test("silence is black, the loudest bin without masks is grey", () => {
  const brightness = picture.brightnessTable(120, -80, 0, 1);
  const found = paintAll(
    Uint8Array.of(0, 255),
    [Uint8Array.of(255, 0)],
    ["#ff0000"],
    brightness,
    118,
  );
  assert.deepEqual(channels(found[0]), [0, 0, 0, 255]);
  assert.deepEqual(channels(found[1]), [118, 118, 118, 255]);
});

test("many stems at full strength become white and no other colour", () => {
  const colors = Array(8).fill("#ffffff");
  const brightness = picture.brightnessTable(120, -80, 0, 1);
  const [word] = paintAll(
    Uint8Array.of(255),
    colors.map(() => Uint8Array.of(255)),
    colors,
    brightness,
    118,
  );
  assert.deepEqual(channels(word), [255, 255, 255, 255]);
});

test("of levels with a sign, the strongest of a row stays", () => {
  const rows = { from: [0, 2], to: [2, 5] };
  const pooled = picture.poolRows(new Uint8Array([120, 130, 128, 200, 1]), 5, rows, "strongest");
  assert.deepEqual([...pooled], [120, 1]);
  assert.equal(picture.stronger(128, 127), 127);
  assert.equal(picture.stronger(140, 116), 140);
});

test("of numbers of colours, the one in the middle of a row is picked", () => {
  const rows = { from: [0, 1, 2], to: [1, 4, 5] };
  const pooled = picture.poolRows(new Uint8Array([7, 200, 3, 9, 1]), 5, rows, "pick");
  assert.deepEqual([...pooled], [7, 3, 9]);
});

test("what is hatched has a dark line in every fourth row, and only from a value on", () => {
  const [width, rows] = [3, 9];
  const table = Uint32Array.from({ length: 256 }, (_, i) => picture.pack(i, i, 255));
  const values = Uint8Array.from({ length: width * rows }, (_, i) => 190 + (i % width));
  const pixels = new Uint32Array(values.length);
  picture.paintHatched(pixels, values, table, 192, rows);
  pixels.forEach((pixel, i) => {
    const dark = i % width === 2 && Math.floor(i / width) % 4 === 0;
    assert.equal(pixel, dark ? picture.OUTSIDE : table[values[i]]);
  });
});
