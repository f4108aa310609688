// The mixer's table of states: what is drawn in the comment, and what a view does by it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Player, STATES } from "../../mssviz/widgets/static/mixer/player.js";

const FILE = new URL("../../mssviz/widgets/static/mixer/player.js", import.meta.url);
const EVENTS = ["complete", "play", "pause", "track", "due"];

/** The table in the comment, in the form of the code's. */
function drawn() {
  const lines = readFileSync(FILE, "utf8").split("\n");
  const first = lines.findIndex((line) => EVENTS.every((event) => line.includes(event)));
  const columns = EVENTS.map((event) => lines[first].indexOf(event));
  const table = {};
  for (const line of lines.slice(first + 1, first + 1 + Object.keys(STATES).length)) {
    const row = {};
    EVENTS.forEach((event, i) => {
      const cell = line.slice(columns[i], columns[i + 1]).trim();
      if (cell !== "–") row[event] = cell.split(": ");
    });
    table[line.slice(0, columns[0]).replace("*", "").trim()] = row;
  }
  return table;
}

globalThis.document ??= new EventTarget();

/** Player without sound: notes what it is told to do. */
function player(traits = {}) {
  const listeners = {};
  const widget = {
    onModel: (event, listener) => {
      listeners[event] = listener;
    },
    onEnd: (listener) => {
      widget.end = listener;
    },
    on: (target, type, listener) => target.addEventListener(type, listener),
    later: () => ({}),
  };
  const desk = {
    owner: {},
    get: (name) => traits[name],
    save: (values) => Object.assign(traits, values),
  };
  const tracks = { complete: false };
  const made = new Player(widget, desk, tracks, () => {});
  made.done = [];
  for (const action of ["start", "stop", "wait", "join", "sleep"]) {
    made[action] = () => made.done.push(action);
  }
  const set = (name, value) => {
    traits[name] = value;
    listeners[`change:${name}`]();
  };
  return { made, traits, tracks, set, end: () => widget.end() };
}

test("the table that is drawn is the one that is obeyed", () => {
  assert.deepEqual(drawn(), STATES);
});

test("every state can be reached, and every one that follows exists", () => {
  const steps = Object.values(STATES).flatMap((row) => Object.values(row));
  const reached = new Set(["arriving", ...steps.map(([state]) => state)]);
  assert.deepEqual(reached, new Set(Object.keys(STATES)));
});

test("what must not happen in a state changes nothing and does nothing", () => {
  for (const [state, row] of Object.entries(STATES)) {
    for (const event of EVENTS.filter((name) => !(name in row))) {
      const { made } = player();
      made.state = state;
      made.handle(event);
      assert.deepEqual([made.state, made.done], [state, []], `${event} while ${state}`);
    }
  }
});

test("a mixer told to play starts as soon as its last track is here", () => {
  const { made, tracks, set, end } = player();
  set("playing", true);
  made.arrived();
  assert.deepEqual([made.state, made.done], ["arriving", []]);
  tracks.complete = true;
  made.arrived();
  assert.deepEqual([made.state, made.done], ["sounding", ["start"]]);
  end();
});

test("audio that comes while it sounds is waited for once and joined once", () => {
  const { made, tracks, set, end } = player();
  tracks.complete = true;
  made.arrived();
  set("playing", true);
  for (let i = 0; i < 3; i++) made.arrived();
  assert.equal(made.state, "joining");
  made.handle("due");
  assert.deepEqual([made.state, made.done], ["sounding", ["start", "wait", "join"]]);
  end();
});

test("a pause puts an end to sound and to what waits, and sound can begin again in it", () => {
  const { made, tracks, set, end } = player();
  tracks.complete = true;
  made.arrived();
  set("playing", true);
  made.arrived();
  set("playing", false);
  assert.deepEqual([made.state, made.done], ["fading", ["start", "wait", "stop"]]);
  set("playing", true);
  set("playing", false);
  made.handle("due");
  assert.deepEqual([made.state, made.done.slice(3)], ["silent", ["start", "stop", "sleep"]]);
  end();
});

test("a selection takes the playhead along, unless it is in it; a mixer pauses when another begins", () => {
  const { made, traits, tracks, set, end } = player({ time: 3 });
  set("selection", [2, 5]);
  assert.equal(traits.time, 3);
  set("selection", [4, 5]);
  assert.equal(traits.time, 4);
  set("selection", null);
  assert.equal(traits.time, 4);
  tracks.complete = true;
  made.arrived();
  set("playing", true);
  const begins = (owner) =>
    document.dispatchEvent(new CustomEvent("mssviz-sound-begins", { detail: owner }));
  begins(made.desk.owner);
  assert.equal(traits.playing, true);
  begins({});
  assert.equal(traits.playing, false);
  end();
});

test("of two views one sounds, the one used last; a view that ends gives way", () => {
  const [first, second] = [player({ playing: true }), player({ playing: true })];
  for (const { made, tracks } of [first, second]) {
    tracks.complete = true;
    made.arrived();
  }
  assert.deepEqual([first.made.state, second.made.state], ["sounding", "silent"]);
  second.made.lead();
  assert.deepEqual([first.made.state, second.made.state], ["fading", "sounding"]);
  second.end();
  assert.deepEqual([second.made.done, second.traits.playing], [["start", "stop"], false]);
  first.made.sync();
  assert.equal(first.made.state, "sounding");
  first.end();
});
