//! A server to be attacked: three doors to one topic, and handlers that show what the engine does.
//!
//! `e2e-room [--cores N] [--quick]`; with `--quick` every time-out is short, so that tests need not wait.
//! What happens to connections is published to the topic `events`, so that tests can wait for it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::Frame;
use squall::Limits;
use squall::live::{self, Hub, HubConfig, Live, Retention};
use squall::web::body::{Body, Bytes, HttpBody};
use squall::web::extract::{DefaultBodyLimit, State};
use squall::web::http::StatusCode;
use squall::web::routing::{get, post};
use squall::web::ws::{Socket, WebSocketUpgrade};
use squall::web::{IntoResponse, Response, Router, now_ms};

/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: u64 = 64 * 1024;
/// What `/big` would send to somebody who reads it all, in bytes.
const BIG_BYTES: u64 = 1 << 30;

/// A follower may be far behind: some tests make it so.
const KEPT: Retention = Retention {
    messages_max: 10_000,
    bytes_max: 4 << 20,
    age_ms_max: 3_600_000,
};

#[derive(Clone)]
struct Room {
    hub: Hub,
    smuggled: Arc<AtomicU64>,
}

impl Room {
    /// Tells the tests.
    fn event(&self, text: String) {
        self.hub.publish("events", text, now_ms()).ready();
    }
}

fn main() -> Result<(), squall::Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let cores = args
        .iter()
        .position(|arg| arg == "--cores")
        .and_then(|at| args[at + 1].parse().ok());
    let hub = Hub::new(HubConfig {
        retention: KEPT,
        ..HubConfig::default()
    });
    let live = Live::new(hub.clone(), live::anyone);
    let room = Room {
        hub,
        smuggled: Arc::default(),
    };
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route("/echo", post(async |body: Bytes| body))
        .route("/big", get(big))
        .route("/never", get(never))
        .route("/panic", get(panic))
        .route("/smuggled", get(smuggled))
        .route("/smuggled-count", get(smuggled_count))
        .route("/ws/echo", get(ws_echo))
        .route("/pub/room", post(publish))
        .route("/sse/room", live.sse(["room"]))
        .route("/poll/room", live.poll(["room"]))
        .route("/ws/room", live.ws(["room"]))
        .route("/sse/events", live.sse(["events"]))
        .layer(DefaultBodyLimit::disable())
        .with_state(room);
    let limits = if args.iter().any(|arg| arg == "--quick") {
        quick()
    } else {
        limits()
    };
    squall::Server::new(router)
        .bind("127.0.0.1:0")
        .cores(cores.unwrap_or(1))
        .limits(limits)
        .live(&live)
        .run_with(|server| {
            let addr = server.local_addr().expect("it listens on TCP");
            #[expect(clippy::print_stdout, reason = "the tests read the address here")]
            {
                println!("listening on {addr}");
            }
        })
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.body.body_bytes_max = BODY_BYTES_MAX;
    limits
}

/// Nobody has patience.
fn quick() -> Limits {
    let short = Duration::from_millis(500);
    Limits {
        header_read_timeout: short,
        body_read_timeout: short,
        idle_timeout: short,
        write_stall_timeout: short,
        handler_timeout: short,
        ping_interval: short,
        ping_timeout: short,
        close_timeout: short,
        ..limits()
    }
}

async fn publish(State(room): State<Room>, text: Bytes) -> Response {
    match room.hub.publish("room", text, now_ms()).await {
        Ok(cursor) => cursor.to_string().into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn smuggled(State(room): State<Room>) -> &'static str {
    room.smuggled.fetch_add(1, Ordering::Relaxed);
    "smuggled"
}

async fn smuggled_count(State(room): State<Room>) -> String {
    room.smuggled.load(Ordering::Relaxed).to_string()
}

async fn panic() -> &'static str {
    panic!("a handler's own fault")
}

/// A handler that waits for what never comes, and tells when it is dropped.
async fn never(State(room): State<Room>) {
    struct Told(Room);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.event("never: dropped".to_owned());
        }
    }
    let told = Told(room);
    told.0.event("never: began".to_owned());
    std::future::pending::<()>().await;
}

async fn ws_echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket: Socket| {
        while let Some(message) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

async fn big(State(room): State<Room>) -> Body {
    Body::new(Big {
        room,
        left_bytes: BIG_BYTES,
    })
}

/// A body that tells how much of it was taken when it is dropped.
struct Big {
    room: Room,
    left_bytes: u64,
}

impl HttpBody for Big {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static PIECE: [u8; 16 * 1024] = [b'x'; 16 * 1024];
        if self.left_bytes == 0 {
            return Poll::Ready(None);
        }
        self.left_bytes -= PIECE.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&PIECE)))))
    }
}

impl Drop for Big {
    fn drop(&mut self) {
        self.room
            .event(format!("big: {} taken", BIG_BYTES - self.left_bytes));
    }
}
