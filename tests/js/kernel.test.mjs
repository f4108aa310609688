// The state of the kernel behind a widget, as its front end tells it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { onKernel } from "../../mssviz/widgets/static/kernel.js";
import { Widget } from "../../mssviz/widgets/static/widget.js";

/** A signal as JupyterLab has them. */
function signal() {
  const slots = new Set();
  return {
    slots,
    connect: (slot) => slots.add(slot),
    disconnect: (slot) => slots.delete(slot),
    emit: (value) => {
      for (const slot of slots) slot(null, value);
    },
  };
}

function listening(kernel) {
  const el = Object.assign(new EventTarget(), { replaceChildren: () => {} });
  const widget = new Widget({ widget_manager: { kernel } }, el);
  const states = [];
  onKernel(widget, (state) => states.push(state));
  return { widget, states };
}

const kernelOf = () => ({
  statusChanged: signal(),
  connectionStatusChanged: signal(),
  disposed: signal(),
});

test("a lost connection can come back, and is told once", () => {
  const kernel = kernelOf();
  const { states } = listening(kernel);
  for (const status of ["connected", "connecting", "disconnected", "connecting", "connected"]) {
    kernel.connectionStatusChanged.emit(status);
  }
  assert.deepEqual(states, ["lost", "live"]);
});

test("a kernel that has ended does not come back", () => {
  for (const end of ["autorestarting", "dead", "restarting", "terminating"]) {
    const kernel = kernelOf();
    const { states } = listening(kernel);
    for (const status of ["busy", "idle", end, "starting", "idle"])
      kernel.statusChanged.emit(status);
    kernel.connectionStatusChanged.emit("connecting");
    kernel.connectionStatusChanged.emit("connected");
    assert.deepEqual(states, ["stopped"]);
  }
  const kernel = kernelOf();
  const { states } = listening(kernel);
  kernel.disposed.emit();
  assert.deepEqual(states, ["stopped"]);
});

test("a closed view listens no more", () => {
  const kernel = kernelOf();
  const { widget } = listening(kernel);
  widget.close();
  assert.deepEqual(
    Object.values(kernel).map(({ slots }) => slots.size),
    [0, 0, 0],
  );
});

test("front ends that tell nothing of a kernel are silent", () => {
  for (const kernel of [undefined, null, {}, { statusChanged: signal() }]) {
    assert.deepEqual(listening(kernel).states, []);
  }
  const el = Object.assign(new EventTarget(), { replaceChildren: () => {} });
  onKernel(new Widget({}, el), () => assert.fail());
});
