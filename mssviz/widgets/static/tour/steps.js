// What the tour says, and what each step points at: the first of its selectors that leaves room.

export const STEPS = [
  {
    title: "Choose and separate",
    text:
      "Choose a song and a model here, then press Separate. The song itself can be seen and heard " +
      "before that.",
    at: [".mssviz-menu [data-name=song], .mssviz-model, .mssviz-run > :first-child"],
  },
  {
    title: "Look into the sound",
    text:
      "After Separate, colours show which stem each sound goes to. Ctrl and the wheel zoom, " +
      "dragging moves the picture, and where the pointer rests, exact values are read.",
    at: [".mssviz-spectrogram .mssviz-stage", ".mssviz-tabs"],
  },
  {
    title: "Listen to stems",
    text:
      "Every stem gets a lane. S plays it alone, and A and B switch between the estimate and the " +
      "true stem, where that is known.",
    at: [".mssviz-mixer-strips"],
  },
  {
    title: "Change masks, and measure",
    text:
      "Mask opens sliders that shape the masks while you listen. Scores tells how near the stems " +
      "are to the true ones, in dB.",
    at: [".mssviz-menu [data-name=mask], .mssviz-menu [data-name=scores]"],
  },
  {
    title: "Keep it, and find help",
    text:
      "Save writes stems, masks, pictures or the whole page to a file. Help shows all keys, what " +
      "the terms mean, and this tour once more.",
    at: [".mssviz-menu [data-name=save], .mssviz-row .mssviz-does-help"],
  },
];
