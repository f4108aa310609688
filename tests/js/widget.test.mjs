// What views share: their link to model and page ends as a whole.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Widget, asWidget } from "../../mssviz/widgets/static/widget.js";

/** A model that counts what is sent, and an element that knows whether it was emptied. */
function fakes() {
  const listeners = new Map();
  const model = {
    sent: [],
    traits: {},
    on: (event, listener) => listeners.set(event, listener),
    off: (event, listener) => listeners.get(event) === listener && listeners.delete(event),
    set: (name, value) => {
      model.traits[name] = value;
    },
    save_changes: () => model.sent.push({ ...model.traits }),
  };
  const el = Object.assign(new EventTarget(), { replaceChildren: () => (el.emptied = true) });
  return { model, el, listeners };
}

test("what changes within a moment is sent together, and what is urgent at once", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { model, el } = fakes();
  const widget = new Widget(model, el);
  for (const start of [1, 2, 3]) widget.saveSoon({ start });
  assert.deepEqual(model.sent, []);
  mock.timers.tick(150);
  assert.deepEqual(model.sent, [{ start: 3 }]);
  widget.saveSoon({ start: 4 });
  widget.save({ stop: 5 });
  mock.timers.tick(1000);
  assert.deepEqual(model.sent.slice(1), [{ start: 4, stop: 5 }]);
  mock.timers.reset();
});

test("a call can be put off again, hurried and dropped", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { model, el } = fakes();
  let calls = 0;
  const later = new Widget(model, el).later(() => calls++);
  later.after(100);
  mock.timers.tick(60);
  later.after(100); // counted anew
  mock.timers.tick(60);
  later.within(10); // one waits already
  mock.timers.tick(39);
  assert.equal(calls, 0);
  mock.timers.tick(1);
  assert.equal(calls, 1);
  later.after(100);
  later.now();
  later.after(100);
  later.drop();
  mock.timers.tick(1000);
  assert.equal(calls, 2);
  mock.timers.reset();
});

test("nothing outlives the view", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { model, el, listeners } = fakes();
  const heard = [];
  const close = asWidget("mssvizTest", (widget) => {
    widget.on(el, "click", () => heard.push("click"));
    widget.onModel("change:time", () => heard.push("time"));
    const later = widget.later(() => heard.push("later"));
    later.after(10);
    widget.saveSoon({ time: 1 });
    widget.onEnd(() => {
      heard.push(el.emptied ? "too late" : "end");
      later.after(10);
    });
    return { widget };
  }).render({ model, el });
  assert.ok(el.mssvizTest.widget instanceof Widget);
  el.dispatchEvent(new Event("click"));
  listeners.get("change:time")();
  close();
  el.dispatchEvent(new Event("click"));
  mock.timers.tick(1000);
  assert.deepEqual(heard, ["click", "time", "end"]);
  assert.deepEqual(
    [listeners.size, model.sent.length, el.emptied, "mssvizTest" in el],
    [0, 0, true, false],
  );
  mock.timers.reset();
});

test("a frame is asked for once, and not after the end", () => {
  const frames = [];
  globalThis.requestAnimationFrame = (call) => frames.push(call);
  globalThis.cancelAnimationFrame = (id) => delete frames[id - 1];
  const { model, el } = fakes();
  let painted = 0;
  const widget = new Widget(model, el);
  const paint = widget.perFrame(() => painted++);
  paint();
  paint();
  assert.equal(frames.length, 1);
  frames[0]();
  paint();
  widget.close();
  paint();
  assert.deepEqual([frames.length, frames[1], painted], [2, undefined, 1]);
});
