//! The comparison's routes on actix-web.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use actix_web::web::{self, Bytes, Data, Json, Payload, Query, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, Result, rt};
use actix_ws::{Message, MessageStream, Session};
use bytestring::ByteString;
use clap::Parser as _;
use futures_util::stream;
use peers::{Args, Greeting, HELLO, Page, PollQuery};

type Room = peers::Room<ByteString>;

/// The framework's default is 5 seconds: too short for connections that are measured while idle.
const KEEP_ALIVE: Duration = Duration::from_secs(600);

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let room = Data::new(Room::default());
    let server = HttpServer::new(move || App::new().app_data(room.clone()).configure(routes))
        .workers(args.cores)
        .keep_alive(KEEP_ALIVE)
        .tcp_nodelay(true);
    let server = match args.tls() {
        Some(tls) => server.bind_rustls_0_23((Ipv4Addr::LOCALHOST, args.port), tls)?,
        None => server.bind_auto_h2c((Ipv4Addr::LOCALHOST, args.port))?,
    };
    for address in server.addrs() {
        writeln!(std::io::stdout(), "listening on {address}")?;
    }
    server.run().await
}

fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(async || HELLO))
        .route("/json", web::get().to(async || Json(Greeting { message: HELLO })))
        .route("/echo", web::post().to(async |body: Bytes| body))
        .route("/ws/echo", web::get().to(ws_echo))
        .route("/ws/room", web::get().to(ws_room))
        .route("/sse/room", web::get().to(sse_room))
        .route("/pub/room", web::post().to(publish))
        .route("/poll/room", web::get().to(poll));
}

async fn ws_echo(request: HttpRequest, body: Payload) -> Result<impl Responder> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    rt::spawn(echo(session, messages));
    Ok(response)
}

async fn echo(mut session: Session, mut messages: MessageStream) {
    while let Some(Ok(message)) = messages.recv().await {
        let answered = match message {
            Message::Text(text) => session.text(text).await,
            Message::Binary(bytes) => session.binary(bytes).await,
            Message::Ping(bytes) => session.pong(&bytes).await,
            Message::Close(reason) => {
                let _ = session.close(reason).await;
                return;
            }
            Message::Pong(_) | Message::Continuation(_) | Message::Nop => Ok(()),
        };
        if answered.is_err() {
            return;
        }
    }
}

async fn ws_room(request: HttpRequest, body: Payload, room: Data<Room>) -> Result<impl Responder> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    rt::spawn(follow(session, messages, room));
    Ok(response)
}

async fn follow(mut session: Session, mut messages: MessageStream, room: Data<Room>) {
    let mut follower = room.follow();
    loop {
        let sent = tokio::select! {
            message = messages.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    room.publish(text);
                    Ok(())
                }
                Some(Ok(Message::Ping(bytes))) => session.pong(&bytes).await,
                Some(Ok(Message::Close(reason))) => {
                    let _ = session.close(reason).await;
                    return;
                }
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => return,
            },
            entry = follower.next() => {
                let Some(entry) = entry else { return };
                session.text(entry.text).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn sse_room(room: Data<Room>) -> HttpResponse {
    let events = stream::unfold(room.follow(), |mut follower| async {
        let entry = follower.next().await?;
        let event = format!("id: {}\ndata: {}\n\n", entry.offset, entry.text);
        Some((Ok::<_, Infallible>(Bytes::from(event)), follower))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(events)
}

async fn publish(room: Data<Room>, text: String) -> impl Responder {
    room.publish(text.into());
    HttpResponse::NoContent()
}

async fn poll(room: Data<Room>, query: Query<PollQuery>) -> Json<Page> {
    Json(room.poll(&query).await)
}
