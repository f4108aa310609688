// Mixer: tracks played together by Web Audio, with level, pan, mute, solo, A/B/C and loop.
// Python holds the state as traits, in seconds and decibels; audio arrives as messages.

import { obeyKeys } from "../commands.js";
import { make } from "../elements.js";
import { formatDb, gainToDb, meterLevel } from "../timeline.js";
import { asWidget } from "../widget.js";
import { Bar } from "./bar.js";
import { Desk } from "./desk.js";
import { mixerCommands } from "./keys.js";
import { Lanes } from "./lanes.js";
import { Player } from "./player.js";
import { Master, Strip } from "./strips.js";
import { Tracks } from "./tracks.js";

const METER_FALL = 0.9; // per frame
const METERED = 2048; // samples that a meter shows

/** Joins the rooms: what sounds, what is shown, and what keeps them in line. */
class MixerView {
  constructor(widget) {
    this.desk = new Desk(widget);
    const sounds = (buffer) => this.player.playback.sounds(buffer);
    this.tracks = new Tracks(widget, this.desk, () => this.onTrack(), sounds);
    this.player = new Player(widget, this.desk, this.tracks, () => this.onPlayer());
    this.levels = [];
    this.nextFrame = widget.perFrame(() => this.animate());
    this.build(widget.el);
    this.listen(widget);
    this.show();
    this.tracks.ask();
  }

  build(el) {
    const { desk, tracks, player } = this;
    this.lanes = new Lanes(desk, player);
    this.master = new Master(desk);
    this.bar = new Bar(desk, player);
    this.strips = desk.strips.map((_, i) => new Strip(desk, tracks, i, this.lanes));
    this.status = make("span", "mssviz-mixer-status", { role: "status" });
    const label = "Keys and gestures (?)";
    const named = { type: "button", title: label, "aria-label": label };
    const help = make("button", "mssviz-does-help", named, "?");
    const attributes = { role: "region", "aria-label": "Mixer", tabindex: "0" };
    this.root = make("div", "mssviz-mixer", attributes);
    this.root.append(
      this.bar.element,
      make("div", "mssviz-mixer-sum", {}, this.bar.rate, this.master.group),
      make("div", "mssviz-mixer-top", {}, this.lanes.ruler),
      make("div", "mssviz-mixer-strips", {}, ...this.strips.map((strip) => strip.group)),
      make("div", "mssviz-mixer-foot", {}, this.status, help),
    );
    el.classList.add("mssviz-mixer-view");
    el.append(this.root);
  }

  listen(widget) {
    obeyKeys(widget, this.root, ...mixerCommands(this));
    this.strips.forEach(({ group }, index) => {
      for (const type of ["focusin", "pointerdown"]) {
        widget.on(group, type, () => {
          this.desk.isChosen = true;
          this.choose(index);
        });
      }
    });
    this.root.addEventListener("pointerdown", () => this.player.wake());
    widget.onResize(this.lanes.widest, () => {
      this.lanes.measure();
      this.onMove();
    });
    const move = widget.perFrame(() => this.onMove());
    for (const edge of ["start", "stop"]) widget.onModel(`change:${edge}`, move);
    widget.onModel("change:time", () => this.player.sounds || this.showTime());
    widget.onModel("change:selection", () => this.showLoop());
    widget.onModel("change:rate", () => this.bar.showRate());
    widget.onModel("change:captions", () => this.showCaptions());
    widget.onModel("change:strips", () => this.showStrips());
    widget.onModel("change:master_db", () => this.master.show());
    widget.onModel("change:common_gain", () => {
      this.drawWaves();
      this.showStatus();
    });
  }

  /** Let keys change a strip. */
  choose(index) {
    this.desk.chosen = index;
    this.strips.forEach(({ group }, i) => group.toggleAttribute("data-chosen", i === index));
  }

  onTrack() {
    this.drawWaves(); // all: they share one height
    this.player.arrived();
  }

  onPlayer() {
    this.bar.showPlaying(this.tracks.complete);
    this.showStatus();
    if (this.player.sounds) this.nextFrame();
  }

  /** Another part of the song is in view, or it has another width. */
  onMove() {
    this.drawWaves();
    this.lanes.drawTicks();
    this.lanes.showLoop();
    this.showTime();
  }

  // --- showing

  show() {
    this.choose(this.desk.chosen);
    this.showStrips();
    this.showCaptions();
    this.master.show();
    this.showLoop();
    this.bar.showRate();
    this.showTime();
    this.player.sync();
  }

  showStrips() {
    const { desk } = this;
    // stems that come take over from the mixture
    if (!desk.isChosen && desk.strips[desk.chosen].muted) this.choose(desk.firstHeard);
    for (const strip of this.strips) strip.show();
  }

  showCaptions() {
    for (const strip of this.strips) strip.showCaption();
  }

  drawWaves() {
    for (const strip of this.strips) strip.draw();
  }

  showLoop() {
    this.bar.showLoop();
    this.lanes.showLoop();
  }

  showTime() {
    const { now } = this.player;
    this.lanes.showTime(now, this.bar.showTime(now));
  }

  showStatus() {
    const { desk, tracks, player } = this;
    const common = desk.get("common_gain");
    const notes = [];
    if (tracks.failure) notes.push(tracks.failure);
    else if (!tracks.complete) {
      const loaded = `${tracks.count} of ${desk.names.length} tracks`;
      notes.push(`Waiting for audio from the kernel: ${loaded}.`);
    }
    if (player.sounds && !player.awake) {
      notes.push("Click here to hear it: the browser plays sound only after a click.");
    }
    if (common < 1) {
      const by = formatDb(gainToDb(common));
      notes.push(`All tracks ${by}, so that none exceeds full scale; relative levels are true.`);
    } else notes.push("Levels are true, not normalised.");
    this.status.textContent = this.status.title = notes.join(" ");
  }

  /** Frames while sound is playing, and until the meters have fallen. */
  animate() {
    this.showTime();
    this.showMeters();
    if (this.player.sounds || this.levels.some((level) => level > 0)) this.nextFrame();
  }

  showMeters() {
    const { awake, meters } = this.player;
    const bars = [...this.strips, this.master].map(({ bar }) => bar);
    bars.forEach((bar, i) => {
      const level = awake ? meterLevel(meters[i].peak(METERED)) : 0;
      const shown = Math.max(level, (this.levels[i] ?? 0) * METER_FALL);
      this.levels[i] = shown < 0.01 ? 0 : shown;
      bar.style.setProperty("--level", this.levels[i].toFixed(3));
    });
    if (awake) this.master.showClip(meters.at(-1).peak());
  }

  /** What tests look at: the context, and the mix rendered offline. */
  forTests() {
    const { desk, tracks, player } = this;
    return {
      get context() {
        return player.playback.context ?? null;
      },
      get position() {
        return player.now;
      },
      get ready() {
        return tracks.complete;
      },
      /** What is in view, in song time. */
      get span() {
        return [desk.get("start"), desk.get("stop")];
      },
      /** Version of each track's audio, counted up by Python. */
      get versions() {
        return tracks.versions;
      },
      /** Largest magnitudes of the last 185 ms: of the strips, then of the sum. */
      get peaks() {
        return player.meters.map((meter) => meter.peak());
      },
      /** Samples of both channels from a song time on; loops if `loop`. */
      render: (seconds, start = desk.first, loop = false) =>
        player.playback.render(seconds, start, loop),
    };
  }
}

export default asWidget("mssvizMixer", (widget) => new MixerView(widget).forTests());
