// The help card: the keys and gestures that apply, made of the one table of them, and the terms.

import { button, make, press } from "./elements.js";
import { GLOSSARY } from "./glossary.js";
import { KEY_MAP } from "./keymap.js";

const TERMS_HELP = "Terms: what the words on the page mean";
const TOUR_HELP = "Take the tour of the explorer in five steps";

/**
 * Show the card over the page. `applies` says of a command whether it can be given; `tour` begins
 * the tour, if there is one; `page` is what is seen first, "keys" or "terms".
 */
export function showHelp(scope, applies, tour, page) {
  const close = button("mssviz-help-close", "Close (Escape)", () => card.close(), "✕");
  const title = make("h2", "", {}, "Keys and gestures");
  const leave = () => {
    card.close();
    tour();
  };
  const more = tour ? [button("mssviz-help-tour", TOUR_HELP, leave, "Take the tour")] : [];
  const showTerms = () => {
    list.hidden = !list.hidden;
    body.hidden = !body.hidden;
    press(turn, !list.hidden);
  };
  const turn = button("", TERMS_HELP, showTerms, "Terms");
  const list = make("div", "mssviz-help-terms", { hidden: "" }, terms());
  const head = make("div", "mssviz-help-head", {}, title, turn, ...more, close);
  const body = make("div", "mssviz-help-body", {}, ...sections(applies));
  const card = make(
    "dialog",
    "mssviz-help",
    { "aria-label": "Keys and gestures" },
    head,
    body,
    list,
  );
  press(turn, false);
  if (page === "terms") showTerms();
  card.addEventListener("close", () => card.remove());
  card.addEventListener("keydown", (event) => event.key === "?" && card.close());
  card.addEventListener("click", (event) => event.target === card && card.close());
  scope.append(card);
  card.showModal(); // gives the focus back where it was when it is closed
}

/** A button that shows the card's terms. */
export function termsButton() {
  const found = button("mssviz-does-help mssviz-terms", TERMS_HELP, () => {}, "Terms");
  found.dataset.page = "terms";
  return found;
}

function sections(applies) {
  const rows = KEY_MAP.filter(({ group, command }) => group && applies(command));
  const groups = [...new Set(rows.map(({ group }) => group))];
  return groups.map((group) => {
    const list = rows.filter((row) => row.group === group).flatMap(describe);
    return make("section", "", {}, make("h3", "", {}, group), make("dl", "", {}, ...list));
  });
}

function terms() {
  const list = GLOSSARY.flatMap(([term, meaning]) => [
    make("dt", "", {}, term),
    make("dd", "", {}, meaning),
  ]);
  return make("dl", "", {}, ...list);
}

function describe({ shown, help }) {
  const keys = shown.map((key) => make("kbd", "", {}, key));
  return [make("dt", "", {}, ...keys), make("dd", "", {}, help)];
}
