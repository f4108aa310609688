/*
 * The player: whether a view of the mixer sounds, and what.
 *
 * Its states are rows, what happens to it is columns. Where they meet stands the state that
 * follows and, after the colon, what is done; a dash leaves all as it is.
 *
 *             complete    play             pause           track            due
 *   arriving  silent      –                –               –                –
 *   silent    –           sounding: start  –               –                –
 *   sounding  –           –                fading: stop    joining: wait    –
 *   joining   –           –                fading: stop    –                sounding: join
 *   fading    –           sounding: start  –               –                silent: sleep
 *
 * arriving  Audio of some track is missing, so nothing can sound.
 * silent    All tracks are here, and the audio context sleeps, or was never needed.
 * sounding  The tracks are heard.
 * joining   The same, and newer audio has come, which waits for what comes with it: stems that
 *           changed together are heard together, after one cross-fade.
 * fading    The sound has just been stopped; the context goes on until it has faded out.
 *
 * complete  The audio of every track is here.
 * play      This view is to sound: the mixer plays, and no other view of it leads.
 * pause     This view is not to sound.
 * track     Audio of a track has come, a piece or the whole, and has been decoded.
 * due       What "wait" or "stop" put off is due.
 */

import { beginToSound, onOtherSound } from "../sound.js";
import { Playback } from "./playback.js";
import { REPLACE_FADE, SMOOTH_FADE } from "./transport.js";

/** The table above: the state that follows, and the method that does what is to be done. */
export const STATES = {
  arriving: { complete: ["silent"] },
  silent: { play: ["sounding", "start"] },
  sounding: { pause: ["fading", "stop"], track: ["joining", "wait"] },
  joining: { pause: ["fading", "stop"], due: ["sounding", "join"] },
  fading: { play: ["sounding", "start"], due: ["silent", "sleep"] },
};

const TICK_MS = 100;
const WAIT_MS = 20;
const FADING_MS = 200;
const SEEK_TOLERANCE = 0.15; // s between our clock and the trait, beyond which it is a seek
const SWITCH_SECONDS = 0.02; // of a fade to another level

// Of several views of one mixer, the one used last sounds; the others follow its playhead.
let leader = null;

/** One view's part in playing the mixer. */
export class Player {
  /** `onChange` is called when this view begins or stops to sound, or may do so. */
  constructor(widget, desk, tracks, onChange) {
    const playback = new Playback(desk, tracks);
    Object.assign(this, { desk, tracks, playback, onChange, state: "arriving" });
    this.due = widget.later(() => this.handle("due"));
    widget.onModel("change:playing", () => this.sync());
    widget.onModel("change:time", () => this.onTime());
    widget.onModel("change:selection", () => this.onLoop());
    widget.onModel("change:rate", () => this.onRate());
    for (const name of ["strips", "master_db", "common_gain"]) {
      widget.onModel(`change:${name}`, () => playback.adjust(SWITCH_SECONDS));
    }
    widget.onModel("msg:custom", (content) => {
      if (content.kind === "seek") this.onSeek(content.time);
    });
    onOtherSound(widget, desk.owner, () => this.pause());
    widget.onEnd(() => this.end());
  }

  // --- the table at work

  /** Let something happen: one of the table's columns. */
  handle(event) {
    const [state, action] = STATES[this.state][event] ?? [this.state];
    this.state = state;
    if (action) this[action]();
  }

  /** Bring what sounds in line with the trait `playing`. */
  sync() {
    const playing = this.desk.get("playing");
    if (playing) leader ??= this;
    this.handle(playing && leader === this ? "play" : "pause");
    this.onChange();
  }

  /** Take up what has arrived. */
  arrived() {
    if (this.tracks.complete) this.handle("complete");
    this.handle("track");
    this.sync();
  }

  start() {
    const { playback } = this;
    beginToSound(this.desk.owner);
    this.due.drop();
    playback.open(() => this.onChange());
    playback.context.resume(); // stays pending until a gesture; the clock stands still until then
    playback.start(playback.target(this.desk.get("time")));
    this.ticking = setInterval(() => this.tick(), TICK_MS);
  }

  stop() {
    const time = this.desk.first + this.playback.position;
    this.playback.transport.stop();
    clearInterval(this.ticking);
    this.due.after(FADING_MS);
    this.desk.save({ time: this.desk.clamp(time) });
  }

  sleep() {
    this.playback.context.suspend();
  }

  wait() {
    this.due.after(WAIT_MS);
  }

  join() {
    this.playback.adjust(0);
    this.playback.goOn(REPLACE_FADE);
  }

  // --- what can be asked

  get sounds() {
    return this.state === "sounding" || this.state === "joining";
  }

  /** Whether the browser lets the audio context run. */
  get awake() {
    return this.playback.context?.state === "running";
  }

  /** Meters of the strips and of their sum, once there has been sound. */
  get meters() {
    return this.playback.mix.meters;
  }

  /** Playhead in song time. */
  get now() {
    return this.sounds ? this.desk.first + this.playback.position : this.desk.get("time");
  }

  // --- what people do, and what changes elsewhere

  /** Be the view that sounds. */
  lead() {
    if (leader === this) return;
    const before = leader;
    leader = this;
    before?.sync();
    this.sync();
  }

  pause() {
    if (this.desk.get("playing")) this.desk.save({ playing: false });
  }

  toggle() {
    this.lead();
    const { desk } = this;
    const playing = !desk.get("playing");
    const atEnd = desk.get("time") >= desk.last - 0.01;
    const start = desk.get("selection")?.[0] ?? desk.first;
    desk.save(playing && atEnd ? { playing, time: start } : { playing });
  }

  seek(time) {
    const position = this.playback.target(time);
    if (this.sounds) this.playback.jump(position);
    this.desk.save({ time: this.desk.first + position });
  }

  /** A gesture: what the browser may have been waiting for. */
  wake() {
    if (this.sounds) this.playback.context.resume();
  }

  tick() {
    const { desk, playback } = this;
    playback.tick();
    const { position } = playback;
    if (position >= desk.duration) desk.save({ playing: false, time: desk.last });
    else desk.save({ time: desk.first + position });
  }

  onSeek(time) {
    const elsewhere = this.desk.get("playing") && !this.sounds;
    if (!elsewhere && Math.abs(this.now - time) > 1e-3) this.seek(time);
  }

  onTime() {
    const time = this.desk.get("time");
    if (!this.sounds || Math.abs(time - this.now) <= SEEK_TOLERANCE) return;
    this.playback.jump(this.playback.target(time));
  }

  /** Loop what is selected: a playhead that is not in it goes to its start. */
  onLoop() {
    const { playback, desk } = this;
    const selection = desk.get("selection");
    const inside = !selection || (selection[0] <= this.now && this.now < selection[1]);
    if (!this.sounds) {
      if (!inside) desk.save({ time: selection[0] });
      return;
    }
    playback.transport.loop = playback.loop;
    if (inside) playback.goOn(SMOOTH_FADE);
    else playback.jump(playback.loop[0]);
  }

  onRate() {
    if (!this.sounds) return;
    this.playback.transport.rate = this.playback.rate;
    this.playback.goOn(SMOOTH_FADE);
  }

  end() {
    try {
      if (this.sounds) {
        this.handle("pause");
        this.desk.save({ playing: false });
      }
    } finally {
      // also where the model is closed already, and refuses what is saved
      if (leader === this) leader = null;
      this.playback.context?.close();
    }
  }
}
