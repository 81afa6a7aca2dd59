//! A job and its progress: a form starts it, a page shows a bar that moves by itself, or on reload without script.
//!
//! Run with: cargo run --release -p examples --example progress [-- ADDRESS]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use squall::assets::Assets;
use squall::live::{self, Hub, HubConfig, Live, Topics};
use squall::web::extract::{Path, State};
use squall::web::routing::{get, post};
use squall::web::{Html, Redirect, Router, StatusCode, secure_headers};
use squall::xsrf::{Xsrf, XsrfToken};

const STEP: Duration = Duration::from_millis(50);

const START: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Jobs</title><meta name="viewport" content="width=device-width">
<form method="post" action="/jobs">XSRF<button>Start a job</button></form>
"#;

const JOB: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Job NUMBER</title><meta name="viewport" content="width=device-width">
<script src="/static/progress.js" defer></script><noscript><meta http-equiv="refresh" content="1"></noscript>
<h1>Job NUMBER</h1>
<p><label>Progress <progress max="100" value="DONE" data-stream="/jobs/NUMBER/events?cursor=CURSOR"></progress></label>
<output>DONE %</output></p><p><a href="/">Start another</a></p>
"#;

const SCRIPT: &str = r#"
const bar = document.querySelector("progress"), text = document.querySelector("output");
const stream = new EventSource(bar.dataset.stream);
stream.onmessage = event => {
  bar.value = event.data;
  text.textContent = `${event.data} %`;
  if (event.data === "100") stream.close();
};
"#;

#[derive(Clone)]
struct Jobs {
    live: Live,
    last: Arc<AtomicU64>,
}

fn topic(number: u64) -> String {
    format!("job:{number}")
}

async fn start(xsrf: XsrfToken) -> Html<String> {
    Html(START.replace("XSRF", &xsrf.field_html()))
}

/// Begins a job, which runs beside everything else on this core and tells its topic how far it is.
async fn begin(State(jobs): State<Jobs>) -> Redirect {
    let number = jobs.last.fetch_add(1, Ordering::Relaxed) + 1;
    // Before the page is asked for, so that it finds the job.
    jobs.live.publish(&topic(number), "0").ready();
    tokio::spawn(async move {
        for done in (5..=100).step_by(5) {
            tokio::time::sleep(STEP).await;
            jobs.live.publish(&topic(number), done.to_string()).ready();
        }
    });
    Redirect::to(&format!("/jobs/{number}"))
}

/// How far it is now; the stream goes on from there.
async fn show(State(jobs): State<Jobs>, Path(number): Path<u64>) -> Result<Html<String>, StatusCode> {
    let hub = jobs.live.hub();
    let newest = hub
        .history(&topic(number), 1)
        .pop()
        .ok_or(StatusCode::NOT_FOUND)?;
    let page = JOB
        .replace("NUMBER", &number.to_string())
        .replace("DONE", &String::from_utf8_lossy(&newest.data))
        .replace("CURSOR", &hub.cursor_at(newest.offset).to_string());
    Ok(Html(page))
}

fn main() -> Result<(), squall::Error> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let live = Live::new(
        Hub::new(HubConfig {
            epoch: live::new_epoch(),
            ..HubConfig::default()
        }),
        live::anyone,
    );
    // `/jobs/7/events` follows `job:7`.
    let of_path = Topics::with(|parts| {
        let number = parts
            .uri
            .path()
            .split('/')
            .nth(2)
            .and_then(|word| word.parse().ok());
        number.map(topic).into_iter().collect()
    });
    let jobs = Jobs {
        live: live.clone(),
        last: Arc::default(),
    };
    let router = Router::new()
        .route("/", get(start))
        .route("/jobs", post(begin))
        .route("/jobs/{number}", get(show))
        .route("/jobs/{number}/events", live.sse(of_path))
        .merge(Assets::embedded(&[("progress.js", SCRIPT.as_bytes())]).router())
        .layer(Xsrf::new())
        .layer(secure_headers())
        .with_state(jobs);
    let server = squall::Server::new(router).bind(&address).live(&live);
    server.run_with(|handle| eprintln!("listening on http://{}", handle.local_addrs()[0]))
}
