"""People who post, read, follow, like and search with Mastodon.py."""

import datetime

import requests
from mastodon.errors import MastodonAPIError, MastodonNotFoundError, MastodonUnauthorizedError

from feed_server import PATIENCE_S, FeedCase


def ids(statuses):
    return [status.id for status in statuses]


class Posting(FeedCase):
    def test_a_post_is_in_home_and_public_and_on_the_profile(self):
        ann = self.feed.person("ann")
        status = ann.status_post("Hello <b> & http://example.org/x", visibility="public")
        self.assertIn("&lt;b&gt; &amp; <a ", status.content)
        self.assertEqual((status.visibility, status.account.acct), ("public", "ann"))
        self.assertEqual(status.application.name, "a test")
        self.assertEqual(status.url, f"{self.feed.origin}/@ann/{status.id}")
        self.assertLess(abs(datetime.datetime.now(datetime.timezone.utc) - status.created_at).total_seconds(), 60)
        nobody = self.feed.client()
        self.assertIn(status.id, ids(ann.timeline_home()))
        self.assertIn(status.id, ids(nobody.timeline_public()))
        self.assertIn(status.id, ids(nobody.account_statuses(status.account.id)))
        self.assertEqual(requests.get(status.url, timeout=PATIENCE_S).status_code, 200)
        gone = ann.status_delete(status)
        self.assertEqual(gone.text, "Hello <b> & http://example.org/x")
        with self.assertRaises(MastodonNotFoundError):
            nobody.status(status)

    def test_pages_neither_skip_nor_repeat_while_others_post(self):
        bob = self.feed.person("bob")
        posted = [bob.status_post(f"number {number}").id for number in range(25)]
        page = bob.account_statuses(bob.me(), limit=7)
        seen = ids(page)
        while page := bob.fetch_next(page):
            bob.status_post("meanwhile")
            seen += ids(page)
        self.assertEqual(seen, list(reversed(posted)))
        self.assertEqual(len(ids(bob.fetch_previous(bob.account_statuses(bob.me(), max_id=posted[5], limit=2)))), 2)
        home = bob.fetch_remaining(bob.timeline_home(limit=10))
        self.assertEqual([i for i in ids(home) if i in set(posted)], list(reversed(posted)))
        self.assertEqual(ids(bob.timeline_home(min_id=posted[3], limit=2)), [posted[5], posted[4]])

    def test_the_same_key_posts_once(self):
        cat = self.feed.person("cat")
        first = cat.status_post("once", idempotency_key="k1")
        self.assertEqual(cat.status_post("once", idempotency_key="k1").id, first.id)
        self.assertNotEqual(cat.status_post("once", idempotency_key="k2").id, first.id)
        self.assertEqual(len(cat.account_statuses(cat.me())), 2)

    def test_following_liking_answering_and_being_told(self):
        dan, eve = self.feed.person("dan"), self.feed.person("eve")
        dan_me, eve_me = dan.me(), eve.me()
        self.assertTrue(dan.account_follow(eve_me).following)
        post = eve.status_post("hear @dan", visibility="private")
        self.assertEqual([mention.acct for mention in post.mentions], ["dan"])
        self.assertIn(post.id, ids(dan.timeline_home()))
        liked = dan.status_favourite(post)
        self.assertTrue(liked.favourited)
        self.assertEqual(eve.status(post).favourites_count, 1)
        self.assertFalse(eve.status(post).favourited)
        answer = dan.status_reply(post, "I hear", untag=True, visibility="public")
        self.assertEqual((answer.in_reply_to_id, answer.in_reply_to_account_id), (post.id, eve_me.id))
        self.assertEqual(ids(eve.status_context(post).descendants), [answer.id])
        self.assertEqual(ids(eve.status_context(answer).ancestors), [post.id])
        self.assertEqual({n.type for n in eve.notifications()}, {"follow", "favourite", "mention"})
        self.assertEqual([n.type for n in dan.notifications()], ["mention"])
        self.assertEqual([n.type for n in eve.notifications(types=["follow"])], ["follow"])
        self.assertEqual(eve.notifications(exclude_types=["follow", "favourite", "mention"]), [])
        self.assertEqual([a.acct for a in eve.account_followers(eve_me)], ["dan"])
        self.assertEqual([a.acct for a in dan.account_following(dan_me)], ["eve"])
        (relationship,) = eve.account_relationships([dan_me.id])
        self.assertEqual((relationship.following, relationship.followed_by), (False, True))
        self.assertFalse(dan.status_unfavourite(post).favourited)
        self.assertFalse(dan.account_unfollow(eve_me).following)
        self.assertNotIn(post.id, ids(dan.timeline_home()))
        notification = eve.notifications()[0]
        eve.notifications_dismiss(notification)
        self.assertNotIn(notification.id, [n.id for n in eve.notifications()])
        eve.notifications_clear()
        self.assertEqual(eve.notifications(), [])

    def test_searching(self):
        fay = self.feed.person("fay_x")
        post = fay.status_post("a word like zanzibar", visibility="public")
        self.assertEqual([a.acct for a in fay.search("fay_").accounts], ["fay_x"])
        host = self.feed.origin.removeprefix("http://")
        self.assertEqual([a.acct for a in fay.account_search(f"@fay_x@{host}")], ["fay_x"])
        self.assertEqual(ids(fay.search("zanzibar").statuses), [post.id])
        self.assertEqual(ids(fay.search(post.url, resolve=True).statuses), [post.id])
        self.assertEqual(fay.account_lookup("fay_x").id, fay.me().id)

    def test_changing_oneself(self):
        gus = self.feed.person("gus")
        changed = gus.account_update_credentials(display_name="Gus <3", note="about\nme")
        self.assertEqual((changed.display_name, changed.source.note), ("Gus <3", "about\nme"))
        self.assertEqual(changed.note, "<p>about<br />me</p>")
        requests.patch(
            self.feed.origin + "/api/v1/accounts/update_credentials",
            files={"source[privacy]": (None, "private")},
            headers={"Authorization": f"Bearer {gus.access_token}"},
            timeout=PATIENCE_S,
        ).raise_for_status()
        self.assertEqual(gus.preferences()["posting:default:visibility"], "private")
        self.assertEqual(gus.status_post("to my followers").visibility, "private")

    def test_what_is_not_here_is_said_or_empty(self):
        hal = self.feed.person("hal")
        for nothing in [hal.lists, hal.filters_v2, hal.conversations, hal.bookmarks, hal.mutes, hal.blocks,
                        hal.follow_requests, hal.announcements, hal.custom_emojis, hal.scheduled_statuses]:
            self.assertEqual(list(nothing()), [], nothing)
        post = hal.status_post("x")
        with self.assertRaises(MastodonAPIError):
            hal.status_reblog(post)
        with self.assertRaises(MastodonUnauthorizedError):
            self.feed.client().timeline_home()

    def test_limits_are_told(self):
        answer = requests.get(self.feed.origin + "/api/v1/instance/", timeout=PATIENCE_S)
        self.assertGreater(int(answer.headers["X-RateLimit-Remaining"]), 0)
        datetime.datetime.fromisoformat(answer.headers["X-RateLimit-Reset"].replace("Z", "+00:00"))
        ida = self.feed.person("ida")
        ida.timeline_home()
        self.assertLess(ida.ratelimit_remaining, ida.ratelimit_limit)
