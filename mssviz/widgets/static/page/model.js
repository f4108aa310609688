// Models of a page without a kernel: the widgets' state, linked within the page.

/** What a widget's view needs of a model: state, events, and somebody who answers messages. */
export class PageModel {
  constructor(state, answer) {
    this.state = state;
    this.answer = answer;
    this.listeners = new Map();
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) return;
    this.state[name] = value;
    this.fire(`change:${name}`);
  }

  on(event, callback) {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), callback]);
  }

  off(event, callback) {
    const left = (this.listeners.get(event) ?? []).filter((one) => callback && one !== callback);
    this.listeners.set(event, left);
  }

  fire(event, ...values) {
    for (const callback of this.listeners.get(event) ?? []) callback(...values);
  }

  save_changes() {}

  send(message) {
    Promise.resolve(this.answer(message)).then((answers) => {
      for (const [content, buffers] of answers ?? []) this.fire("msg:custom", content, buffers);
    });
  }
}

/** Keep a trait of two models the same. */
export function link(first, second, trait) {
  first.on(`change:${trait}`, () => second.set(trait, first.get(trait)));
  second.on(`change:${trait}`, () => first.set(trait, second.get(trait)));
}
