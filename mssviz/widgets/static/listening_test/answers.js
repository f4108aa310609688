// A listener's answers: those that Python has, and what was done here that it does not know yet.

import { remaining } from "./wording.js";

const SEND_MS = 150;

/** Answers of the trial that is open; each is sent with the trial's number. */
export class Answers {
  /** `onChange` is called when there is a new answer. */
  constructor(widget, onChange) {
    Object.assign(this, { model: widget.model, onChange, trial: null });
    this.sending = widget.later(() => this.sendRatings());
    widget.onEnd(() => this.sendRatings());
  }

  /** Begin with a trial. */
  open(trial) {
    this.trial = trial;
    this.heard = new Set();
    this.changed = new Map(); // ratings that Python has not confirmed
    this.unsent = new Map();
    this.chosen = null;
  }

  get method() {
    return this.model.get("method");
  }

  /** Python's state, with what was done here. */
  get state() {
    const state = this.model.get("state");
    const { played = [], ratings = {}, choice = null } = state;
    return {
      ...state,
      played: [...new Set([...played, ...this.heard])],
      ratings: { ...ratings, ...Object.fromEntries(this.changed) },
      choice: this.chosen ?? choice,
    };
  }

  /** How many sounds are left to hear, and how many to rate. */
  get left() {
    return remaining(this.state, this.method);
  }

  get complete() {
    const { hear, rate } = this.left;
    return !hear && !rate;
  }

  /** Forget what Python has by now. */
  confirm({ ratings, choice }) {
    for (const [id, value] of this.changed) {
      if (ratings?.[id] === value) this.changed.delete(id);
    }
    if (this.chosen === choice) this.chosen = null;
  }

  send(message) {
    this.model.send({ ...message, trial: this.trial });
  }

  /** Tell how often and how long a sound has been heard since it was last told. */
  hear(id, times, seconds) {
    this.heard.add(id);
    this.send({ kind: "heard", id, times, seconds });
  }

  /** Rate a sound from 0 to 100; sent soon, or at once. */
  rate(id, rating, { atOnce = false } = {}) {
    if (this.state.ratings[id] !== rating) {
      this.changed.set(id, rating);
      this.unsent.set(id, rating);
    }
    if (atOnce) this.sending.now();
    else this.sending.within(SEND_MS);
    this.onChange();
  }

  sendRatings() {
    for (const [id, rating] of this.unsent) this.send({ kind: "rate", id, rating });
    this.unsent.clear();
  }

  choose(choice) {
    this.chosen = choice;
    this.send({ kind: "choose", choice });
    this.onChange();
  }

  next() {
    this.sending.now();
    this.send({ kind: "next" });
  }
}
