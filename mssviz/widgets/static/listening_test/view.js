// Listening test: sounds of a trial in sync, heard one at a time, rated or preferred blind.
// Python holds the answers and who is who; here a sound is only its place on the page.

import { keepKeys, make } from "../elements.js";
import { asWidget } from "../widget.js";
import { Answers } from "./answers.js";
import { TrialPage, element } from "./trial_page.js";
import { TrialSound } from "./trial_sound.js";
import { hint, keyAction } from "./wording.js";

const PATIENCE_MS = 8000;

let views = 0; // so far, for the names of radio groups

class ListeningTestView {
  constructor(widget) {
    Object.assign(this, { widget, model: widget.model, group: `mssviz-lt-${views++}` });
    this.answers = new Answers(widget, () => this.show());
    this.sound = new TrialSound(widget, {
      onChange: () => this.show(),
      onTime: () => this.page.showTime(),
      onHeard: (...what) => this.answers.hear(...what),
    });
    this.giveUp = widget.later(() => this.retry());
    this.insist = widget.insist(
      () => this.answers.state.ids && !this.sound.ready && !this.sound.failure,
      () => this.ask(),
    );
    this.root = make("div", "mssviz-lt", { role: "region", "aria-label": "Listening test" });
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    keepKeys(this.root);
    widget.el.append(this.root);
    widget.onModel("change:state", () => this.onState());
    widget.onModel("msg:custom", ({ kind, trial, id }, buffers) => {
      if (kind === "audio" && trial === this.answers.trial) this.sound.receive(id, buffers[0]);
    });
    this.onState();
  }

  onState() {
    const state = this.model.get("state");
    if (state.trial !== this.answers.trial) {
      this.openTrial(state);
      return;
    }
    this.answers.confirm(state);
    this.show();
  }

  openTrial(state) {
    const inside = this.root.contains(document.activeElement);
    this.sound.stop();
    this.giveUp.drop();
    this.advancing = this.silent = false;
    this.answers.open(state.trial);
    this.sound.open(state.ids ?? []);
    if (state.ids) this.buildTrial();
    else this.buildEnd(state.table);
    if (inside) this.heading.focus(); // so that keys go on working and the new trial is read out
  }

  buildTrial() {
    const { answers, sound, group } = this;
    const question = this.model.get("question");
    this.page = new TrialPage({ answers, sound, question, group, onNext: () => this.next() });
    this.heading = this.page.heading;
    this.root.replaceChildren(...this.page.elements);
    this.ask();
    this.show();
  }

  /** Ask for the trial's sounds that have not come. */
  ask() {
    const have = [...this.sound.buffers.keys()];
    this.model.send({ kind: "ask", trial: this.answers.trial, have });
    this.insist();
  }

  buildEnd(table) {
    this.sound.close();
    this.heading = element("h3", "heading", { tabindex: "-1" }, "Thank you");
    const thanks = element("p", "question", {}, "All trials are answered.");
    this.root.replaceChildren(this.heading, thanks, ...(table ? [this.buildTable(table)] : []));
  }

  buildTable([head, ...body]) {
    const cell = (tag, scope) => (text, i) =>
      element(i ? tag : "th", "", i && !scope ? {} : { scope: scope ?? "row" }, text);
    const header = element("tr", "", {}, ...head.map(cell("th", "col")));
    const rows = body.map((row) => element("tr", "", {}, ...row.map(cell("td"))));
    const parts = [element("thead", "", {}, header), element("tbody", "", {}, ...rows)];
    return element("div", "scroller", {}, element("table", "results", {}, ...parts));
  }

  show() {
    if (this.widget.closed || !this.answers.state.ids) return;
    this.page.show(this.status, this.answers.complete && !this.advancing);
  }

  /** What the listener is told; what keeps the test from going on comes first. */
  get status() {
    const { answers, sound } = this;
    if (sound.failure) return sound.failure;
    if (!sound.ready) return `Loading sounds: ${sound.buffers.size} of ${sound.ids.length}.`;
    if (this.silent) {
      return "The kernel does not answer. If it was restarted, run the cell again.";
    }
    if (this.advancing) return "Waiting for the kernel…";
    return hint(answers.left, answers.method);
  }

  next() {
    if (!this.answers.complete || this.advancing) return;
    this.sound.stop();
    this.advancing = true;
    this.silent = false;
    this.giveUp.after(PATIENCE_MS);
    this.heading.focus({ preventScroll: true }); // a button loses it where it is disabled
    this.answers.next();
    this.show();
  }

  /** Let the listener press "Next" again if the kernel has not answered. */
  retry() {
    this.advancing = false;
    this.silent = true;
    this.show();
  }

  onKey(event) {
    const { ids } = this.answers.state;
    if (event.ctrlKey || event.altKey || event.metaKey || !ids) return;
    const control = event.target.closest("button, input, summary");
    const target = control?.type ?? (control ? "button" : "");
    const action = keyAction(event.key, target, ids);
    if (!action || (event.repeat && action.do !== "select")) return;
    event.preventDefault();
    if (action.do === "toggle") this.sound.toggle();
    if (action.do === "next") this.next();
    if (action.do === "select") {
      this.sound.select(action.id);
      this.page.focusSlider(action.id);
    }
  }

  /** What tests look at. */
  forTests() {
    const { sound, model } = this;
    return {
      model,
      get ready() {
        return sound.ready;
      },
      get context() {
        return sound.context ?? null;
      },
      get position() {
        return sound.now;
      },
      get gains() {
        return [...(sound.run?.voices ?? [])].map(([, { gain }]) => gain.gain.value);
      },
      /** Left channel of a run that switches to each id at its time, [[seconds, id], …]. */
      render: (seconds, switches) => sound.render(seconds, switches),
    };
  }
}

export default asWidget("mssvizListeningTest", (widget) =>
  new ListeningTestView(widget).forTests(),
);
