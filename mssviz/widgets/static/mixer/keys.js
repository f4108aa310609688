// What keys do in the mixer.

import { nearestStrip } from "../timeline.js";

/** Commands of the mixer's view, and those that it leaves to others, see the table of keys. */
export function mixerCommands({ desk, player, strips }) {
  const focused = () => strips.findIndex(({ group }) => group.contains(document.activeElement));
  const commands = {
    play: () => player.toggle(),
    step: (seconds) => player.seek(player.now + seconds),
    goTo: (edge) => player.seek([desk.first, desk.last][edge]),
    loop: () => desk.toggleLoop(player.now),
    loopHere: (edge) => desk.loopHere(edge, player.now),
    soloLane: (index) => desk.toggle(index, "solo"),
    chooseLane: (step) => {
      const index = focused();
      const next = index < 0 ? desk.chosen : nearestStrip(index, step, strips.length);
      strips[next].group.focus();
    },
    toggleLane: (flag) => {
      desk.isChosen = true;
      desk.toggle(desk.chosen, flag);
    },
    compare: (all) => (all ? desk.compareAll() : desk.compareNext(desk.chosen)),
  };
  return [commands, { escape: () => desk.setLoop(null) }];
}
