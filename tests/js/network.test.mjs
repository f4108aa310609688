// What is said of a network's parts; run with `node --test tests/js`.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as plan from "../../mssviz/widgets/static/network/plan.js";

test("a block says in a word what is done to it", () => {
  assert.equal(plan.markOf(undefined), "");
  assert.equal(plan.markOf("off"), "off");
  assert.equal(plan.markOf("x 0.5"), "× 0.5");
  assert.equal(plan.markOf("channels 3, 7: off; channels 1: x 0.5"), "partly");
});

test("the slider stands at the largest gain, and says whether gains differ", () => {
  assert.deepEqual(plan.commonGain([1, 1]), { gain: 1, differ: false });
  assert.deepEqual(plan.commonGain([0, 0.5, 0]), { gain: 0.5, differ: true });
});

test("a span has both of its ends, in whichever order they are pressed", () => {
  assert.deepEqual(plan.span(3, 6), [3, 4, 5, 6]);
  assert.deepEqual(plan.span(6, 3), [3, 4, 5, 6]);
  assert.deepEqual(plan.span(4, 4), [4]);
});
