// A file in chunks, against a kernel that answers as told; run with `node --test tests/js`.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Transfer, formatBytes } from "../../mssviz/widgets/static/upload.js";

const MIB = 1 << 20;

function transfer(bytes, name = "song.wav") {
  const content = Uint8Array.from({ length: bytes }, (_, i) => (i * 7919) >> 5);
  const posts = [];
  const post = (message, buffers) => posts.push({ ...message, buffers });
  const steps = [];
  const made = new Transfer(new File([content], name), post, (t) =>
    steps.push([t.received, t.over]),
  );
  return { made, posts, steps, content };
}

test("bytes are read by people", () => {
  const texts = [0, 999, 1000, 25e6, 2 ** 31, 999_600].map(formatBytes);
  assert.deepEqual(texts, ["0 bytes", "999 bytes", "1.00 kB", "25.0 MB", "2.15 GB", "1.00 MB"]);
});

test("each chunk waits for the answer to the last, and none exceeds a mebibyte", async () => {
  const { made, posts, content } = transfer(2 * MIB + 5);
  assert.equal(posts.length, 1);
  assert.deepEqual(
    { ...posts[0], id: "" },
    { kind: "begin", id: "", name: "song.wav", size: content.length, buffers: undefined },
  );
  let sent = Buffer.alloc(0);
  while (sent.length < content.length) {
    await made.receive({ kind: "taken", received: sent.length });
    const { kind, offset, buffers } = posts.at(-1);
    assert.equal(kind, "chunk");
    assert.equal(offset, sent.length);
    assert.ok(buffers[0].byteLength <= MIB);
    sent = Buffer.concat([sent, Buffer.from(buffers[0])]);
  }
  assert.equal(posts.length, 4);
  assert.ok(sent.equals(content));
  assert.ok(posts.every(({ id }) => id === posts[0].id));
  made.end();
});

test("transfers have different names for themselves", () => {
  const two = [transfer(1).made, transfer(1).made];
  assert.notEqual(two[0].id, two[1].id);
  for (const made of two) made.end();
});

test("a kernel that is silent for thirty seconds ends the transfer and says so", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { made, posts } = transfer(3 * MIB);
  mock.timers.tick(29_999);
  await made.receive({ kind: "taken", received: 0 });
  mock.timers.tick(29_999);
  assert.equal(made.over, false);
  mock.timers.tick(1);
  assert.equal(made.over, true);
  assert.match(made.failure, /30 seconds.*choose the file again/);
  assert.equal(posts.at(-1).kind, "cancel");
  mock.timers.reset();
});

test("cancelling tells the kernel once, and late answers are passed over", async () => {
  const { made, posts, steps } = transfer(3 * MIB);
  await made.receive({ kind: "taken", received: 0 });
  const reading = made.receive({ kind: "taken", received: MIB });
  made.cancel();
  made.cancel();
  await reading;
  await made.receive({ kind: "taken", received: 2 * MIB });
  assert.deepEqual(
    posts.map(({ kind }) => kind),
    ["begin", "chunk", "cancel"],
  );
  assert.deepEqual(steps.at(-1), [MIB, true]);
  assert.equal(made.failure, undefined);
});

test("what the kernel refuses is said in its words", async () => {
  const { made, posts } = transfer(10);
  await made.receive({ kind: "failed", text: "The kernel's disk is full" });
  assert.equal(made.failure, "The kernel's disk is full");
  assert.deepEqual(
    posts.map(({ kind }) => kind),
    ["begin"],
  );
});

test("a file that cannot be read ends the transfer", async () => {
  const posts = [];
  const gone = {
    name: "folder",
    size: 4096,
    slice: () => ({ arrayBuffer: () => Promise.reject(new Error("gone")) }),
  };
  const made = new Transfer(
    gone,
    (message) => posts.push(message.kind),
    () => {},
  );
  await made.receive({ kind: "taken", received: 0 });
  assert.match(made.failure, /folder cannot be read \(gone\)/);
  assert.deepEqual(posts, ["begin", "cancel"]);
});
