// What the listening test computes without a page; run with `node --test tests/js`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { positionAfter, taper } from "../../mssviz/widgets/static/listening_test/run.js";
import * as lt from "../../mssviz/widgets/static/listening_test/wording.js";

const page = (changes = {}) => ({
  ids: ["open", "1", "2", "3"],
  played: [],
  ratings: {},
  choice: null,
  ...changes,
});

test("the five labels share the scale evenly, its ends included", () => {
  const at = [0, 19, 20, 40, 60, 79, 80, 100].map(lt.qualityLabel);
  const wanted = ["Bad", "Bad", "Poor", "Fair", "Good", "Good", "Excellent", "Excellent"];
  assert.deepEqual(at, wanted);
});

test("sounds are named by their place alone", () => {
  assert.equal(lt.soundName("open", "mushra"), "Reference");
  assert.equal(lt.soundName("2", "mushra"), "Sound 2");
  assert.deepEqual(
    ["1", "2"].map((id) => lt.soundName(id, "ab")),
    ["A", "B"],
  );
});

test("a page is done when every sound has been heard and rated; the reference need not be", () => {
  assert.deepEqual(lt.remaining(page(), "mushra"), { hear: 3, rate: 3 });
  const rated = page({ played: ["1", "2", "open"], ratings: { 1: 0, 3: 100 } });
  assert.deepEqual(lt.remaining(rated, "mushra"), { hear: 1, rate: 1 });
  const done = page({ played: ["1", "2", "3"], ratings: { 1: 0, 2: 0, 3: 0 } });
  assert.deepEqual(lt.remaining(done, "mushra"), { hear: 0, rate: 0 });
});

test("an A/B page needs a choice, and A is one", () => {
  const pair = page({ ids: ["1", "2"], played: ["1", "2"] });
  assert.deepEqual(lt.remaining(pair, "ab"), { hear: 0, rate: 1 });
  assert.deepEqual(lt.remaining({ ...pair, choice: 0 }, "ab"), { hear: 0, rate: 0 });
});

test("the hint says what is left", () => {
  const both = "Listen to 2 more sounds and rate 1 more sound to go on.";
  assert.equal(lt.hint({ hear: 2, rate: 1 }, "mushra"), both);
  assert.equal(lt.hint({ hear: 0, rate: 1 }, "ab"), "Choose one to go on.");
  assert.equal(lt.hint({ hear: 0, rate: 0 }, "mushra"), "");
});

test("keys choose sounds that there are, and leave a control its own", () => {
  const { ids } = page();
  assert.deepEqual(lt.keyAction("2", "range", ids), { do: "select", id: "2" });
  assert.deepEqual(lt.keyAction("0", "", ids), { do: "select", id: "open" });
  assert.deepEqual(lt.keyAction("b", "radio", ["1", "2"]), { do: "select", id: "2" });
  assert.equal(lt.keyAction("4", "", ids), null);
  assert.equal(lt.keyAction("0", "", ["1", "2"]), null);
  assert.equal(lt.keyAction("x", "", ids), null);
  assert.deepEqual(lt.keyAction(" ", "range", ids), { do: "toggle" });
  assert.deepEqual(lt.keyAction("Enter", "radio", ids), { do: "next" });
  assert.equal(lt.keyAction("ArrowLeft", "range", ids), null);
  assert.equal(lt.keyAction(" ", "button", ids), null);
  assert.equal(lt.keyAction("Enter", "button", ids), null);
});

test("ends are faded alike, the middle stays", () => {
  const faded = taper(new Float32Array(10).fill(1), 2);
  assert.deepEqual([...faded], [0.25, 0.75, 1, 1, 1, 1, 1, 1, 0.75, 0.25]);
  assert.equal(taper(new Float32Array(1).fill(1), 5)[0], 1);
});

test("a position wraps in a loop and ends without one", () => {
  assert.equal(positionAfter(1, 0.5, 4, false), 1.5);
  assert.equal(positionAfter(1, 3, 4, false), null);
  assert.equal(positionAfter(1, 3.5, 4, true), 0.5);
  assert.equal(positionAfter(1, 11, 4, true), 0);
  assert.equal(positionAfter(1, -0.1, 4, true), 1);
});
