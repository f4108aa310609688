// What a saved page answers in the kernel's place.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PagePicture } from "../../mssviz/widgets/static/page/picture.js";

test("what a mask lets through is as exact as eight bits are, and read as exactly as the mask", () => {
  const masks = Uint8Array.from({ length: 255 }, (_, i) => i + 1);
  const mixture = new Uint8Array(255).fill(255);
  const layers = [
    { name: "mixture", kind: "mixture", stem: null },
    { name: "mask", kind: "mask", stem: "vocals" },
    { name: "through", kind: "estimate", stem: "vocals" },
  ];
  const geometry = { rangeDb: 120, bins: 255, frames: 1, first: 0, hop: 1, hertzPerBin: 1 };
  const page = new PagePicture(
    { mixture, mask: masks },
    { _layers: layers, _geometry: geometry },
    0,
  );
  const step = geometry.rangeDb / 255;
  page.base(layers[2]).forEach((value, i) => {
    const exact = 20 * Math.log10(masks[i] / 255);
    assert.ok(
      Math.abs(page.db(value) - exact) <= step / 2 + 1e-9,
      `${masks[i]}: ${page.db(value)}`,
    );
    const read = page.read({ seconds: 0, hertz: i }).stems.vocals.level_db;
    assert.ok(Math.abs(read - exact) <= 1e-9, `${masks[i]}: ${read}`);
  });
});
