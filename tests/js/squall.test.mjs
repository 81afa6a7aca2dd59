// The browser's client, against a server that is these tests. Run with `node --test tests/js`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";

import { LiveError, Squall } from "../../crates/squall/assets/squall.js";
import { Clock, World, record, settle } from "./fakes.mjs";

let clock, world;
const EVENTS = ["message", "gap", "subscribing", "subscribed", "unsubscribed", "join", "leave", "error"];

beforeEach(() => {
  clock = new Clock().install();
  world = new World();
  Math.random = () => 0.5;
});

/** A client over WebSocket that has begun. */
async function begun(options = {}, result = {}) {
  const live = new Squall(world.options(options));
  await settle();
  const socket = await world.sockets.at(-1).open();
  await socket.connected(result);
  return { live, socket };
}

/** Its next connection, after its back-off. */
async function next() {
  const before = world.sockets.length;
  for (let ms = 0; ms < 20_000 && world.sockets.length === before; ms += 10) await clock.pass(10);
  assert.equal(world.sockets.length, before + 1, "one attempt");
  return world.sockets.at(-1).open();
}

const data = (said) => said.filter(([type]) => type === "message").map(([, { data }]) => data);

test("subscriptions leave together and messages come in order, each once", async () => {
  const live = new Squall(world.options());
  const a = live.subscribe("a");
  const b = live.subscribe("b", { token: "t", joinLeave: true, data: { x: 1 } });
  assert.equal(live.subscribe("a"), a, "one a channel");
  const heard = record(a, ...EVENTS);
  await settle();
  const socket = await world.sockets[0].open();
  assert.equal(socket.url, "wss://live.example/connection/websocket");
  await socket.connected();
  assert.equal(socket.writes, 2, "connect, then all subscriptions");
  const first = await socket.subscribed({ recoverable: true, positioned: true, epoch: "e", offset: 10 });
  assert.deepEqual(first, { id: 2, channel: "a", recoverable: true, positioned: true });
  const second = socket.take("subscribe");
  assert.deepEqual(second, {
    id: 3, channel: "b", token: "t", data: { x: 1 }, recoverable: true, positioned: true, join_leave: true,
  });
  await socket.publish("a", { data: 1, offset: 12 }, { data: 2, offset: 15 }, { data: 2, offset: 15 });
  await socket.publish("a", { data: 0, offset: 11 }, { data: { three: 3 }, offset: 16, tags: { k: "v" } });
  await socket.publish("nobody's", { data: 4, offset: 17 });
  assert.deepEqual(heard.take(), [
    ["subscribed", { recovered: false, wasRecovering: false }],
    ["message", { data: 1, offset: 12 }],
    ["message", { data: 2, offset: 15 }],
    ["message", { data: { three: 3 }, offset: 16, tags: { k: "v" } }],
  ]);
  assert.deepEqual(a.position, { epoch: "e", offset: 16 });
  assert.equal(b.state, "subscribing");
});

test("what was missed is recovered, once, and then it goes on", async () => {
  const { live, socket } = await begun();
  const a = live.subscribe("a");
  const heard = record(a, ...EVENTS);
  await socket.subscribed({ recoverable: true, epoch: "e", offset: 10 });
  await socket.publish("a", { data: "one", offset: 11 });
  await socket.cut();
  assert.equal(a.state, "subscribing");
  const again = await next();
  await again.connected();
  const publications = [{ data: "one", offset: 11 }, { data: "two", offset: 13 }, { data: "three", offset: 14 }];
  const asked = await again.subscribed({
    recoverable: true, epoch: "e", offset: 14, recovered: true, was_recovering: true, publications,
  });
  assert.deepEqual([asked.recover, asked.epoch, asked.offset], [true, "e", 11]);
  await again.publish("a", { data: "three", offset: 14 }, { data: "four", offset: 20 });
  const said = heard.take();
  assert.deepEqual(data(said), ["one", "two", "three", "four"]);
  assert.deepEqual(said.filter(([type]) => type === "gap"), []);
});

test("what cannot be recovered is a gap, said before what comes after it", async () => {
  const { live, socket } = await begun();
  const a = live.subscribe("a");
  await socket.subscribed({ recoverable: true, epoch: "e", offset: 10 });
  await socket.cut();
  const again = await next();
  await again.connected();
  const heard = record(a, ...EVENTS);
  await again.subscribed({ recoverable: true, epoch: "f", offset: 3, was_recovering: true, publications: [] });
  await again.publish("a", { data: "new", offset: 4 });
  assert.deepEqual(heard.take(), [
    ["gap", { from: { epoch: "e", offset: 10 }, to: { epoch: "f", offset: 3 } }],
    ["subscribed", { recovered: false, wasRecovering: true }],
    ["message", { data: "new", offset: 4 }],
  ]);
});

test("a channel that keeps nothing has a gap with each new connection", async () => {
  const { live, socket } = await begun();
  const a = live.subscribe("a");
  const heard = record(a, "gap");
  await socket.subscribed({});
  assert.deepEqual(heard.take(), []);
  await socket.cut();
  const again = await next();
  await again.connected();
  await again.subscribed({});
  assert.deepEqual(heard.take(), [["gap", { from: null, to: null }]]);
});

test("a page that was made on the server goes on where it was read", async () => {
  const { live, socket } = await begun();
  live.subscribe("a", { since: { epoch: "e", offset: 5 } });
  const asked = await socket.subscribed({ recoverable: true, epoch: "e", offset: 5, recovered: true });
  assert.deepEqual([asked.recover, asked.epoch, asked.offset], [true, "e", 5]);
});

test("the back-off is any delay up to one that doubles, and begins anew", async () => {
  Math.random = () => 0.999;
  const { live, socket } = await begun({ transports: ["websocket"] });
  const delays = [];
  await socket.cut();
  for (let attempt = 0; attempt < 8; attempt++) {
    delays.push(Math.round(clock.delays.at(-1)));
    await clock.pass(clock.delays.at(-1));
    await world.sockets.at(-1).cut();
  }
  assert.deepEqual(delays, [500, 999, 1998, 3996, 7992, 15984, 19980, 19980]);
  Math.random = () => 0;
  await clock.pass(20_000);
  await clock.pass(0);
  const socket2 = await world.sockets.at(-1).open();
  await socket2.connected();
  assert.equal(live.state, "connected");
});

test("the next transport is tried, and the one that worked is remembered", async () => {
  const live = new Squall(world.options());
  const heard = record(live, "connected", "connecting");
  await settle();
  await world.sockets[0].cut();
  assert.equal(world.streams[0].url, "https://live.example/connection/http_stream", "at once");
  await world.streams[0].open(403);
  assert.equal(world.sources.length, 1, "the last one");
  const source = world.sources[0];
  await source.connected();
  assert.equal(live.transport, "sse");
  assert.equal(heard.take().at(-1)[1].transport, "sse");

  live.publish("a", 1).catch(() => {});
  live.publish("a", 2).catch(() => {});
  await settle();
  assert.equal(world.emulated.length, 1, "one request at a time");
  assert.deepEqual([world.emulated[0].session, world.emulated[0].node], ["s", "n"]);
  assert.deepEqual(JSON.parse(world.emulated[0].data).publish, { channel: "a", data: 1 });
  world.emulated[0].resolve({ ok: true });
  await settle();
  assert.deepEqual(JSON.parse(world.emulated[1].data).publish, { channel: "a", data: 2 });
  live.disconnect();
  assert.equal(source.isClosed, true);

  new Squall(world.options());
  await settle();
  assert.equal(world.sources.length, 2, "remembered");
});

test("lines of a stream may be cut anywhere", async () => {
  const live = new Squall(world.options({ transports: ["http_stream"] }));
  const a = live.subscribe("a");
  const heard = record(a, ...EVENTS);
  await settle();
  const stream = world.streams[0];
  await stream.open();
  await stream.connected();
  const { id } = JSON.parse(world.emulated[0].data);
  world.emulated[0].resolve({ ok: true });
  const text = JSON.stringify({ id, subscribe: {} }) + "\n" +
    JSON.stringify({ push: { channel: "a", pub: { data: "Zoë" } } }) + "\n";
  for (const byte of new TextEncoder().encode(text)) {
    stream.controller.enqueue(Uint8Array.of(byte));
    await settle();
  }
  assert.deepEqual(data(heard.take()), ["Zoë"]);
  await stream.cut();
  assert.equal(live.state, "connecting");
});

test("an emulated command that is not taken ends the connection", async () => {
  const live = new Squall(world.options({ transports: ["http_stream"] }));
  await settle();
  await world.streams[0].open();
  await world.streams[0].connected();
  const published = live.publish("a", 1);
  await settle();
  world.emulated[0].resolve({ ok: false });
  await assert.rejects(published, { code: 2 });
  assert.equal(live.state, "connecting");
  assert.equal(world.streams[0].isClosed, true);
});

test("a transport that worked is given some tries, and gone back to", async () => {
  const { live, socket } = await begun({ transports: ["websocket", "sse"] });
  await socket.cut();
  for (let tries = 0; tries < 3; tries++) {
    await clock.pass(250 * 2 ** tries);
    assert.equal(world.sources.length, 0);
    await world.sockets.at(-1).cut();
  }
  await clock.pass(2_000);
  assert.equal(world.sources.length, 1);
  await world.sources[0].connected();
  assert.equal(live.transport, "sse");
  await world.sources[0].cut();
  assert.equal(live.transport, "websocket", "the server was away, not the transport");
});

test("no answer in time is no connection", async () => {
  const live = new Squall(world.options());
  await settle();
  await world.sockets[0].open();
  await clock.pass(10_000);
  assert.equal(world.sockets[0].isClosed, true);
  assert.equal(world.streams.length, 1);
  assert.equal(live.state, "connecting");
});

test("codes say whether to come back", async () => {
  for (const [code, state] of [[1000, "connecting"], [1006, "connecting"], [3000, "connecting"], [3012, "connecting"],
    [4000, "connecting"], [3500, "disconnected"], [3999, "disconnected"], [4500, "disconnected"], [1009, "disconnected"]]) {
    const { live, socket } = await begun();
    const heard = record(live, "disconnected");
    await socket.cut(code, "why");
    assert.equal(live.state, state, code);
    if (state === "disconnected") assert.deepEqual(heard.take(), [["disconnected", { code, reason: "why" }]]);
    live.disconnect();
    assert.equal(clock.timers.size, 0, "nothing is left to happen");
  }
  const { live, socket } = await begun();
  await socket.say({ push: { disconnect: { code: 3503, reason: "go" } } });
  assert.equal(live.state, "disconnected");
});

test("tokens are asked for, anew when they have expired, and before they do", async () => {
  let number = 0;
  const getToken = async () => `token ${++number}`;
  const live = new Squall(world.options({ getToken }));
  await settle();
  const socket = await world.sockets[0].open();
  const connect = socket.take("connect");
  assert.equal(connect.token, "token 1");
  await socket.answer(connect, { error: { code: 109, message: "token expired" } });
  const again = await next();
  assert.equal((await again.connected({ expires: true, ttl: 100 })).token, "token 2");
  await keepAlive(again, 89);
  again.nothing();
  await keepAlive(again, 1);
  const refresh = again.take("refresh");
  assert.equal(refresh.token, "token 3");
  await again.answer(refresh, { refresh: { expires: true, ttl: 50 } });
  await keepAlive(again, 45);
  assert.equal(again.take("refresh").token, "token 4");
  assert.equal(live.state, "connected");
});

/** So many seconds pass, with pings. */
async function keepAlive(socket, seconds) {
  for (let passed = 0; passed < seconds; passed++) {
    await socket.say({});
    assert.deepEqual(socket.heard.pop(), {}, "a pong");
    await clock.pass(1000);
  }
}

test("without a token there is no connection, and an error is tried again", async () => {
  const none = new Squall(world.options({ getToken: async () => null }));
  const heard = record(none, "disconnected");
  await settle();
  assert.deepEqual(heard.take(), [["disconnected", { code: 1, reason: "unauthorized" }]]);
  let fails = true;
  const getToken = async () => {
    if (fails) throw new Error("no network");
    return "t";
  };
  const live = new Squall(world.options({ getToken }));
  await settle();
  assert.equal(world.sockets.length, 0);
  fails = false;
  const socket = await next();
  assert.equal((await socket.connected()).token, "t");
  live.disconnect();
});

test("a server that has fallen silent is left", async () => {
  const { live, socket } = await begun({}, { ping: 25, pong: true });
  await clock.pass(25_000);
  await socket.say({});
  assert.deepEqual(socket.heard, [{}], "a pong");
  await clock.pass(34_999);
  assert.equal(live.state, "connected");
  await clock.pass(1);
  assert.equal(live.state, "connecting");
  assert.equal(socket.isClosed, true);
});

test("a tab that wakes, and a network that is back, do not wait", async () => {
  const page = new EventTarget();
  const document = new EventTarget();
  Object.assign(document, { visibilityState: "visible", baseURI: "https://live.example/page" });
  Object.assign(globalThis, {
    document,
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
  });
  try {
    const { live, socket } = await begun({ url: "/" });
    assert.equal(socket.url, "wss://live.example/connection/websocket");
    clock.now += 60_000; // Its timers slept as well.
    document.dispatchEvent(new Event("visibilitychange"));
    await settle();
    assert.equal(socket.isClosed, true);
    assert.equal(world.sockets.length, 2, "at once");
    const second = await world.sockets[1].open();
    await second.connected();
    document.dispatchEvent(new Event("visibilitychange"));
    assert.equal(second.isClosed, false, "what is alive stays");
    page.dispatchEvent(new Event("offline"));
    assert.equal(live.state, "connecting");
    page.dispatchEvent(new Event("online"));
    await settle();
    assert.equal(world.sockets.length, 3);
    live.disconnect();
    page.dispatchEvent(new Event("online"));
    await settle();
    assert.equal(world.sockets.length, 3, "it was ended");
  } finally {
    for (const name of ["document", "addEventListener", "removeEventListener"]) delete globalThis[name];
  }
});

test("a subscription that is refused ends, and one that is refused for now does not", async () => {
  const { live, socket } = await begun();
  const a = live.subscribe("a");
  const heard = record(a, ...EVENTS);
  await socket.answer(socket.take("subscribe"), { error: { code: 100, message: "internal", temporary: true } });
  assert.equal(heard.take()[0][0], "error");
  await clock.pass(500);
  await socket.answer(socket.take("subscribe"), { error: { code: 103, message: "permission denied" } });
  assert.deepEqual(heard.take(), [["unsubscribed", { code: 103, reason: "permission denied" }]]);
  assert.notEqual(live.subscribe("a"), a, "another attempt is another subscription");
});

test("the server may end a subscription, for good or to begin anew", async () => {
  const { live, socket } = await begun();
  const a = live.subscribe("a");
  await socket.subscribed({ recoverable: true, epoch: "e", offset: 1 });
  await socket.publish("a", { data: 1, offset: 2 });
  await socket.say({ push: { channel: "a", unsubscribe: { code: 2500, reason: "insufficient state" } } });
  await clock.pass(500);
  const asked = await socket.subscribed({ recoverable: true, epoch: "e", offset: 2, recovered: true });
  assert.equal(asked.offset, 2);
  const heard = record(a, ...EVENTS);
  await socket.say({ push: { channel: "a", unsubscribe: { code: 2000, reason: "server unsubscribe" } } });
  assert.deepEqual(heard.take(), [["unsubscribed", { code: 2000, reason: "server unsubscribe" }]]);
  socket.nothing();
});

test("whoever unsubscribes hears nothing more, and may come back", async () => {
  const { live, socket } = await begun();
  const a = live.subscribe("a");
  const heard = record(a, ...EVENTS);
  const first = socket.take("subscribe");
  a.unsubscribe();
  assert.equal(socket.take("unsubscribe").channel, "a");
  const b = live.subscribe("a");
  const second = socket.take("subscribe");
  await socket.answer(first, { subscribe: {} });
  await socket.publish("a", { data: "for nobody" });
  assert.equal(b.state, "subscribing");
  await socket.answer(second, { subscribe: {} });
  assert.equal(b.state, "subscribed");
  assert.deepEqual(heard.take(), [["unsubscribed", { code: 0, reason: "unsubscribe called" }]]);
});

test("subscriptions' tokens", async () => {
  let number = 0;
  const getToken = async ({ channel }) => `${channel} ${++number}`;
  const { live, socket } = await begun({}, { ping: 0 });
  live.subscribe("a", { getToken });
  await settle();
  const first = socket.take("subscribe");
  assert.equal(first.token, "a 1");
  await socket.answer(first, { error: { code: 109, message: "token expired" } });
  await clock.pass(500);
  const second = await socket.subscribed({ expires: true, ttl: 10, recoverable: true, epoch: "e" });
  assert.equal(second.token, "a 2");
  await clock.pass(9_000);
  const refresh = socket.take("sub_refresh");
  assert.deepEqual([refresh.channel, refresh.token], ["a", "a 3"]);
  await socket.cut();
  const again = await next();
  await again.connected();
  assert.equal(again.take("subscribe").token, "a 3", "the last one is kept");
});

test("questions are answered, refused, or too late", async () => {
  const live = new Squall(world.options());
  const early = live.rpc("m", { a: 1 });
  await settle();
  const socket = await world.sockets[0].open();
  await socket.connected({ ping: 0 });
  await settle();
  const rpc = socket.take("rpc");
  assert.deepEqual(rpc, { id: 2, method: "m", data: { a: 1 } });
  await socket.answer(rpc, { rpc: { data: [1] } });
  assert.deepEqual(await early, [1]);

  const asked = async (promise, method, reply) => {
    await settle();
    await socket.answer(socket.take(method), { [method]: reply });
    return promise;
  };
  assert.equal(await asked(live.publish("a", 1), "publish", {}), undefined);
  assert.deepEqual(await asked(live.presence("a"), "presence", { presence: { c: { user: "42" } } }), { c: { user: "42" } });
  assert.deepEqual(await asked(live.presenceStats("a"), "presence_stats", { num_clients: 2 }), { clients: 2, users: 0 });
  assert.deepEqual(
    await asked(live.history("a", { limit: 1 }), "history", { publications: [{ data: 1, offset: 3 }], offset: 3, epoch: "e" }),
    { messages: [{ data: 1, offset: 3 }], offset: 3, epoch: "e" },
  );
  const denied = (error) => error instanceof LiveError && error.code === 103 && !error.temporary;
  const refused = assert.rejects(live.publish("b", 1), denied);
  await settle();
  await socket.answer(socket.take("publish"), { error: { code: 103, message: "permission denied" } });
  await refused;
  const late = assert.rejects(live.publish("c", 1), { code: 1, temporary: true });
  await settle();
  await clock.pass(5_000);
  await late;
  live.disconnect();
  await assert.rejects(live.rpc("m"), { code: 2 });
});

test("channels that the server chose", async () => {
  const live = new Squall(world.options());
  const heard = record(live, "subscribed", "unsubscribed", "publication", "gap", "join", "leave", "message");
  await settle();
  const socket = await world.sockets[0].open();
  await socket.connected({ subs: { news: { recoverable: true, epoch: "e", offset: 4 } } });
  await socket.publish("news", { data: 1, offset: 5 }, { data: 1, offset: 5 });
  await socket.say({ push: { channel: "news", join: { info: { user: "42" } } } }, { push: { message: { data: "hi" } } });
  assert.deepEqual(heard.take(), [
    ["subscribed", { channel: "news", recovered: false, wasRecovering: false }],
    ["publication", { channel: "news", data: 1, offset: 5 }],
    ["join", { channel: "news", info: { user: "42" } }],
    ["message", { data: "hi" }],
  ]);
  await socket.cut();
  const again = await next();
  const publications = [{ data: 2, offset: 6 }];
  const asked = await again.connected({
    subs: { news: { recoverable: true, epoch: "e", offset: 6, recovered: true, was_recovering: true, publications } },
  });
  assert.deepEqual(asked.subs, { news: { recover: true, epoch: "e", offset: 5 } });
  await again.publish("news", { data: 2, offset: 6 }, { data: 3, offset: 7 });
  await again.cut();
  const third = await next();
  await third.connected({ subs: { news: { recoverable: true, epoch: "f", offset: 1, was_recovering: true } } });
  const said = heard.take();
  assert.deepEqual(said.filter(([type]) => type === "publication").map(([, { data }]) => data), [2, 3]);
  assert.deepEqual(said.filter(([type]) => type === "gap"), [
    ["gap", { channel: "news", from: { epoch: "e", offset: 7 }, to: { epoch: "f", offset: 1 } }],
  ]);
});

test("deltas are applied, and one that does not fit begins anew without a loss", async () => {
  const file = new URL("../../crates/wire/src/delta/vectors.json", import.meta.url);
  const rows = JSON.parse(readFileSync(file, "utf8"));
  const { live, socket } = await begun();
  const a = live.subscribe("a", { delta: "fossil" });
  const heard = record(a, "message");
  const asked = await socket.subscribed({ delta: true, recoverable: true, epoch: "e", offset: 0 });
  assert.equal(asked.delta, "fossil");
  const quote = (text) => JSON.stringify(text);
  let offset = 0;
  for (const [name, source, target, delta] of rows) {
    // Only texts that are JSON themselves can be data.
    if (!name.startsWith("json") && name !== "same") continue;
    await socket.publish("a", { data: source, offset: ++offset }, { data: delta, delta: true, offset: ++offset });
    assert.deepEqual(data(heard.take()).map(quote), [source, target].map((text) => quote(JSON.parse(text))), name);
  }
  assert.ok(offset >= 4);
  await socket.publish("a", { data: "1\n1:x0;", delta: true, offset: ++offset });
  assert.equal(live.state, "connecting");
  const again = await next();
  await again.connected();
  assert.equal(again.take("subscribe").offset, offset - 1, "what did not fit was not handed on");
});

test("without deltas agreed, data is what it is", async () => {
  const { live, socket } = await begun();
  const a = live.subscribe("a", { delta: "fossil" });
  const heard = record(a, "message");
  await socket.subscribed({});
  await socket.publish("a", { data: { plain: true } });
  assert.deepEqual(data(heard.take()), [{ plain: true }]);
});

test("what is not the protocol ends the connection", async () => {
  const { live, socket } = await begun();
  const heard = record(live, "error");
  socket.onmessage({ data: "<html>" });
  assert.equal(live.state, "connecting");
  assert.equal(heard.take()[0][1].what, "protocol");
});
