// The kernel behind a widget: whether it is still the one that made it.

/** How a kernel ends. If it runs again, it knows none of its widgets. */
const ENDS = /^(autorestarting|dead|restarting|terminating)$/;

/**
 * Hear of the state of a widget's kernel when it changes: "stopped", which is final; "lost", while
 * there is no connection to it; "live". Pages without a kernel, and front ends that show none, are
 * silent.
 */
export function onKernel(widget, listener) {
  const kernel = widget.model.widget_manager?.kernel;
  let state = "live";
  const become = (next) => {
    if (state === "stopped" || state === next) return;
    state = next;
    listener(state);
  };
  const listen = (signal, slot) => {
    if (!signal) return;
    signal.connect(slot);
    widget.onEnd(() => signal.disconnect(slot));
  };
  listen(kernel?.statusChanged, (_, status) => ENDS.test(status) && become("stopped"));
  listen(kernel?.disposed, () => become("stopped"));
  listen(kernel?.connectionStatusChanged, (_, connection) =>
    become(connection === "connected" ? "live" : "lost"),
  );
}
