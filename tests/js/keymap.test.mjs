// The table of keys: what is pressed calls what it says, unless a control has its own use for it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { KEY_MAP, bindingOf, keyName } from "../../mssviz/widgets/static/keymap.js";

/** A key pressed on an element that matches one selector's part, such as "select". */
function pressed(key, { on = "canvas", modifiers = [], altGraph = false } = {}) {
  const has = (name) => modifiers.includes(name);
  return {
    key,
    shiftKey: has("Shift"),
    ctrlKey: has("Ctrl"),
    metaKey: has("Meta"),
    altKey: has("Alt"),
    getModifierState: (name) => name === "AltGraph" && altGraph,
    target: { closest: (selector) => selector.split(/, (?![^(]*\))/).includes(on) || null },
  };
}

const called = (...args) => {
  const [row, values] = bindingOf(pressed(...args)) ?? [];
  return row && [row.command, ...values];
};

test("every key stands in the table once, and every row is told but for another's other half", () => {
  const keys = KEY_MAP.flatMap(({ keys }) => Object.keys(keys ?? {}));
  assert.equal(new Set(keys).size, keys.length);
  for (const { group, shown, help } of KEY_MAP.filter(({ command }) => command !== "redo")) {
    assert.ok(group && shown.length && help);
  }
});

test("names of keys do not depend on capitals, nor on how brackets are typed", () => {
  assert.equal(keyName(pressed("L")), "l");
  assert.equal(keyName(pressed("B", { modifiers: ["Shift"] })), "Shift+b");
  assert.equal(keyName(pressed("?", { modifiers: ["Shift"] })), "?");
  assert.equal(keyName(pressed("+", { modifiers: ["Shift"] })), "+");
  assert.equal(keyName(pressed("ArrowUp", { modifiers: ["Shift"] })), "Shift+ArrowUp");
  assert.equal(keyName(pressed("Z", { modifiers: ["Meta", "Shift"] })), "Ctrl+Shift+z");
  const bracket = { modifiers: ["Ctrl", "Alt"], altGraph: true };
  assert.equal(keyName(pressed("[", bracket)), "[");
  assert.equal(keyName(pressed("m", { modifiers: ["Alt"] })), "");
});

test("keys call commands with their arguments", () => {
  assert.deepEqual(called(" "), ["play"]);
  assert.deepEqual(called("3"), ["soloLane", 2]);
  assert.deepEqual(called("M"), ["toggleLane", "muted"]);
  assert.deepEqual(called("ArrowLeft", { modifiers: ["Shift"] }), ["step", -5]);
  assert.deepEqual(called("z", { modifiers: ["Ctrl"] }), ["undo"]);
  assert.equal(called("q"), undefined);
  assert.equal(called("s", { modifiers: ["Ctrl"] }), undefined);
});

test("controls keep the keys that are theirs, and no others", () => {
  for (const key of [" ", "Enter"]) assert.equal(called(key, { on: "button" }), undefined);
  assert.deepEqual(called("m", { on: "button" }), ["toggleLane", "muted"]);
  for (const key of ["ArrowLeft", "Home"]) {
    assert.equal(called(key, { on: "input[type=range]" }), undefined);
  }
  assert.deepEqual(called(" ", { on: "input[type=range]" }), ["play"]);
  for (const key of ["m", " ", "ArrowUp", "?", "Escape"]) {
    assert.equal(called(key, { on: "textarea" }), undefined);
    assert.equal(called(key, { on: "select" }), undefined);
  }
  const undo = { modifiers: ["Ctrl"] };
  assert.equal(called("z", { on: "textarea", ...undo }), undefined);
  assert.deepEqual(called("z", { on: "select", ...undo }), ["undo"]);
});
