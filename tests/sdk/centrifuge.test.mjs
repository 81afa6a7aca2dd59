// Centrifugo's JavaScript SDK, as it is, against our sessions: the same tests over every transport that it has.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
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

    test('is told who is there, who comes and who goes', async () => {
      const channel = unique('room');
      const [alice, bob] = await Promise.all([connected({ token: 'alice' }), connected({ token: 'bob' })]);
      const room = await subscribed(alice, channel, { joinLeave: true });
      const told = (event) =>
        new Promise((resolve) => {
          room.subscription.on(event, ({ info }) => info.user === 'bob' && resolve(info));
        });
      const [joined, left] = [told('join'), told('leave')];
      const other = await subscribed(bob, channel);
      const info = await joined;
      assert.deepEqual(decode(info.connInfo), { name: 'bob' });
      assert.deepEqual(decode(info.chanInfo), { here: 1 });
      const { clients } = await alice.presence(channel);
      assert.deepEqual(Object.values(clients).map(({ user }) => user).sort(), ['alice', 'bob']);
      assert.equal(clients[info.client].user, 'bob');
      const { numClients, numUsers } = await alice.presenceStats(channel);
      assert.deepEqual([numClients, numUsers], [2, 2]);
      other.subscription.unsubscribe();
      assert.equal((await left).client, info.client);
      assert.equal((await alice.presenceStats(channel)).numClients, 1);
    });

    test('gets what its filter picks, and what it missed of that', async () => {
      const proxy = await Proxy.before(server);
      const channel = unique('tagged');
      const publisher = await connected({ token: 'alice' });
      const made = await connected({ token: 'bob' }, proxy.port);
      const long = 'a long text';
      const tagsFilter = { key: 'size', cmp: 'gte', val: '10' };
      const room = await subscribed(made, channel, { tagsFilter });
      const say = (data) => publisher.publish(channel, encode(data));
      await say('x');
      await say(long);
      await until(room, 1);
      const cut = once(made, 'connecting');
      proxy.cut();
      await cut;
      await say('y');
      await say(`${long} 2`);
      const back = once(room.subscription, 'subscribed');
      proxy.mend();
      assert.equal((await back)[0].recovered, true);
      await say('z');
      await say(`${long} 3`);
      await until(room, 3);
      assert.deepEqual(room.publications, [long, `${long} 2`, `${long} 3`]);
      proxy.stop();
    });

    test('gets deltas, and recovers with them', async () => {
      const proxy = await Proxy.before(server);
      const channel = unique('delta');
      const made = await connected({ token: 'alice' }, proxy.port);
      const other = await connected({ token: 'bob' });
      const room = await subscribed(made, channel, { delta: 'fossil' });
      const plain = await subscribed(other, channel);
      const big = (n) => ({ n, text: 'the same for all '.repeat(20), umlaut: 'ä€🦀' });
      for (let n = 0; n < 5; n++) await server.publish(channel, big(n));
      await until(room, 5);
      const { numDeltaPayloads, numFullPayloads } = room.subscription.deltaStats();
      assert.deepEqual([numDeltaPayloads > 0, numDeltaPayloads + numFullPayloads], [true, 5]);
      const cut = once(made, 'connecting');
      proxy.cut();
      await cut;
      for (let n = 5; n < 8; n++) await server.publish(channel, big(n));
      const back = once(room.subscription, 'subscribed');
      proxy.mend();
      assert.equal((await back)[0].recovered, true);
      for (let n = 8; n < 12; n++) await server.publish(channel, big(n));
      await until(room, 12);
      await until(plain, 12);
      assert.deepEqual(room.publications, [...Array(12).keys()].map(big));
      assert.deepEqual(plain.publications, room.publications);
      proxy.stop();
    });

    test('the server speaks to it by the API', async () => {
      const user = unique('user');
      const channel = unique('api');
      const made = await connected({ token: user });
      const subscribedByServer = once(made, 'subscribed');
      await server.api('subscribe', { user, channel });
      assert.equal((await subscribedByServer)[0].channel, channel);
      const publication = once(made, 'publication');
      const { result } = await server.api('publish', { channel, data: { n: 1 }, tags: { t: 'v' } });
      const [context] = await publication;
      assert.deepEqual(decode(context.data), { n: 1 });
      assert.equal(context.offset, result.offset);
      assert.deepEqual({ ...context.tags }, { t: 'v' });
      const gone = once(made, 'unsubscribed');
      await server.api('unsubscribe', { user, channel });
      assert.equal((await gone)[0].channel, channel);
      const room = await subscribed(made, channel);
      const { result: presence } = await server.api('presence', { channel });
      assert.deepEqual(Object.values(presence.presence).map((info) => info.user), [user]);
      const { result: channels } = await server.api('channels', { pattern: channel });
      assert.equal(channels.channels[channel].num_clients, 1);
      const { result: history } = await server.api('history', { channel, limit: 10 });
      assert.deepEqual(history.publications.map(({ data }) => data), [{ n: 1 }]);
      const again = once(room.subscription, 'subscribing');
      const cut = once(made, 'connecting');
      await server.api('disconnect', { user, disconnect: { code: 4000, reason: 'come back' } });
      assert.equal((await cut)[0].code, 4000);
      await again;
      await made.ready();
      const end = once(made, 'disconnected');
      await server.api('disconnect', { user });
      assert.equal((await end)[0].code, 3503);
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

describe('with tokens in earnest', { timeout: 60_000 }, () => {
  const secret = 'a secret of thirty-two bytes, or more';
  let strict;
  const clients = [];
  before(async () => {
    strict = await Server.start(secret);
  });
  after(async () => {
    clients.forEach((made) => made.disconnect());
    await strict.stop();
  });

  function token(claims) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }
  const soon = (seconds) => Math.floor(Date.now() / 1000) + seconds;

  function client(options) {
    const made = new Centrifuge(`ws://127.0.0.1:${strict.port}/connection/websocket`, {
      websocket: WebSocket,
      ...options,
    });
    clients.push(made);
    return made;
  }

  test('a token says who it is, and namespaces what it may', async () => {
    const made = client({ token: token({ sub: '42', info: { name: 'Ann' } }) });
    made.connect();
    const room = made.newSubscription('chat:1');
    const subscribed = once(room, 'subscribed');
    room.subscribe();
    assert.equal((await subscribed)[0].recoverable, true);
    await room.publish({ text: 'hi' });
    const { clients: there } = await room.presence();
    assert.deepEqual(Object.values(there).map(({ user, connInfo }) => [user, connInfo]), [['42', { name: 'Ann' }]]);
    assert.equal((await room.history({ limit: 1 })).publications[0].info.user, '42');
    await assert.rejects(made.publish('chat:2', 1), { code: 103 });
    await assert.rejects(made.publish('nowhere:1', 1), { code: 102 });
    await assert.rejects(made.presence('private:1'), { code: 108 });
  });

  test('a subscription token lets in where nobody may without', async () => {
    const made = client({ token: token({ sub: '42' }) });
    made.connect();
    const without = made.newSubscription('private:1');
    const ended = once(without, 'unsubscribed');
    without.subscribe();
    assert.equal((await ended)[0].code, 103);
    made.removeSubscription(without);
    const claims = { sub: '42', channel: 'private:1', exp: soon(3600) };
    const room = made.newSubscription('private:1', { getToken: async () => token(claims) });
    room.subscribe();
    await room.ready();
    await room.publish('in');
    const stolen = made.newSubscription('private:2', { token: token(claims) });
    const out = once(made, 'disconnected');
    stolen.subscribe();
    assert.equal((await out)[0].code, 3500);
  });

  test('an expired token is asked for anew, a forged one ends it', async () => {
    const made = client({ token: token({ sub: '42', exp: soon(-10) }), getToken: async () => token({ sub: '42' }) });
    made.connect();
    await made.ready();
    const forged = client({ token: `${token({ sub: '42' }).slice(0, -2)}AA` });
    const ended = once(forged, 'disconnected');
    forged.connect();
    assert.equal((await ended)[0].code, 3500);
  });
});
