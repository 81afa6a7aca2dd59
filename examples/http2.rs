//! One site over HTTP/1.1 and HTTP/2: a page, a stream of events, a WebSocket; whichever the client speaks.
//!
//! Run with: cargo run --release -p examples --example http2 [-- ADDRESS]
//! Then: curl --http2-prior-knowledge -v http://127.0.0.1:8888/
//! and:  curl --http2-prior-knowledge -N http://127.0.0.1:8888/ticks
//!
//! Browsers speak HTTP/2 over TLS alone: see the example `tls`.

use std::time::Duration;

use squall::live::{self, Hub, HubConfig, Live};
use squall::web::ws::WebSocketUpgrade;
use squall::web::{Request, Response, Router, routing::get};
use squall::{H2Limits, Limits};

/// Says which version of HTTP it was asked in.
async fn version(request: Request) -> String {
    format!("{:?}\n", request.version())
}

/// The same handler for a WebSocket of HTTP/1.1 and one of HTTP/2 (RFC 8441).
async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(message) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

fn main() -> Result<(), squall::Error> {
    let hub = Hub::new(HubConfig {
        epoch: live::new_epoch(),
        ..HubConfig::default()
    });
    let live = Live::new(hub, live::anyone);
    let clock = live.clone();
    std::thread::spawn(move || {
        for count in 0_u64.. {
            std::thread::sleep(Duration::from_secs(1));
            // Nothing waits in a hub of this process; one of a cluster would answer later.
            let _ = clock.publish("ticks", count.to_string()).ready();
        }
    });
    let router = Router::new()
        .route("/", get(version))
        .route("/ticks", live.sse(["ticks"]))
        .route("/echo", get(echo));
    // All of this is the default, and here to be seen.
    let limits = Limits {
        h2: H2Limits {
            streams_max: 128,
            ..H2Limits::default()
        },
        ..Limits::default()
    };
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8888".into());
    let server = squall::Server::new(router)
        .bind(&address)
        .live(&live)
        .limits(limits);
    server.run_with(|on| eprintln!("listening on http://{}", on.local_addrs()[0]))
}
