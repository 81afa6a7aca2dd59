//! Requests by route, method and class of status, and how long they took.
//!
//! All of it is bounded: routes by [`crate::web::ROUTES_MAX`], methods and statuses by what they can be. Each core counts
//! in a place of its own, so that cores do not wait for each other's caches; a route's place is made when it is first
//! asked for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Method;

use super::Exposition;
use crate::web::RouteNames;

/// Upper bounds of the buckets of the durations by route, in seconds; one more bucket has none.
pub const DURATION_BOUNDS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

const METHODS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "other",
];

/// The first digit of the status less one; the last is for requests that nobody waited for.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "aborted"];

/// What stands for paths that no route has.
const NO_ROUTE: &str = "none";

/// More cores than this share places.
const PLACES_MAX: usize = 64;

pub(super) struct ByRoute {
    names: RouteNames,
    places: Box<[Place]>,
}

/// The counters of one core, by number of the route; the last is for paths that have none.
struct Place(Box<[OnceLock<Box<Counts>>]>);

#[derive(Default)]
struct Counts {
    requests: [[AtomicU64; CLASSES.len()]; METHODS.len()],
    buckets: [AtomicU64; DURATION_BOUNDS.len() + 1],
    sum_us: AtomicU64,
}

impl ByRoute {
    pub(super) fn new(names: RouteNames) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let places = cores.next_power_of_two().min(PLACES_MAX);
        let place = || Place((0..=names.len()).map(|_| OnceLock::new()).collect());
        Self {
            places: (0..places).map(|_| place()).collect(),
            names,
        }
    }

    pub(super) fn count(&self, method: &Method, path: &str, status: Option<u16>, took: Duration) {
        let place = &self.places[my_number() % self.places.len()];
        let route = self.names.number_of(path).unwrap_or(self.names.len());
        let counts = place.0[route].get_or_init(Box::default);
        let method = METHODS.iter().position(|name| *name == method.as_str());
        let class = match status {
            Some(status) => usize::from((status / 100).clamp(1, 5)) - 1,
            None => CLASSES.len() - 1,
        };
        let seconds = took.as_secs_f64();
        let bucket = DURATION_BOUNDS.iter().position(|bound| seconds <= *bound);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let add = |counter: &AtomicU64, by| {
            counter.fetch_add(by, Ordering::Relaxed);
        };
        add(&counts.requests[method.unwrap_or(METHODS.len() - 1)][class], 1);
        add(&counts.buckets[bucket.unwrap_or(DURATION_BOUNDS.len())], 1);
        add(&counts.sum_us, micros);
    }

    pub(super) fn write(&self, out: &mut Exposition) {
        let mut requests: Vec<([(&str, &str); 3], u64)> = Vec::new();
        let mut durations = Vec::new();
        for route in 0..=self.names.len() {
            let name = self.names.pattern(route).unwrap_or(NO_ROUTE);
            let places: Vec<&Counts> = self
                .places
                .iter()
                .filter_map(|p| p.0[route].get().map(|c| &**c))
                .collect();
            if places.is_empty() {
                continue;
            }
            let sum = |of: &dyn Fn(&Counts) -> &AtomicU64| -> u64 {
                places
                    .iter()
                    .map(|counts| of(counts).load(Ordering::Relaxed))
                    .sum()
            };
            for (at, method) in METHODS.iter().enumerate() {
                for (class, status) in CLASSES.iter().enumerate() {
                    let count = sum(&|counts| &counts.requests[at][class]);
                    // A series for each that never occurs would be sixty for each route.
                    if count > 0 {
                        requests.push(([("route", name), ("method", method), ("status", status)], count));
                    }
                }
            }
            let buckets: Vec<u64> = (0..=DURATION_BOUNDS.len())
                .map(|b| sum(&|counts| &counts.buckets[b]))
                .collect();
            let seconds = Duration::from_micros(sum(&|counts| &counts.sum_us)).as_secs_f64();
            durations.push(([("route", name)], buckets, seconds));
        }
        let requests: Vec<(&[(&str, &str)], u64)> = requests
            .iter()
            .map(|(labels, count)| (&labels[..], *count))
            .collect();
        out.counter(
            "squall_http_requests_total",
            "Requests by route, method and class of status; aborted: nobody waited for the answer.",
            &requests,
        );
        let durations: Vec<super::exposition::Buckets<'_>> = durations
            .iter()
            .map(|(labels, counts, sum)| (&labels[..], &counts[..], *sum))
            .collect();
        out.histogram(
            "squall_http_request_duration_seconds",
            "From the request to the beginning of its answer, by route.",
            &DURATION_BOUNDS,
            &durations,
        );
    }
}

/// Threads are numbered as they first count.
fn my_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    MINE.with(|number| *number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Syntax;

    fn count(by_route: &ByRoute, method: &str, path: &str, status: Option<u16>, ms: u64) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        by_route.count(&method, path, status, Duration::from_millis(ms));
    }

    fn text(by_route: &ByRoute) -> String {
        let mut out = Exposition::new(Syntax::Text);
        by_route.write(&mut out);
        out.finish()
    }

    #[test]
    fn requests_are_counted_by_route_method_and_class() {
        let by_route = ByRoute::new(RouteNames::new(["/", "/users/{id}"]));
        for id in 0..100 {
            count(&by_route, "GET", &format!("/users/{id}"), Some(200), 3);
        }
        count(&by_route, "POST", "/users/1", Some(404), 20_000);
        count(&by_route, "GET", "/", None, 0);
        let text = text(&by_route);
        for line in [
            "squall_http_requests_total{route=\"/\",method=\"GET\",status=\"aborted\"} 1\n",
            "squall_http_requests_total{route=\"/users/{id}\",method=\"GET\",status=\"2xx\"} 100\n",
            "squall_http_requests_total{route=\"/users/{id}\",method=\"POST\",status=\"4xx\"} 1\n",
            "squall_http_request_duration_seconds_bucket{route=\"/users/{id}\",le=\"0.001\"} 0\n",
            "squall_http_request_duration_seconds_bucket{route=\"/users/{id}\",le=\"0.005\"} 100\n",
            "squall_http_request_duration_seconds_bucket{route=\"/users/{id}\",le=\"10\"} 100\n",
            "squall_http_request_duration_seconds_bucket{route=\"/users/{id}\",le=\"+Inf\"} 101\n",
            "squall_http_request_duration_seconds_sum{route=\"/users/{id}\"} 20.3\n",
            "squall_http_request_duration_seconds_count{route=\"/users/{id}\"} 101\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    /// A scanner asks for what nobody has, by methods that nobody knows.
    #[test]
    fn label_flood_by_paths_methods_and_statuses_is_bounded() {
        let by_route = ByRoute::new(RouteNames::new(["/"]));
        for n in 0..5_000u16 {
            count(&by_route, &format!("M{n}"), &format!("/wp-{n}.php"), Some(n), 1);
        }
        let text = text(&by_route);
        let series = text
            .lines()
            .filter(|line| line.starts_with("squall_http_requests_total{"));
        assert_eq!(series.count(), 5, "{text}");
        assert!(
            text.contains("{route=\"none\",method=\"other\",status=\"4xx\"} 100\n"),
            "{text}"
        );
    }
}
