// Where the tour's card stands: beside what it points at, never over it, and within the window.

import assert from "node:assert/strict";
import { test } from "node:test";
import { beside } from "../../mssviz/widgets/static/tour/placing.js";

const ROOM = { width: 1000, height: 600 };
const CARD = { width: 300, height: 120 };

test("a card stands below what it points at where there is room", () => {
  assert.deepEqual(beside({ left: 100, top: 50, right: 400, bottom: 80 }, CARD, ROOM), [100, 90]);
});

test("at the lower edge it stands above, and at the right edge further left", () => {
  const target = { left: 900, top: 560, right: 990, bottom: 590 };
  assert.deepEqual(beside(target, CARD, ROOM), [690, 430]);
});

test("beside what is as high as the window it stands right or left", () => {
  const left = { left: 0, top: 0, right: 600, bottom: 600 };
  const right = { left: 400, top: 0, right: 1000, bottom: 600 };
  assert.deepEqual(beside(left, CARD, ROOM), [610, 10]);
  assert.deepEqual(beside(right, CARD, ROOM), [90, 10]);
});

test("where it fits nowhere there is no place", () => {
  assert.equal(beside({ left: 0, top: 0, right: 1000, bottom: 600 }, CARD, ROOM), null);
});
