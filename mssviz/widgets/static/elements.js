// Elements of a page, and bytes of a message: what every widget needs.

/** Element with class, attributes and children; text stays text. */
export function make(tag, className, attributes = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A name as a label: in one line, cut in the middle where it is longer than `most`. */
export function oneLine(name, most = 60) {
  const words = name.replace(/[\s\p{C}]+/gu, " ").trim();
  if (words.length <= most) return words;
  const head = Math.floor(((most - 1) * 2) / 3);
  return `${words.slice(0, head)}…${words.slice(head + 1 - most)}`;
}

/** With Ctrl or Cmd these, too, change cells: they run, merge, move, select or bring back some. */
const CHANGES_CELLS = /^(Enter|Backspace|Arrow\w+|[amyz])$/i;

/**
 * Let no key that is pressed within an element be a command of the notebook around it, where a
 * single letter deletes a cell. Shortcuts with Ctrl or Cmd, such as for saving, go on to it, but
 * not those that change cells. `options` are those of `addEventListener`.
 *
 * A click on a part that takes no focus, such as a slider's bar or a text, would give it to the
 * cell around; it stays here.
 */
export function keepKeys(element, options = {}) {
  if (!element.hasAttribute("tabindex")) element.tabIndex = -1;
  const keep = (event) => {
    if (!(event.ctrlKey || event.metaKey) || CHANGES_CELLS.test(event.key)) event.stopPropagation();
  };
  element.addEventListener("keydown", keep, options);
}

/** Paths of pictures that more than one widget shows. */
export const ICONS = { play: "M4 2.5v11l9-5.5z", pause: "M4 3h3v10H4zM9 3h3v10H9z" };

/** Picture on a button: a path in a field of 16 x 16, in the colour of the text. */
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS(space, "path");
  shape.setAttribute("d", path);
  shape.setAttribute("fill-rule", "evenodd");
  svg.append(shape);
  return svg;
}

/** Button with a name that is read out, and shown when the pointer rests on it. */
export function button(className, label, onClick, ...children) {
  const element = make("button", className, { type: "button", "aria-label": label }, ...children);
  element.title = label;
  element.addEventListener("click", onClick);
  return element;
}

/** Say whether a button is pressed. */
export function press(element, pressed) {
  element.setAttribute("aria-pressed", String(pressed));
}

/** Bytes of a buffer, whatever kind of view the front end hands over. */
export function bytesOf(buffer) {
  return buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer)
    : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
