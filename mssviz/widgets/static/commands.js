// Commands: what keys do, wherever in the explorer they are pressed, and which view does it.

import { keepKeys } from "./elements.js";
import { showHelp } from "./help.js";
import { bindingOf } from "./keymap.js";

/** What holds views that belong together: an explorer, or a saved page. */
const SCOPE = ".mssviz-box, .mssviz-page";
/** A page has only one such property's name: views are modules that do not know each other. */
const COMMANDS = "mssvizCommands";

/** All that shares an element's keys. */
function scopeOf(element) {
  return element.closest(SCOPE) ?? element;
}

/** What the views of a scope can do: a command by its name, or undefined. */
class Commands {
  constructor(scope) {
    this.scope = scope;
    const elements = [scope, ...scope.querySelectorAll(".mssviz-view")];
    this.views = elements.map((element) => element[COMMANDS]).filter(Boolean);
  }

  /** Whether there is a view that keys do something in; an explorer may have none yet. */
  get some() {
    return this.views.some(({ commands }) => Object.keys(commands).length > 0);
  }

  /** Whether there is, or will be, something to tell. */
  get hasHelp() {
    return this.some || this.scope.matches(SCOPE);
  }

  all(name) {
    return this.views.map((view) => view.commands[name]).filter(Boolean);
  }

  /** The command of a view; of one that stands alone; or of a button that says it does that. */
  find(name) {
    const [first] = this.all(name);
    const alone = this.views.find((view) => view.alone[name])?.alone[name];
    const button = this.scope.querySelector(`.mssviz-does-${name}`);
    return first ?? alone ?? (button ? () => button.click() : undefined);
  }
}

/** Do what a key stands for; commands of the notebook's are dealt with by `keepKeys`. */
function onKey(event, element) {
  const binding = !event.defaultPrevented && bindingOf(event);
  if (!binding || event.target.closest("dialog")) return;
  const [{ command, after }, args] = binding;
  const commands = new Commands(scopeOf(element));
  const help = command === "help" && commands.hasHelp && (() => openHelp(commands));
  const found = help || commands.find(command);
  if (!found) return;
  event.preventDefault();
  event.stopPropagation();
  found(...args);
  for (const next of commands.all(after)) next();
}

/** Show the card of what keys and gestures do here: all of them while there is no view yet. */
function openHelp(commands, page = "keys") {
  const applies = (name) => name === "help" || !commands.some || Boolean(commands.find(name));
  showHelp(commands.scope, applies, commands.find("tour"), page);
}

/**
 * Obey the keys that are pressed within a widget's element, and keep them from the notebook.
 *
 * `commands` are what its view can do, by their names in the table of keys; `alone` are those that
 * it leaves to other views of its scope.
 */
export function obeyKeys(widget, element, commands = {}, alone = {}) {
  element.classList.add("mssviz-view");
  element[COMMANDS] = { commands, alone };
  widget.on(element, "keydown", (event) => onKey(event, element));
  widget.on(element, "click", ({ target }) => {
    const scope = scopeOf(element);
    const asked = scope === element && target.closest(".mssviz-does-help");
    if (asked) openHelp(new Commands(scope), asked.dataset.page);
  });
  keepKeys(element, { signal: widget.signal });
  widget.onEnd(() => delete element[COMMANDS]);
}
