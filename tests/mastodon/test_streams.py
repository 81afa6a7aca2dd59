"""What happens, while it happens: over SSE and WebSocket, and never to those whom it is not for."""

import json

import requests
import websocket
from mastodon.errors import MastodonNotFoundError

from feed_server import PATIENCE_S, FeedCase, Listener


class Streams(FeedCase):
    def sse(self, client, stream="user"):
        listener = Listener()
        handle = getattr(client, f"stream_{stream}")(listener, run_async=True)
        # `close` would wait for the next heartbeat, because another thread is reading; the end of the server ends it.
        self.addCleanup(setattr, handle, "closed", True)
        self.assertTrue(listener.heard.wait(PATIENCE_S), "a stream begins with a comment")
        return listener

    def ws(self, client, *streams):
        listener = Listener()
        handle = client.stream_open_websocket(listener)
        self.addCleanup(handle.close)
        for stream in streams:
            handle.subscribe(stream)
        self.settle(handle, listener)
        return handle, listener

    def settle(self, handle, listener):
        """Waits until everything that was asked for is in force: the refusal of nonsense comes after it."""
        handle._send({"type": "subscribe", "stream": "nonsense"})
        listener.next("error")

    def test_one_hears_oneself_over_sse(self):
        ann = self.feed.person("ann")
        heard = self.sse(ann)
        post = ann.status_post("hello", visibility="private")
        update, _ = heard.next("update")
        self.assertEqual((update.id, update.content, update.visibility), (post.id, "<p>hello</p>", "private"))
        ann.status_delete(post)
        self.assertEqual(heard.next("delete")[0], post.id)

    def test_being_told_over_sse(self):
        bob, cat = self.feed.person("bob"), self.feed.person("cat")
        heard = self.sse(bob)
        cat.account_follow(bob.me())
        notification, _ = heard.next("notification")
        self.assertEqual((notification.type, notification.account.acct), ("follow", "cat"))

    def test_many_streams_over_one_websocket(self):
        dan = self.feed.person("dan")
        handle, heard = self.ws(dan, "user", "public")
        post = dan.status_post("both", visibility="public")
        streams = {tuple(heard.next("update")[1]), tuple(heard.next("update")[1])}
        self.assertEqual(streams, {("user",), ("public",)})
        handle.unsubscribe("public")
        self.settle(handle, heard)
        second = dan.status_post("one", visibility="public")
        dan.status_delete(post)
        update, stream = heard.next("update")
        self.assertEqual((update.id, stream), (second.id, ["user"]))
        self.assertEqual(heard.next("delete"), (post.id, ["user"]))
        self.settle(handle, heard)
        self.assertEqual([said for said in heard.all() if said[2] == ["public"]], [])

    def test_following_begins_and_ends_on_open_streams(self):
        eve, fay = self.feed.person("eve"), self.feed.person("fay")
        heard = self.sse(eve)
        handle, on_ws = self.ws(eve, "user")
        fay.status_post("before", visibility="private")
        eve.account_follow(fay.me())
        during = fay.status_post("during", visibility="private")
        # Heard before the unfollowing: what is still on its way then need not arrive.
        for stream in (heard, on_ws):
            self.assertEqual(stream.next("update")[0].id, during.id)
        eve.account_unfollow(fay.me())
        fay.status_post("after", visibility="private")
        last = eve.status_post("the end", visibility="direct")
        for stream in (heard, on_ws):
            self.assertEqual(stream.next("update")[0].id, last.id)

    def test_a_stranger_never_sees_what_is_for_followers(self):
        gus, hal, nobody = self.feed.person("gus"), self.feed.person("hal"), self.feed.client()
        sse_user, sse_public = self.sse(hal), self.sse(hal, "public")
        sse_nobody = self.sse(nobody, "public")
        handle, on_ws = self.ws(hal, "user", "public", "public:local", "user:notification")
        root = gus.status_post("in public", visibility="public")
        secret = gus.status_post("hush @hal quokka", visibility="private", in_reply_to_id=root)
        own = gus.status_post("to myself quokka", visibility="direct")
        for post in (secret, own):
            for stranger in (hal, nobody):
                with self.assertRaises(MastodonNotFoundError):
                    stranger.status(post)
                with self.assertRaises(MastodonNotFoundError):
                    stranger.status_context(post)
            with self.assertRaises(MastodonNotFoundError):
                hal.status_favourite(post)
            with self.assertRaises(MastodonNotFoundError):
                hal.status_reply(post, "what?", untag=True)
            self.assertEqual(hal.statuses([post.id]), [])
        for stranger in (hal, nobody):
            self.assertEqual([s.id for s in stranger.status_context(root).descendants], [])
            self.assertEqual([s.id for s in stranger.account_statuses(root.account.id)], [root.id])
            self.assertNotIn(secret.id, [s.id for s in stranger.timeline_public()])
        self.assertEqual(hal.search("quokka").statuses, [])
        self.assertEqual([s.id for s in gus.search("quokka").statuses], [own.id, secret.id])
        self.assertEqual(hal.notifications(), [])
        self.assertEqual(nobody.status(root).replies_count, 0)
        # What is for everybody comes after it on every stream, so it would have been there before.
        last = gus.status_post("in public again", visibility="public")
        hal_own = hal.status_post("mine", visibility="direct")
        for stream in (sse_public, sse_nobody):
            self.assertEqual([stream.next("update")[0].id for _ in range(2)], [root.id, last.id])
        self.assertEqual(sse_user.next("update")[0].id, hal_own.id)
        seen = [on_ws.next("update") for _ in range(5)]
        self.assertEqual({update.id for update, _ in seen}, {root.id, last.id, hal_own.id})
        self.assertEqual([said[0] for said in on_ws.all() if said[0] == "notification"], [])

    def test_the_token_comes_in_three_ways(self):
        ida = self.feed.person("ida")
        address = self.feed.origin.replace("http", "ws") + "/api/v1/streaming"
        ways = [
            {"url": f"{address}?stream=user&access_token={ida.access_token}"},
            {"url": f"{address}?stream=user", "header": [f"Authorization: Bearer {ida.access_token}"]},
            {"url": f"{address}/?stream=user", "subprotocols": [ida.access_token]},
        ]
        sockets = [websocket.create_connection(timeout=PATIENCE_S, **way) for way in ways]
        # This client makes small letters of it.
        self.assertEqual(sockets[2].subprotocol, ida.access_token.lower())
        post = ida.status_post("three times")
        for socket in sockets:
            frame = json.loads(socket.recv())
            self.assertEqual((frame["stream"], frame["event"]), (["user"], "update"))
            self.assertEqual(json.loads(frame["payload"])["id"], str(post.id))
            socket.close()
        for query in ("?stream=user", "?stream=user&access_token=wrong"):
            with self.assertRaises(websocket.WebSocketBadStatusException) as refused:
                websocket.create_connection(address + query, timeout=PATIENCE_S)
            self.assertEqual(refused.exception.status_code, 401)

    def test_a_revoked_token_ends_its_streams(self):
        kim = self.feed.person("kim")
        address = self.feed.origin.replace("http", "ws") + "/api/v1/streaming"
        socket = websocket.create_connection(
            f"{address}?stream=user&access_token={kim.access_token}", timeout=PATIENCE_S
        )
        stream = requests.get(
            self.feed.origin + "/api/v1/streaming/user",
            headers={"Authorization": f"Bearer {kim.access_token}"},
            stream=True,
            timeout=PATIENCE_S,
        )
        lines = stream.iter_lines(chunk_size=1)
        self.assertEqual(next(lines), b":)")
        kim.revoke_access_token(allow_http=True)
        self.assertEqual([line for line in lines if b"event" in line], [])
        self.assertEqual(socket.recv(), "")

    def test_resuming_over_sse_misses_nothing(self):
        leo = self.feed.person("leo")

        def stream(**fields):
            answer = requests.get(
                self.feed.origin + "/api/v1/streaming/user",
                headers={"Authorization": f"Bearer {leo.access_token}", **fields},
                params={} if fields else {"resume": "1"},
                stream=True,
                timeout=PATIENCE_S,
            )
            self.assertEqual(answer.headers["Content-Type"], "text/event-stream")
            self.assertNotIn("Content-Encoding", answer.headers)
            self.addCleanup(answer.close)
            return answer, events(answer)

        first, said = stream()
        one = leo.status_post("one")
        event = next(said)
        self.assertEqual(json.loads(event["data"])["id"], str(one.id))
        first.close()
        two, three = leo.status_post("two"), leo.status_post("three")
        _, said = stream(**{"Last-Event-ID": event["id"]})
        for post in (two, three):
            self.assertEqual(json.loads(next(said)["data"])["id"], str(post.id))


def events(answer):
    event = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        if line == "":
            if "data" in event:
                yield event
            event = {k: v for k, v in event.items() if k == "id"}
        elif not line.startswith(":"):
            name, value = line.split(": ", 1)
            event[name] = value
