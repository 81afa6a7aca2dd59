//! A room that survives: what was said is on disk before it is acknowledged, and whoever follows resumes after a kill.
//!
//! Run with: cargo run --release -p examples --example durable [-- ADDRESS FOLDER]
//! Then: curl -N http://127.0.0.1:8888/room   and elsewhere: curl -d hello http://127.0.0.1:8888/say
//! Kill it (`kill -9`), run it again, and come back with the last id that curl showed: curl -N .../room?cursor=ID

use std::error::Error;

use squall::live::{
    self, Durability, DurableBroker, DurableConfig, HubConfig, Live, PublishError, Retention,
};
use squall::web::routing::{get, post};
use squall::web::{Router, StatusCode};

const ROOM: &str = "room";
/// Where the pointers of those who look are: only now matters, so that is not worth a write.
const POINTERS: &str = "pointers";

fn config() -> DurableConfig {
    DurableConfig {
        hub: HubConfig {
            retention: Retention {
                messages_max: 10_000,
                age_ms_max: 7 * 24 * 3_600_000,
                ..Retention::default()
            },
            ..HubConfig::default()
        },
        // With all defaults, and every topic on disk, it is one line: live::durable("data").
        namespaces: vec![(POINTERS.to_owned(), Durability::Memory)],
        ..DurableConfig::default()
    }
}

async fn say(live: Live, topic: &str, text: String) -> Result<String, StatusCode> {
    match live.publish(topic, text).await {
        Ok(cursor) => Ok(format!("{cursor}\n")),
        Err(PublishError::Refused(_)) => Err(StatusCode::UNPROCESSABLE_ENTITY),
        // The disk is full, or behind: nothing was acknowledged; try again later.
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    squall::log::init(&squall::log::Options::default())?;
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let folder = args.next().unwrap_or_else(|| "squall-durable".to_owned());
    let (hub, loaded) = DurableBroker::open(&folder, config())?;
    eprintln!("{} messages from {folder}: {:?}", loaded.messages, loaded.life);

    let live = Live::new(hub, live::anyone);
    let (room, pointers) = (live.clone(), live.clone());
    let log = loaded.log;
    let router = Router::new()
        .route("/room", live.sse([ROOM]))
        .route("/poll", live.poll([ROOM]))
        .route("/ws", live.ws([ROOM]))
        // A stream of its own: a gap here, after a restart, is then none in the room.
        .route("/pointers", live.sse([POINTERS]))
        .route("/say", post(move |text: String| say(room.clone(), ROOM, text)))
        .route(
            "/point",
            post(move |text: String| say(pointers.clone(), POINTERS, text)),
        )
        .route("/log", get(async move || format!("{:?}\n", log.counts())));
    let server = squall::Server::new(router).bind(&address).live(&live);
    server.run_with(|handle| eprintln!("listening on http://{}", handle.local_addrs()[0]))?;
    Ok(())
}
