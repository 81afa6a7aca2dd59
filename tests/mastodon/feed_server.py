"""The feed as a real program, and people who use it through Mastodon.py.

FEED_BIN names the program; it listens on a port of its own choosing and keeps its data in a directory that goes away.
"""

import html.parser
import os
import queue
import re
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

import requests
from mastodon import Mastodon, StreamListener

PASSWORD = "correct horse battery"
SCOPES = ["read", "write", "follow", "push"]
OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
# How long anything may take before a test says that it does not happen.
PATIENCE_S = 20


class Feed:
    """A running server."""

    def __init__(self):
        self.data = tempfile.TemporaryDirectory(prefix="feed-mastodon-")
        self.program = subprocess.Popen(
            [os.environ["FEED_BIN"], "--listen", "127.0.0.1:0", "--data", self.data.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.data.name,
            text=True,
        )
        self.lines = []
        addresses = queue.Queue()
        threading.Thread(target=self._read, args=(addresses,), daemon=True).start()
        self.origin = addresses.get(timeout=PATIENCE_S)
        if self.origin is None:
            raise RuntimeError("the feed did not start:\n" + "".join(self.lines))

    def _read(self, addresses):
        for line in self.program.stdout:
            self.lines.append(line)
            found = re.search(r"http://127\.0\.0\.1:([1-9]\d*)", line)
            if found:
                addresses.put(f"http://127.0.0.1:{found.group(1)}")
        addresses.put(None)

    def stop(self):
        self.program.terminate()
        try:
            self.program.wait(PATIENCE_S)
        finally:
            self.program.kill()
            self.program.wait()
            self.program.stdout.close()
            self.data.cleanup()

    def app(self, redirect_uris=OUT_OF_BAND, scopes=SCOPES):
        """Registers a program: its id and secret."""
        return Mastodon.create_app(
            "a test", scopes=scopes, redirect_uris=redirect_uris, api_base_url=self.origin, website="https://a.example"
        )

    def client(self, token=None, app=None):
        """A Mastodon.py that acts for whoever `token` belongs to."""
        client_id, secret = app or (None, None)
        return Mastodon(
            client_id=client_id,
            client_secret=secret,
            access_token=token,
            api_base_url=self.origin,
            ratelimit_method="throw",
            request_timeout=PATIENCE_S,
        )

    def person(self, name, app=None):
        """A new person, made through the API, and the Mastodon.py that acts for them."""
        app = app or self.app()
        maker = self.client(app=app)
        token = maker.create_account(name, PASSWORD, f"{name}@example.org", agreement=True, scopes=SCOPES)
        return self.client(token, app)

    def browser(self, name):
        """A browser in which `name` is signed in."""
        browser = requests.Session()
        page = browser.get(self.origin + "/sign-in", timeout=PATIENCE_S)
        form = Form.of(page, self.origin)
        form.fields.update(name=name, password=PASSWORD)
        answer = form.send(browser)
        assert answer.status_code == 303, (answer.status_code, answer.text)
        return browser


class Form(html.parser.HTMLParser):
    """The first form of a page that posts to `action` (or any), with its hidden fields filled in."""

    def __init__(self, url, action):
        super().__init__()
        self.url, self.wanted = url, action
        self.action, self.fields, self.buttons = None, {}, []
        self.inside = False

    @classmethod
    def of(cls, page, origin, action=None):
        form = cls(page.url, action)
        form.origin = origin
        form.feed(page.text)
        assert form.action is not None, page.text
        return form

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form" and self.action is None and (attributes.get("method") or "").lower() == "post":
            target = urllib.parse.urljoin(self.url, attributes.get("action") or "")
            if self.wanted is None or urllib.parse.urlparse(target).path == self.wanted:
                self.action, self.inside = target, True
        elif self.inside and tag == "input" and attributes.get("type") == "hidden":
            self.fields[attributes["name"]] = attributes.get("value") or ""
        elif self.inside and tag == "button":
            self.buttons.append((attributes.get("name"), attributes.get("value")))

    def handle_endtag(self, tag):
        if tag == "form":
            self.inside = False

    def send(self, browser, **fields):
        return browser.post(
            self.action, data={**self.fields, **fields}, allow_redirects=False, timeout=PATIENCE_S
        )


class Listener(StreamListener):
    """Puts everything that a stream says into a queue."""

    def __init__(self):
        self.said = queue.Queue()
        self.heard = threading.Event()

    def on_any_event(self, name, data=None, for_stream=None):
        self.said.put((name, data, for_stream))

    def on_unknown_event(self, name, unknown_event=None):
        pass

    def on_websocket_error(self, error, for_stream=None):
        self.said.put(("error", error, for_stream))

    def on_abort(self, err):
        self.said.put(("abort", err, None))

    def handle_heartbeat(self):
        # The first bytes of a stream are a comment: from here on nothing is missed.
        self.heard.set()

    def next(self, name):
        """The next event of this name; what else comes is passed over."""
        while True:
            said, data, stream = self.said.get(timeout=PATIENCE_S)
            if said == name:
                return data, stream
            if said == "abort":
                raise AssertionError(f"the stream ended: {data}")

    def all(self):
        """Everything said so far."""
        said = []
        while not self.said.empty():
            said.append(self.said.get())
        return said


class FeedCase(unittest.TestCase):
    """Tests that share one server."""

    @classmethod
    def setUpClass(cls):
        cls.feed = Feed()
        cls.addClassCleanup(cls.feed.stop)
