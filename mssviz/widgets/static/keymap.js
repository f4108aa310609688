// The explorer's keys and gestures: one table, by which keys are obeyed and the help card is made.

const digits = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [i + 1, [i]]));

/**
 * Rows of the help card. `command` is what a view must be able to do for the row to apply; `keys`
 * call it, each with its arguments, and `after` what comes after it in every view that can do it.
 * A row without keys is a gesture.
 */
export const KEY_MAP = [
  {
    group: "Playhead",
    shown: ["Space"],
    help: "plays or pauses",
    command: "play",
    keys: { " ": [] },
  },
  {
    group: "Playhead",
    shown: ["←", "→"],
    help: "go 1 s back or on, with Shift 5 s",
    command: "step",
    keys: {
      ArrowLeft: [-1],
      ArrowRight: [1],
      "Shift+ArrowLeft": [-5],
      "Shift+ArrowRight": [5],
    },
    after: "reveal",
  },
  {
    group: "Playhead",
    shown: ["Home", "End"],
    help: "go to the start or the end",
    command: "goTo",
    keys: { Home: [0], End: [1] },
    after: "reveal",
  },
  {
    group: "Playhead",
    shown: ["Click"],
    help: "on the picture, a lane or the scores: the playhead goes there",
    command: "step",
  },
  {
    group: "Selection, which is looped",
    shown: ["Shift+drag"],
    help: "over the picture or the scores selects; with the tool “select”, so does dragging",
    command: "showAll",
  },
  {
    group: "Selection, which is looped",
    shown: ["Drag"],
    help: "over a lane selects",
    command: "loop",
  },
  {
    group: "Selection, which is looped",
    shown: ["L"],
    help: "drops it or brings it back",
    command: "loop",
    keys: { l: [] },
  },
  {
    group: "Selection, which is looped",
    shown: ["[", "]"],
    help: "begins or ends it at the playhead",
    command: "loopHere",
    keys: { "[": [0], "]": [1] },
  },
  {
    group: "Lanes",
    shown: ["1", "…", "9"],
    help: "solo the lane with that number",
    command: "soloLane",
    keys: digits,
  },
  {
    group: "Lanes",
    shown: ["↑", "↓"],
    help: "choose a lane",
    command: "chooseLane",
    keys: { ArrowUp: [-1], ArrowDown: [1] },
  },
  {
    group: "Lanes",
    shown: ["M", "S"],
    help: "mute or solo the chosen lane",
    command: "toggleLane",
    keys: { m: ["muted"], s: ["solo"] },
  },
  {
    group: "Lanes",
    shown: ["B"],
    help: "next of A, B, C on the chosen lane, with Shift on all",
    command: "compare",
    keys: { b: [false], "Shift+b": [true] },
  },
  {
    group: "Lanes",
    shown: ["Double click", "Delete"],
    help: "on a slider: sets it back",
    command: "chooseLane",
  },
  {
    group: "Picture",
    shown: ["+", "−"],
    help: "zoom in time",
    command: "zoomTime",
    keys: { "+": [0.8], "=": [0.8], "-": [1.25] },
  },
  {
    group: "Picture",
    shown: [",", "."],
    help: "move it in time",
    command: "pan",
    keys: { ",": [-0.1, 0], ".": [0.1, 0] },
  },
  {
    group: "Picture",
    shown: ["Shift+↑", "Shift+↓"],
    help: "move it in frequency",
    command: "pan",
    keys: { "Shift+ArrowUp": [0, 0.1], "Shift+ArrowDown": [0, -0.1] },
  },
  {
    group: "Picture",
    shown: ["Shift+Page up", "Shift+Page down"],
    help: "zoom in frequency",
    command: "zoomFrequency",
    keys: { "Shift+PageUp": [0.8], "Shift+PageDown": [1.25] },
  },
  {
    group: "Picture",
    shown: ["0", "Double click"],
    help: "shows all",
    command: "showAll",
    keys: { 0: [] },
  },
  {
    group: "Picture",
    shown: ["Ctrl+wheel"],
    help: "zooms in time, with Shift in frequency; without Ctrl once the picture has the focus",
    command: "zoomTime",
  },
  {
    group: "Picture",
    shown: ["Drag"],
    help: "moves it, selects or paints, as the chosen tool says",
    command: "pan",
  },
  {
    group: "Picture",
    shown: ["Alt+click", "P"],
    help: "pins the bin under the pointer; its ✕ unpins it",
    command: "pin",
    keys: { p: [] },
  },
  {
    group: "Brush without a mouse",
    shown: ["T"],
    help: "goes to the picture with the next tool",
    command: "nextTool",
    keys: { t: [] },
  },
  {
    group: "Brush without a mouse",
    shown: ["←", "→", "↑", "↓"],
    help: "on the picture, with a brush: move a box, with Shift resize it",
    command: "nextTool",
  },
  {
    group: "Brush without a mouse",
    shown: ["Enter"],
    help: "paints the box",
    command: "nextTool",
  },
  {
    group: "Taking back",
    shown: ["Ctrl+Z", "Ctrl+Shift+Z"],
    help: "take a stroke of the brush back, paint it again",
    command: "undo",
    keys: { "Ctrl+z": [] },
  },
  { command: "redo", keys: { "Ctrl+Shift+z": [], "Ctrl+y": [] } },
  {
    group: "Taking back",
    shown: ["Escape"],
    help: "closes what is open; drops, one by one: stroke or box, tool, pin, selection",
    command: "escape",
    keys: { Escape: [] },
  },
  {
    group: "Help",
    shown: ["?"],
    help: "shows this card; Escape closes it",
    command: "help",
    keys: { "?": [] },
  },
];

/** Row and arguments of each key. */
const BINDINGS = new Map(
  KEY_MAP.flatMap((row) => Object.entries(row.keys ?? {}).map(([key, args]) => [key, [row, args]])),
);

/** Keys that have a meaning of their own on what they are pressed on, the first that matches. */
const OWN_KEYS = [
  [
    "textarea, [contenteditable=true], " +
      "input:not([type=range], [type=checkbox], [type=radio], [type=file], [type=button])",
    /./,
  ],
  ["select, [role=listbox], [role=menu]", /^(?!Ctrl\+)/],
  [
    "input[type=range], [role=slider]:not([data-mssviz-playhead])",
    /^(Shift\+)?(Arrow|Home|End|Page)/,
  ],
  ["input[type=radio], [role=radio], [role=tab]", /^( |Arrow|Home|End)/],
  ["button, [role=button], summary, a[href], input", /^( |Enter)$/],
];

/** Name of a key that is pressed, as the table has it: "Shift+ArrowLeft", "Ctrl+z", "?". */
export function keyName(event) {
  const { key } = event;
  // on many keyboards brackets are typed with AltGr, which some systems report as Ctrl and Alt
  const typed = event.getModifierState("AltGraph");
  if (event.altKey && !typed) return "";
  const command = (event.ctrlKey || event.metaKey) && !typed;
  // what Shift makes of other keys is a key of its own
  const shift = event.shiftKey && /^([a-z]|\w{2,})$/i.test(key);
  const name = key.length === 1 ? key.toLowerCase() : key;
  return `${command ? "Ctrl+" : ""}${shift ? "Shift+" : ""}${name}`;
}

/** Row of the table and arguments that a key calls; undefined if it belongs to a control. */
export function bindingOf(event) {
  const name = keyName(event);
  const own = OWN_KEYS.find(([selector]) => event.target.closest(selector));
  return own?.[1].test(name) ? undefined : BINDINGS.get(name);
}
