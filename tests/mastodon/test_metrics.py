"""The feed's metrics, read by Prometheus' own parsers."""

import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from feed_server import PATIENCE_S, FeedCase

FORMS = [("text/plain", text), ("application/openmetrics-text; version=1.0.0", openmetrics)]


class Metrics(FeedCase):
    def families(self, accept, parse):
        answer = requests.get(self.feed.origin + "/metrics", headers={"Accept": accept}, timeout=PATIENCE_S)
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(answer.headers["Content-Type"].startswith(accept.split(";")[0]))
        return {family.name: family for family in parse(answer.text)}

    def test_prometheus_reads_every_family(self):
        requests.get(self.feed.origin + "/public", timeout=PATIENCE_S)
        requests.get(self.feed.origin + "/no\"such\\page", timeout=PATIENCE_S)
        for accept, parse in FORMS:
            families = self.families(accept, parse)
            requests_ = {
                (sample.labels["route"], sample.labels["status"]): sample.value
                for sample in families["squall_http_requests"].samples
                if sample.labels["method"] == "GET"
            }
            self.assertGreaterEqual(requests_["/public", "2xx"], 1)
            self.assertGreaterEqual(requests_["none", "4xx"], 1)
            for name, kind in [
                ("squall_response_latency_seconds", "histogram"),
                ("squall_http_request_duration_seconds", "histogram"),
                ("squall_connections_by_state", "gauge"),
                ("squall_timeouts", "counter"),
                ("feed_followers", "gauge"),
                ("process_resident_memory_bytes", "gauge"),
            ]:
                self.assertEqual(families[name].type, kind)
                self.assertTrue(families[name].samples and families[name].documentation, name)

    def test_nobody_reads_them_through_a_proxy(self):
        fields = {"X-Forwarded-For": "203.0.113.9"}
        answer = requests.get(self.feed.origin + "/metrics", headers=fields, timeout=PATIENCE_S)
        self.assertEqual(answer.status_code, 404)

    def test_health(self):
        for path in ["/healthz", "/readyz"]:
            answer = requests.get(self.feed.origin + path, timeout=PATIENCE_S)
            self.assertEqual((answer.status_code, answer.json()["status"]), (200, "ok"), answer.text)
