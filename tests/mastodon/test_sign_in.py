"""How a program gets to act for a person: registration, consent in the browser, tokens, their end."""

import base64
import hashlib
import urllib.parse

import requests
from mastodon import Mastodon
from mastodon.errors import MastodonAPIError, MastodonIllegalArgumentError, MastodonUnauthorizedError

from feed_server import OUT_OF_BAND, PASSWORD, PATIENCE_S, SCOPES, FeedCase, Form

CALLBACK = "https://client.example/callback?kept=1"


class SignIn(FeedCase):
    def consent(self, browser, url):
        page = browser.get(url, timeout=PATIENCE_S)
        self.assertEqual(page.status_code, 200, page.text)
        return Form.of(page, self.feed.origin, "/oauth/authorize")

    def test_the_code_is_shown_and_becomes_a_token(self):
        app = self.feed.app()
        self.feed.person("oob", app)
        client = self.feed.client(app=app)
        # What people see first: sign in, and come back to the question.
        url = client.auth_request_url(redirect_uris=OUT_OF_BAND, scopes=SCOPES, allow_http=True)
        asked = requests.get(url, allow_redirects=False, timeout=PATIENCE_S)
        self.assertEqual(asked.status_code, 303)
        browser = requests.Session()
        page = browser.get(self.feed.origin + asked.headers["Location"], timeout=PATIENCE_S)
        signed_in = Form.of(page, self.feed.origin).send(browser, name="oob", password=PASSWORD)
        back = urllib.parse.urljoin(self.feed.origin, signed_in.headers["Location"])
        self.assertTrue(back.startswith(self.feed.origin + "/oauth/authorize?"), back)
        # Any page that lets itself be framed can make people agree without knowing.
        question = browser.get(back, timeout=PATIENCE_S)
        self.assertIn("frame-ancestors 'none'", question.headers["Content-Security-Policy"])
        shown = Form.of(question, self.feed.origin, "/oauth/authorize").send(browser, decision="allow")
        self.assertEqual(shown.status_code, 200, shown.text)
        code = shown.text.split('id="code"')[1].split(">")[1].split("<")[0]
        client.log_in(code=code, redirect_uri=OUT_OF_BAND, scopes=SCOPES, allow_http=True)
        self.assertEqual(client.account_verify_credentials().username, "oob")
        self.assertEqual(client.app_verify_credentials().name, "a test")

    def test_the_browser_is_sent_back_with_code_and_state(self):
        app = self.feed.app([CALLBACK, OUT_OF_BAND])
        self.feed.person("back", app)
        browser, client = self.feed.browser("back"), self.feed.client(app=app)
        url = client.auth_request_url(redirect_uris=CALLBACK, scopes=SCOPES, state="s/t a&b", allow_http=True)
        answer = self.consent(browser, url).send(browser, decision="allow")
        self.assertEqual(answer.status_code, 303, answer.text)
        target = urllib.parse.urlparse(answer.headers["Location"])
        query = urllib.parse.parse_qs(target.query)
        self.assertEqual((target.netloc, target.path), ("client.example", "/callback"))
        self.assertEqual((query["kept"], query["state"]), (["1"], ["s/t a&b"]))
        token = client.log_in(code=query["code"][0], redirect_uri=CALLBACK, scopes=SCOPES, allow_http=True)
        self.assertEqual(client.me().acct, "back")
        # A code works once. The second time somebody else may have it, so the first token ends too.
        with self.assertRaises((MastodonAPIError, MastodonIllegalArgumentError)):
            self.feed.client(app=app).log_in(
                code=query["code"][0], redirect_uri=CALLBACK, scopes=SCOPES, allow_http=True
            )
        with self.assertRaises(MastodonUnauthorizedError):
            self.feed.client(token).account_verify_credentials()

    def test_no_is_an_answer_too(self):
        app = self.feed.app(CALLBACK)
        self.feed.person("no", app)
        browser, client = self.feed.browser("no"), self.feed.client(app=app)
        url = client.auth_request_url(redirect_uris=CALLBACK, scopes=SCOPES, state="x", allow_http=True)
        answer = self.consent(browser, url).send(browser, decision="deny")
        query = urllib.parse.parse_qs(urllib.parse.urlparse(answer.headers["Location"]).query)
        self.assertEqual((query["error"], query["state"]), (["access_denied"], ["x"]))

    def test_nobody_is_sent_to_an_address_that_was_not_registered(self):
        app = self.feed.app(CALLBACK)
        self.feed.person("astray", app)
        browser = self.feed.browser("astray")
        for address in ["https://evil.example/", CALLBACK + "&x=1", "https://client.example/callback", OUT_OF_BAND]:
            url = self.feed.client(app=app).auth_request_url(redirect_uris=address, scopes=SCOPES, allow_http=True)
            answer = browser.get(url, allow_redirects=False, timeout=PATIENCE_S)
            self.assertEqual((answer.status_code, answer.headers.get("Location")), (400, None), address)

    def test_a_form_of_another_page_does_not_count(self):
        app = self.feed.app(CALLBACK)
        self.feed.person("forged", app)
        browser, client = self.feed.browser("forged"), self.feed.client(app=app)
        form = self.consent(browser, client.auth_request_url(redirect_uris=CALLBACK, scopes=SCOPES, allow_http=True))
        del form.fields["_xsrf"]
        self.assertEqual(form.send(browser, decision="allow").status_code, 403)

    def test_proof_key_for_code_exchange(self):
        client_id, secret = app = self.feed.app(CALLBACK)
        self.feed.person("pkce", app)
        browser = self.feed.browser("pkce")
        verifier = "v" * 64
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()

        def code():
            query = urllib.parse.urlencode(
                {
                    "response_type": "code",
                    "client_id": client_id,
                    "redirect_uri": CALLBACK,
                    "scope": "read",
                    "code_challenge": challenge,
                    "code_challenge_method": "S256",
                }
            )
            answer = self.consent(browser, f"{self.feed.origin}/oauth/authorize/?{query}").send(browser, decision="allow")
            return urllib.parse.parse_qs(urllib.parse.urlparse(answer.headers["Location"]).query)["code"][0]

        def redeem(**more):
            fields = {
                "grant_type": "authorization_code",
                "code": code(),
                "client_id": client_id,
                "client_secret": secret,
                "redirect_uri": CALLBACK,
                **more,
            }
            return requests.post(self.feed.origin + "/oauth/token", data=fields, timeout=PATIENCE_S)

        for wrong in [{}, {"code_verifier": "w" * 64}, {"code_verifier": challenge}]:
            answer = redeem(**wrong)
            self.assertEqual((answer.status_code, answer.json()["error"]), (400, "invalid_grant"), wrong)
        answer = redeem(code_verifier=verifier)
        self.assertEqual((answer.status_code, answer.json()["scope"]), (200, "read"), answer.text)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")

    def test_a_revoked_token_is_over(self):
        client = self.feed.person("revoked")
        self.assertEqual(client.me().acct, "revoked")
        token = client.access_token
        client.revoke_access_token(allow_http=True)
        with self.assertRaises(MastodonUnauthorizedError):
            self.feed.client(token).me()

    def test_what_is_wrong_with_a_new_account_is_said(self):
        app = self.feed.app()
        self.feed.person("taken", app)
        maker = self.feed.client(app=app)
        _, details = maker.create_account(
            "taken", PASSWORD, "a@b.example", agreement=True, scopes=SCOPES, return_detailed_error=True
        )
        self.assertEqual(details.details.username[0].error, "ERR_TAKEN")
        maker = self.feed.client(app=app)
        _, details = maker.create_account(
            "a-b", "short", "nothing", agreement=False, scopes=SCOPES, return_detailed_error=True
        )
        wrong = {field for field, said in details.details.items() if said}
        self.assertEqual(wrong, {"username", "password", "email", "agreement"})

    def test_scopes_are_kept(self):
        app = self.feed.app(scopes=["read"])
        client_id, secret = app
        fields = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": "write"}
        answer = requests.post(self.feed.origin + "/oauth/token", json=fields, timeout=PATIENCE_S)
        self.assertEqual((answer.status_code, answer.json()["error"]), (400, "invalid_scope"))
        fields["grant_type"] = "password"
        answer = requests.post(self.feed.origin + "/oauth/token", data=fields, timeout=PATIENCE_S)
        self.assertEqual((answer.status_code, answer.json()["error"]), (400, "unsupported_grant_type"))

    def test_clients_find_out_what_this_is(self):
        nobody = Mastodon(api_base_url=self.feed.origin, version_check_mode="created")
        self.assertEqual(nobody.retrieve_mastodon_version(), "4.2.0")
        self.assertTrue(nobody.instance_v1().urls.streaming_api.startswith("ws://127.0.0.1:"))
        self.assertEqual(nobody.instance_v2().domain, self.feed.origin.removeprefix("http://"))
        self.assertEqual(nobody.instance_nodeinfo().version, "2.0")
        self.assertTrue(nobody.stream_healthy())
