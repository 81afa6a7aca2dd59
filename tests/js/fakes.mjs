// A clock, a WebSocket, a fetch, an EventSource and a browser that tests move by hand.

import assert from "node:assert/strict";

/** Time stands still until it is told to pass. */
export class Clock {
  now = 1_000_000;
  timers = new Map();
  delays = [];
  #last = 0;

  install() {
    globalThis.setTimeout = (act, delay = 0) => {
      this.delays.push(delay);
      this.timers.set(++this.#last, { act, at: this.now + delay });
      return this.#last;
    };
    globalThis.clearTimeout = (timer) => this.timers.delete(timer);
    Date.now = () => this.now;
    return this;
  }

  async pass(ms) {
    const until = this.now + ms;
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.now = Math.max(this.now, due[1].at);
      due[1].act();
      await settle();
    }
    this.now = until;
    await settle();
  }
}

/** Until everything that was promised has happened. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** What a server has heard over one connection, and what it says there. */
class Line {
  heard = [];
  isClosed = false;

  hear(text) {
    for (const line of text.split("\n")) this.heard.push(JSON.parse(line));
    this.writes = (this.writes ?? 0) + 1;
  }

  /** The oldest command that was not looked at yet, which must be one of this method. */
  take(method) {
    const command = this.heard.shift();
    assert.ok(command?.[method], `${method} expected, not ${JSON.stringify(command)}`);
    return { id: command.id, ...command[method] };
  }

  nothing() {
    assert.deepEqual(this.heard, []);
  }

  async answer({ id }, reply) {
    await this.say({ id, ...reply });
  }

  async connected(result = {}) {
    const command = this.take("connect");
    await this.answer(command, { connect: { client: "c", ping: 25, pong: true, session: "s", node: "n", ...result } });
    return command;
  }

  async subscribed(result = {}) {
    const command = this.take("subscribe");
    await this.answer(command, { subscribe: result });
    return command;
  }

  publish(channel, ...pubs) {
    return this.say(...pubs.map((pub) => ({ push: { channel, pub } })));
  }
}

export class World {
  sockets = [];
  streams = [];
  sources = [];
  emulated = [];
  tokens = [];

  constructor() {
    this.storage = new Map();
    const world = this;
    globalThis.sessionStorage = {
      getItem: (key) => this.storage.get(key) ?? null,
      setItem: (key, value) => this.storage.set(key, value),
    };
    this.WebSocket = class extends Line {
      constructor(url) {
        super();
        this.url = url;
        world.sockets.push(this);
      }
      send(text) {
        assert.equal(this.isClosed, false, "said after the end");
        this.hear(text);
      }
      close() {
        this.isClosed = true;
      }
      async open() {
        this.onopen();
        await settle();
        return this;
      }
      async say(...replies) {
        this.onmessage({ data: replies.map((reply) => JSON.stringify(reply)).join("\n") });
        await settle();
      }
      async cut(code = 1006, reason = "") {
        this.isClosed = true;
        this.onclose({ code, reason });
        await settle();
      }
    };
    this.EventSource = class extends Line {
      constructor(url) {
        super();
        this.url = new URL(url);
        this.hear(this.url.searchParams.get("cf_connect"));
        world.sources.push(this);
      }
      close() {
        this.isClosed = true;
      }
      async say(...replies) {
        for (const reply of replies) this.onmessage({ data: JSON.stringify(reply) });
        await settle();
      }
      async cut() {
        this.onerror();
        await settle();
      }
    };
    this.fetch = (url, options) => {
      if (new URL(url).pathname.endsWith("/emulation")) {
        return new Promise((resolve) => this.emulated.push({ ...JSON.parse(options.body), resolve }));
      }
      const stream = new Line();
      stream.url = url;
      stream.hear(options.body);
      const body = new ReadableStream({ start: (controller) => (stream.controller = controller) });
      stream.write = async (text) => (stream.controller.enqueue(new TextEncoder().encode(text)), await settle());
      stream.say = (...replies) => stream.write(replies.map((reply) => JSON.stringify(reply) + "\n").join(""));
      stream.cut = async () => (stream.controller.close(), await settle());
      options.signal.addEventListener("abort", () => (stream.isClosed = true));
      this.streams.push(stream);
      return new Promise((resolve) => {
        stream.open = async (status = 200) => (resolve({ ok: status === 200, status, body }), await settle());
      });
    };
  }

  options(more = {}) {
    const { WebSocket, EventSource, fetch } = this;
    return { url: "https://live.example/", WebSocket, EventSource, fetch, ...more };
  }
}

/** Writes down what a target says, without the event's own fields. */
export function record(target, ...types) {
  const said = [];
  for (const type of types) {
    target.addEventListener(type, (event) => said.push([type, { ...event, isTrusted: undefined }]));
  }
  return { said, take: () => said.splice(0).map(([type, fields]) => [type, clean(fields)]) };
}

function clean(fields) {
  return JSON.parse(JSON.stringify(fields));
}
