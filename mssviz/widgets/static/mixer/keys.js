// The mixer's keys.

import { nearestStrip } from "../timeline.js";

export const KEYS =
  "Space play or pause · ← → 1 s, with Shift 5 s · Home, End · ↑ ↓ choose a strip · 1–9 solo · " +
  "M mute · B compare, with Shift all strips · L loop · [ ] loop from, to here. " +
  "Drag over a waveform to loop it.";

/** Whether a key belongs to the control that has the focus. */
function belongsToControl({ key, target }) {
  const control = target.closest("input, select, button, summary");
  const own = { INPUT: /^(Arrow|Home|End|Page)/, SELECT: /./, BUTTON: /^( |Enter)$/, SUMMARY: /./ };
  return Boolean(own[control?.tagName]?.test(key));
}

/** Do what a key stands for. */
export function onMixerKey(event, { desk, player, strips }) {
  if (event.ctrlKey || event.altKey || event.metaKey || belongsToControl(event)) return;
  const { key, shiftKey } = event;
  const index = strips.findIndex(({ group }) => group.contains(document.activeElement));
  const seconds = shiftKey ? 5 : 1;
  const focus = (step) =>
    strips[index < 0 ? 0 : nearestStrip(index, step, strips.length)].group.focus();
  const actions = {
    " ": () => player.toggle(),
    ArrowLeft: () => player.seek(player.now - seconds),
    ArrowRight: () => player.seek(player.now + seconds),
    ArrowUp: () => focus(-1),
    ArrowDown: () => focus(1),
    Home: () => player.seek(desk.first),
    End: () => player.seek(desk.last),
    l: () => desk.toggleLoop(player.now),
    "[": () => desk.loopHere(0, player.now),
    "]": () => desk.loopHere(1, player.now),
    m: () => index >= 0 && desk.toggle(index, "muted"),
    b: () => (shiftKey ? desk.compareAll() : index >= 0 && desk.compareNext(index)),
  };
  const action = /^[1-9]$/.test(key)
    ? () => desk.toggle(Number(key) - 1, "solo")
    : actions[key.length === 1 ? key.toLowerCase() : key];
  if (!action) return;
  action();
  event.preventDefault();
}
