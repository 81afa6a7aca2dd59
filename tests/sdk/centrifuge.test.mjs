// Centrifugo's JavaScript SDK, as it is, against our sessions: the same tests over every transport that it has.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';

import { Centrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';

import { Proxy, Server } from './server.mjs';

const TRANSPORTS = [
  { name: 'websocket', client: Centrifuge },
  { name: 'websocket', client: ProtobufCentrifuge, isBinary: true },
  { name: 'http_stream', client: Centrifuge },
  { name: 'http_stream', client: ProtobufCentrifuge, isBinary: true },
  { name: 'sse', client: Centrifuge },
];

let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

let names = 0;
/** A channel that no other test uses. */
const unique = (kind) => `${kind}:${process.pid}-${++names}`;

const text = new TextDecoder();

for (const transport of TRANSPORTS) {
  describe(`${transport.name}${transport.isBinary ? ' in Protobuf' : ''}`, { timeout: 60_000 }, () => {
    const clients = [];
    const encode = (data) => (transport.isBinary ? new TextEncoder().encode(JSON.stringify(data)) : data);
    const decode = (data) => (transport.isBinary ? JSON.parse(text.decode(data)) : data);

    function client(options = {}, port = server.port) {
      const path = `127.0.0.1:${port}/connection/${transport.name}`;
      const endpoint = transport.name === 'websocket' ? `ws://${path}` : `http://${path}`;
      const made = new transport.client([{ transport: transport.name, endpoint }], {
        websocket: WebSocket,
        eventsource: EventSource,
        emulationEndpoint: `http://127.0.0.1:${port}/emulation`,
        minReconnectDelay: 1,
        maxReconnectDelay: 20,
        ...options,
      });
      clients.push(made);
      return made;
    }

    async function connected(options, port) {
      const made = client(options, port);
      made.connect();
      await made.ready();
      return made;
    }

    async function subscribed(made, channel, options) {
      const subscription = made.newSubscription(channel, options);
      const publications = [];
      subscription.on('publication', (publication) => {
        publications.push(decode(publication.data));
        subscription.emit('counted', publications.length);
      });
      const context = once(subscription, 'subscribed');
      subscription.subscribe();
      return { subscription, publications, context: (await context)[0] };
    }

    async function until({ subscription, publications }, count) {
      while (publications.length < count) await once(subscription, 'counted');
    }

    after(() => clients.forEach((made) => made.disconnect()));

    test('connects with a token and is greeted', async () => {
      const made = client({ token: 'alice' });
      const greeting = once(made, 'connected');
      made.connect();
      const [context] = await greeting;
      assert.match(context.client, /^[0-9a-f-]{36}$/);
      assert.deepEqual(decode(context.data), { hello: true });
      assert.deepEqual(decode((await made.rpc('whoami', encode(null))).data), 'alice');
    });

    test('a bad token ends it for good, an expired one is asked for anew', async () => {
      const bad = client({ token: 'bad' });
      const ended = once(bad, 'disconnected');
      bad.connect();
      assert.equal((await ended)[0].code, 3500);
      let asked = 0;
      const late = await connected({ token: 'expired', getToken: async () => (asked++, 'alice') });
      assert.equal(asked, 1);
      assert.equal(late.state, 'connected');
    });

    test('subscribes, publishes, receives in order', async () => {
      const channel = unique('room');
      const [alice, bob] = await Promise.all([connected({ token: 'alice' }), connected({ token: 'bob' })]);
      const room = await subscribed(bob, channel);
      assert.deepEqual(decode(room.context.data), { welcome: 1 });
      assert.equal(room.context.recoverable, true);
      const first = once(room.subscription, 'publication');
      await alice.publish(channel, encode({ n: 0 }));
      const [publication] = await first;
      assert.equal(publication.info.user, 'alice');
      assert.deepEqual(decode(publication.info.connInfo), { name: 'alice' });
      for (let n = 1; n < 50; n++) await server.publish(channel, { n });
      await until(room, 50);
      assert.deepEqual(room.publications.map(({ n }) => n), [...Array(50).keys()]);
      room.subscription.unsubscribe();
      await bob.rpc('echo', encode(1));
      await server.publish(channel, { n: 50 });
      await bob.rpc('echo', encode(1));
      assert.equal(room.publications.length, 50);
    });

    test('what it may not is refused with its number', async () => {
      const made = await connected({ token: 'alice' });
      const denied = made.newSubscription(unique('secret'));
      const ended = once(denied, 'unsubscribed');
      denied.subscribe();
      assert.equal((await ended)[0].code, 103);
      await assert.rejects(made.publish('secret:x', encode(1)), { code: 103 });
      await assert.rejects(made.rpc('nothing', encode(1)), { code: 104 });
      await assert.rejects(made.rpc('fail', encode(1)), { code: 1000, message: 'it failed' });
      await assert.rejects(made.rpc('panic', encode(1)), { code: 100 });
      await assert.rejects(made.history('secret:x', { limit: 1 }), { code: 103 });
      const left = once(made, 'disconnected');
      made.rpc('leave', encode(1)).catch(() => {});
      assert.equal((await left)[0].code, 4500);
    });

    test('reads history both ways, by the page', async () => {
      const channel = unique('log');
      const offsets = [];
      for (let n = 0; n < 5; n++) offsets.push(await server.publish(channel, n));
      const made = await connected({});
      const all = await made.history(channel, { limit: -1 });
      assert.deepEqual(all.publications.map(({ data }) => decode(data)), [0, 1, 2, 3, 4]);
      assert.equal(all.offset, offsets[4].offset);
      assert.equal(all.epoch, offsets[4].epoch);
      const since = { since: offsets[1], limit: 2 };
      const next = await made.history(channel, since);
      assert.deepEqual(next.publications.map(({ data }) => decode(data)), [2, 3]);
      const back = await made.history(channel, { ...since, reverse: true });
      assert.deepEqual(back.publications.map(({ data }) => decode(data)), [0]);
      assert.deepEqual((await made.history(channel, { limit: 0 })).publications, []);
      const foreign = { offset: 1, epoch: 'another' };
      await assert.rejects(made.history(channel, { since: foreign, limit: 1 }), { code: 112 });
    });

    test('calls, and says what is not answered', async () => {
      const made = await connected({ token: 'alice' });
      const heard = await subscribed(made, 'heard');
      const said = unique('said');
      made.send(encode(said));
      while (!heard.publications.includes(said)) await once(heard.subscription, 'counted');
      // In the order in which they were asked, whatever each takes.
      const order = [];
      const slow = made.rpc('slow', encode('slow')).then(() => order.push('slow'));
      const quick = made.rpc('echo', encode('quick')).then(() => order.push('quick'));
      await Promise.all([slow, quick]);
      if (transport.name === 'websocket') assert.deepEqual(order, ['slow', 'quick']);
    });

    test('a batch is answered whole', async () => {
      const made = await connected({ token: 'alice' });
      const channel = unique('batch');
      const room = await subscribed(made, channel);
      made.startBatching();
      const answers = [...Array(40).keys()].map((n) => made.publish(channel, encode(n)));
      const echo = made.rpc('echo', encode({ last: true }));
      made.stopBatching();
      await Promise.all(answers);
      assert.deepEqual(decode((await echo).data), { last: true });
      await until(room, 40);
      assert.deepEqual(room.publications, [...Array(40).keys()]);
    });

    test('recovers what it missed after a cut', async () => {
      const proxy = await Proxy.before(server);
      const channel = unique('cut');
      const made = await connected({ token: 'alice' }, proxy.port);
      const room = await subscribed(made, channel);
      for (let n = 0; n < 5; n++) await server.publish(channel, n);
      await until(room, 5);
      const cut = once(made, 'connecting');
      proxy.cut();
      await cut;
      for (let n = 5; n < 25; n++) await server.publish(channel, n);
      const back = once(room.subscription, 'subscribed');
      proxy.mend();
      const [context] = await back;
      assert.equal(context.wasRecovering, true);
      assert.equal(context.recovered, true);
      for (let n = 25; n < 30; n++) await server.publish(channel, n);
      await until(room, 30);
      assert.deepEqual(room.publications, [...Array(30).keys()]);
      proxy.stop();
    });

    test('is told when what it missed is not kept', async () => {
      const proxy = await Proxy.before(server);
      const channel = unique('short');
      const made = await connected({ token: 'alice' }, proxy.port);
      const room = await subscribed(made, channel);
      await server.publish(channel, 'before');
      await until(room, 1);
      const cut = once(made, 'connecting');
      proxy.cut();
      await cut;
      for (let n = 0; n < 20; n++) await server.publish(channel, 'x'.repeat(200));
      const back = once(room.subscription, 'subscribed');
      proxy.mend();
      const [context] = await back;
      assert.equal(context.wasRecovering, true);
      assert.equal(context.recovered, false);
      await server.publish(channel, 'after');
      await until(room, 2);
      assert.deepEqual(room.publications, ['before', 'after']);
      proxy.stop();
    });

    test('a channel of which only the newest matters recovers that', async () => {
      const channel = unique('cache');
      for (let n = 0; n < 3; n++) await server.publish(channel, n);
      const made = await connected({});
      const room = await subscribed(made, channel, { since: { offset: 0, epoch: '' } });
      await until(room, 1);
      assert.equal(room.context.recovered, true);
      assert.deepEqual(room.publications, [2]);
    });

    test('the server subscribes it, and it recovers there too', async () => {
      const proxy = await Proxy.before(server);
      const channel = unique('news');
      const made = client({ token: `alice+${channel}` }, proxy.port);
      const received = [];
      made.on('publication', (publication) => {
        received.push(decode(publication.data));
        made.emit('counted');
      });
      const begun = once(made, 'subscribed');
      made.connect();
      assert.equal((await begun)[0].channel, channel);
      await server.publish(channel, 0);
      while (received.length < 1) await once(made, 'counted');
      const cut = once(made, 'connecting');
      proxy.cut();
      await cut;
      await server.publish(channel, 1);
      const back = once(made, 'subscribed');
      proxy.mend();
      assert.equal((await back)[0].recovered, true);
      await server.publish(channel, 2);
      while (received.length < 3) await once(made, 'counted');
      assert.deepEqual(received, [0, 1, 2]);
      proxy.stop();
    });

    test('refreshes its token, and those of its subscriptions', async () => {
      const made = client({ token: 'alice/1', getToken: async () => 'again' });
      const ends = [];
      made.on('disconnected', (context) => ends.push(context));
      made.connect();
      await made.ready();
      const channel = unique('token');
      let asked = 0;
      const asks = new Promise((resolve) => {
        made.on('twice', resolve);
      });
      const room = await subscribed(made, channel, {
        getToken: async () => {
          if (++asked === 2) setTimeout(() => made.emit('twice'), 200);
          return `may ${channel}`;
        },
      });
      assert.equal(room.context.recoverable, true);
      await asks;
      await made.rpc('echo', encode(1));
      assert.equal(room.subscription.state, 'subscribed');
      assert.deepEqual(ends, []);
    });

    test('pings keep it', async () => {
      const made = await connected({ token: 'alice', maxServerPingDelay: 500 });
      const ends = [];
      made.on('connecting', (context) => ends.push(context));
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      assert.deepEqual(ends, []);
    });
  });
}
