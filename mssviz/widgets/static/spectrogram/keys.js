// What keys do in the picture.

/** Commands of the picture's view, and those that it leaves to others, see the table of keys. */
export function pictureCommands({ gestures, model, plot, canvas }) {
  const tools = model.get("_choices").tool.map(([tool]) => tool);
  const go = (seconds) => gestures.save({ time: gestures.withinSong(seconds) });
  const commands = {
    zoomTime: (factor) => gestures.zoomTime(factor),
    zoomFrequency: (factor) => gestures.zoomFrequency(factor),
    pan: (time, frequency) => gestures.pan(time, frequency),
    showAll: () => gestures.showAll(),
    reveal: () => gestures.reveal(),
    pin: () => gestures.pin(),
    escape: () => gestures.escape(),
  };
  const nextTool = () => {
    const index = (tools.indexOf(model.get("tool")) + 1) % tools.length;
    gestures.save({ tool: tools[index] });
    canvas.focus();
  };
  if (tools.length) commands.nextTool = nextTool;
  return [
    commands,
    {
      step: (seconds) => go(model.get("time") + seconds),
      goTo: (edge) => go(plot.timeLimits[edge]),
      loopHere: (edge) => gestures.selectHere(edge),
    },
  ];
}
