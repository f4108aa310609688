// Selections, which are looped: of two times, or with one end at the playhead.

/** Loop [start, stop] of two times in any order inside [low, high], or null if too short. */
export function loopBetween(a, b, low, high, shortest) {
  const [start, stop] = [Math.min(a, b), Math.max(a, b)].map((time) =>
    Math.min(Math.max(time, low), high),
  );
  return stop - start < shortest ? null : [start, stop];
}

/** A loop that begins (edge 0) or ends (1) at a time, else as `loop` has it; null if too short. */
export function loopAt(edge, time, loop, low, high, shortest) {
  const [start, stop] = loop ?? [low, high];
  const [a, b] = edge === 0 ? [time, stop] : [start, time];
  return a < b ? loopBetween(a, b, low, high, shortest) : null;
}
