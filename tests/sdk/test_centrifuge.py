"""Centrifugo's Python SDK, as it is, against our sessions: in JSON and in Protobuf.

SESSIONS_BIN names the program; it listens on a port of its own choosing.
"""

import asyncio
import itertools
import json
import os
import re
import subprocess
import unittest
import urllib.request

from centrifuge import Client, ClientEventHandler, ReplyError, StreamPosition, SubscriptionEventHandler

# How long anything may take before a test says that it does not happen.
PATIENCE_S = 20


class Server:
    """A running server."""

    def __init__(self):
        self.program = subprocess.Popen([os.environ["SESSIONS_BIN"]], stdout=subprocess.PIPE, text=True)
        for line in self.program.stdout:
            found = re.search(r"listening on 127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                return
        raise RuntimeError("the server did not start")

    def publish(self, channel, data):
        url = f"http://127.0.0.1:{self.port}/publish/{channel}"
        with urllib.request.urlopen(url, data=json.dumps(data).encode()) as answer:
            epoch, offset = answer.read().decode().split(":")
        return StreamPosition(offset=int(offset), epoch=epoch)

    def stop(self):
        self.program.kill()
        self.program.wait()
        self.program.stdout.close()


class Proxy:
    """Passes connections on until it is cut; then it refuses new ones until it is mended."""

    def __init__(self, port):
        self.server_port = port
        self.is_cut = False
        self.writers = set()
        self.ended = []

    async def start(self):
        self.listener = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.listener.sockets[0].getsockname()[1]

    async def accept(self, reader, writer):
        if self.is_cut:
            return writer.close()
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        ended = asyncio.Event()
        self.ended.append(ended)
        pair = {writer, other_writer}
        self.writers |= pair
        await asyncio.gather(self.copy(reader, other_writer), self.copy(other_reader, writer))
        self.writers -= pair
        ended.set()

    async def copy(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except ConnectionError:
            pass
        writer.close()

    def cut(self):
        self.is_cut = True
        for writer in self.writers:
            writer.transport.abort()

    def mend(self):
        self.is_cut = False

    async def stop(self):
        self.cut()
        self.listener.close()
        for ended in self.ended:
            await ended.wait()


class Events(ClientEventHandler):
    """What a client was told, in queues."""

    def __init__(self):
        self.connected = asyncio.Queue()
        self.connecting = asyncio.Queue()
        self.disconnected = asyncio.Queue()
        self.publications = asyncio.Queue()

    async def on_connected(self, ctx):
        await self.connected.put(ctx)

    async def on_connecting(self, ctx):
        await self.connecting.put(ctx)

    async def on_disconnected(self, ctx):
        await self.disconnected.put(ctx)

    async def on_publication(self, ctx):
        await self.publications.put(ctx)


class Room(SubscriptionEventHandler):
    """What a subscription was told, in queues."""

    def __init__(self):
        self.subscribed = asyncio.Queue()
        self.unsubscribed = asyncio.Queue()
        self.publications = asyncio.Queue()
        self.joined = asyncio.Queue()
        self.left = asyncio.Queue()

    async def on_subscribed(self, ctx):
        await self.subscribed.put(ctx)

    async def on_unsubscribed(self, ctx):
        await self.unsubscribed.put(ctx)

    async def on_publication(self, ctx):
        await self.publications.put(ctx)

    async def on_join(self, ctx):
        await self.joined.put(ctx)

    async def on_leave(self, ctx):
        await self.left.put(ctx)


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE_S)


class Cases:
    """The tests of both forms."""

    protobuf = False
    numbers = itertools.count()

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.clients = []

    async def asyncTearDown(self):
        for client in self.clients:
            await client.disconnect()

    def unique(self, kind):
        return f"{kind}:python-{next(self.numbers)}"

    def encode(self, data):
        return json.dumps(data).encode() if self.protobuf else data

    def decode(self, data):
        return json.loads(data) if self.protobuf else data

    async def client(self, port=None, **options):
        events = Events()
        client = Client(
            f"ws://127.0.0.1:{port or self.server.port}/connection/websocket",
            events=events,
            use_protobuf=self.protobuf,
            min_reconnect_delay=0.01,
            max_reconnect_delay=0.05,
            proxy=None,
            **options,
        )
        self.clients.append(client)
        await client.connect()
        return client, events

    async def room(self, client, channel, **options):
        room = Room()
        room.subscription = client.new_subscription(channel, events=room, **options)
        await room.subscription.subscribe()
        return room

    async def received(self, queue, count):
        return [self.decode((await soon(queue.get())).pub.data) for _ in range(count)]

    async def test_connects_subscribes_publishes_and_calls(self):
        channel = self.unique("room")
        alice, events = await self.client(token="alice")
        greeting = await soon(events.connected.get())
        self.assertEqual(self.decode(greeting.data), {"hello": True})
        bob, _ = await self.client(token="bob")
        room = await self.room(bob, channel)
        context = await soon(room.subscribed.get())
        self.assertTrue(context.recoverable and context.positioned)
        await alice.publish(channel, self.encode({"n": 0}))
        first = await soon(room.publications.get())
        self.assertEqual(first.pub.info.user, "alice")
        self.assertEqual(self.decode(first.pub.data), {"n": 0})
        for n in range(1, 20):
            self.server.publish(channel, n)
        self.assertEqual(await self.received(room.publications, 19), list(range(1, 20)))
        self.assertEqual(self.decode((await alice.rpc("whoami", self.encode(None))).data), "alice")
        with self.assertRaises(ReplyError) as refused:
            await alice.publish("secret:x", self.encode(1))
        self.assertEqual(refused.exception.code, 103)

    async def test_many_commands_at_once_are_answered_each(self):
        client, _ = await self.client(token="alice")
        calls = [client.rpc("echo", self.encode(n)) for n in range(60)]
        answers = await soon(asyncio.gather(*calls))
        self.assertEqual([self.decode(answer.data) for answer in answers], list(range(60)))

    async def test_reads_history_both_ways(self):
        channel = self.unique("log")
        positions = [self.server.publish(channel, n) for n in range(5)]
        client, _ = await self.client()
        everything = await client.history(channel, limit=-1)
        self.assertEqual([self.decode(p.data) for p in everything.publications], [0, 1, 2, 3, 4])
        self.assertEqual((everything.offset, everything.epoch), (positions[4].offset, positions[4].epoch))
        some = await client.history(channel, limit=2, since=positions[1])
        self.assertEqual([self.decode(p.data) for p in some.publications], [2, 3])
        back = await client.history(channel, limit=2, since=positions[1], reverse=True)
        self.assertEqual([self.decode(p.data) for p in back.publications], [0])
        with self.assertRaises(ReplyError) as refused:
            await client.history(channel, limit=1, since=StreamPosition(offset=1, epoch="another"))
        self.assertEqual(refused.exception.code, 112)

    async def test_recovers_what_it_missed_after_a_cut(self):
        proxy = Proxy(self.server.port)
        await proxy.start()
        channel = self.unique("cut")
        client, events = await self.client(port=proxy.port, token="alice")
        room = await self.room(client, channel)
        await soon(room.subscribed.get())
        await soon(events.connecting.get())
        for n in range(5):
            self.server.publish(channel, n)
        self.assertEqual(await self.received(room.publications, 5), list(range(5)))
        proxy.cut()
        await soon(events.connecting.get())
        for n in range(5, 25):
            self.server.publish(channel, n)
        proxy.mend()
        context = await soon(room.subscribed.get())
        self.assertTrue(context.was_recovering and context.recovered)
        self.server.publish(channel, 25)
        self.assertEqual(await self.received(room.publications, 21), list(range(5, 26)))
        await proxy.stop()

    async def test_is_told_when_what_it_missed_is_not_kept(self):
        proxy = Proxy(self.server.port)
        await proxy.start()
        channel = self.unique("short")
        client, events = await self.client(port=proxy.port, token="alice")
        room = await self.room(client, channel)
        await soon(room.subscribed.get())
        await soon(events.connecting.get())
        self.server.publish(channel, "before")
        self.assertEqual(await self.received(room.publications, 1), ["before"])
        proxy.cut()
        await soon(events.connecting.get())
        for _ in range(20):
            self.server.publish(channel, "x" * 200)
        proxy.mend()
        context = await soon(room.subscribed.get())
        self.assertTrue(context.was_recovering)
        self.assertFalse(context.recovered)
        await proxy.stop()

    async def test_the_server_subscribes_it(self):
        channel = self.unique("news")
        client, events = await self.client(token=f"alice+{channel}")
        await client.ready()
        self.server.publish(channel, 7)
        self.assertEqual(await self.received(events.publications, 1), [7])

    async def test_refreshes_its_token_and_that_of_a_subscription(self):
        channel = self.unique("token")
        asked = {"client": asyncio.Event(), "room": asyncio.Queue()}

        async def again():
            asked["client"].set()
            return "again"

        async def may(_):
            await asked["room"].put(1)
            return f"may {channel}"

        client, events = await self.client(token="alice/1", get_token=again)
        room = await self.room(client, channel, get_token=may)
        await soon(room.subscribed.get())
        await soon(asked["room"].get())
        await soon(asked["client"].wait())
        await soon(asked["room"].get())
        self.assertEqual(self.decode((await client.rpc("echo", self.encode(1))).data), 1)
        self.assertTrue(events.disconnected.empty() and room.unsubscribed.empty())

    async def test_a_bad_token_ends_it_for_good(self):
        _, events = await self.client(token="bad")
        self.assertEqual((await soon(events.disconnected.get())).code, 3500)


class InJson(Cases, unittest.IsolatedAsyncioTestCase):
    """Text."""


class InProtobuf(Cases, unittest.IsolatedAsyncioTestCase):
    """Binary."""

    protobuf = True


if __name__ == "__main__":
    unittest.main()
