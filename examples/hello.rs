//! Everybody who follows the room hears what anybody says.
//!
//! Run with: cargo run --release -p examples --example hello [-- ADDRESS]
//! Then: curl -N http://127.0.0.1:8888/room   and elsewhere: curl -d hello http://127.0.0.1:8888/say

use squall::live::{self, Hub, HubConfig, Live};
use squall::web::routing::{get, post};
use squall::web::{Router, StatusCode};

fn main() -> Result<(), squall::Error> {
    let hub = Hub::new(HubConfig {
        epoch: live::new_epoch(),
        ..HubConfig::default()
    });
    let live = Live::new(hub, live::anyone);
    let room = live.clone();
    let say = async move |text: String| match room.publish("room", text).await {
        Ok(cursor) => Ok(format!("{cursor}\n")),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    };
    let router = Router::new()
        .route("/", get(async || "Hello, World!\n"))
        .route("/room", live.sse(["room"]))
        .route("/say", post(say));
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8888".into());
    let server = squall::Server::new(router).bind(&address).live(&live);
    server.run_with(|on| eprintln!("listening on http://{}", on.local_addrs()[0]))
}
