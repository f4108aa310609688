// A button's click: it carries what its neighbours show, in every front end that has a manager.

import assert from "node:assert/strict";
import { test } from "node:test";

/** The only elements that are made here are buttons. */
globalThis.document = {
  createElement() {
    const button = new EventTarget();
    return Object.assign(button, {
      classList: { toggle: () => {} },
      setAttribute: () => {},
      append: () => {},
    });
  },
};
const { default: press } = await import("../../mssviz/widgets/static/press.js");

/** Function that clicks a button of these controls and gives what the kernel gets. */
async function clicked(manager) {
  const traits = {
    description: "Go",
    _carried: [
      ["picker", "value"],
      ["gone", "value"],
      ["box", "value"],
    ],
  };
  let heard;
  const told = new Promise((resolve) => {
    heard = resolve;
  });
  const model = {
    get: (name) => traits[name],
    on: () => {},
    off: () => {},
    send: heard,
    widget_manager: manager,
  };
  const el = Object.assign(new EventTarget(), { append: () => {}, replaceChildren: () => {} });
  press.render({ model, el });
  el.mssvizButton.button.dispatchEvent(new Event("click"));
  return await told;
}

test("a click carries the label of a choice, the value of a box, and nothing of what is gone", async () => {
  const models = {
    picker: { _options_labels: ["one", "two"], index: 1, value: "hidden" },
    box: { value: 2.5 },
  };
  const manager = {
    has_model: (id) => id in models,
    get_model: async (id) => ({ get: (name) => models[id][name] }),
  };
  assert.deepEqual(await clicked(manager), {
    kind: "press",
    shown: [
      ["picker", "value", "two"],
      ["box", "value", 2.5],
    ],
  });
});

test("where there is no manager, or one without models, the click itself arrives", async () => {
  for (const manager of [undefined, {}]) {
    assert.deepEqual(await clicked(manager), { kind: "press", shown: [] });
  }
});
