//! Requests over HTTP/2, with prior knowledge: several at once on a connection, some with bodies, some taken back.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::{Actor, Count, Shared};

/// Requests that are under way at once.
const STREAMS: usize = 8;
/// Rounds on a connection before another takes its place.
const ROUNDS_MAX: u64 = 50;
/// How long a round may take.
const ROUND_TIME_MAX: Duration = Duration::from_secs(10);

/// Some connections, one of which has its round at a time.
pub struct Http2 {
    runtime: Runtime,
    connections: Vec<Option<SendRequest<Bytes>>>,
    /// Of all of them together.
    rounds: u64,
    body: Bytes,
}

impl Http2 {
    /// So many connections.
    ///
    /// # Errors
    /// When there is no runtime to be had.
    pub fn new(connections: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            runtime,
            connections: (0..connections).map(|_| None).collect(),
            rounds: 0,
            body: vec![b'b'; 20_000].into(),
        })
    }
}

impl Actor for Http2 {
    fn act(&mut self, shared: &Shared) -> io::Result<()> {
        let place = (self.rounds % self.connections.len() as u64) as usize;
        self.rounds += 1;
        let mut client = self.connections[place].take();
        let body = self.body.clone();
        let round = async {
            let mut sender = match client.take() {
                Some(sender) => sender,
                None => connect(shared).await?,
            };
            let mut answers = Vec::new();
            for _ in 0..STREAMS {
                sender = sender.ready().await.map_err(io::Error::other)?;
                let (answer, _) = sender
                    .send_request(request("GET", "/"), true)
                    .map_err(io::Error::other)?;
                answers.push(answer);
            }
            sender = sender.ready().await.map_err(io::Error::other)?;
            let (echo, mut upload) = sender
                .send_request(request("POST", "/echo"), false)
                .map_err(io::Error::other)?;
            upload.send_data(body.clone(), true).map_err(io::Error::other)?;
            // One that is asked for and not wanted any more.
            sender = sender.ready().await.map_err(io::Error::other)?;
            let (dropped, mut reset) = sender
                .send_request(request("GET", "/large"), true)
                .map_err(io::Error::other)?;
            reset.send_reset(h2::Reason::CANCEL);
            drop(dropped);
            for answer in answers {
                expect(answer, b"Hello, World!").await?;
                shared.add(Count::Http2, 1);
            }
            expect(echo, &body).await?;
            shared.add(Count::Http2, 1);
            Ok::<_, io::Error>(sender)
        };
        let sender = self
            .runtime
            .block_on(async { tokio::time::timeout(ROUND_TIME_MAX, round).await })
            .map_err(|_| io::Error::other("a round does not end"))??;
        if !(self.rounds / self.connections.len() as u64).is_multiple_of(ROUNDS_MAX) {
            self.connections[place] = Some(sender);
        }
        Ok(())
    }
}

async fn connect(shared: &Shared) -> io::Result<SendRequest<Bytes>> {
    let socket = TcpStream::connect(shared.address).await?;
    let (sender, connection) = h2::client::handshake(socket).await.map_err(io::Error::other)?;
    // Runs while a round does; ends with its sender.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

fn request(method: &str, path: &str) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = method.parse().unwrap_or_default();
    *request.uri_mut() = format!("http://soak.example{path}").parse().unwrap_or_default();
    request
}

async fn expect(answer: h2::client::ResponseFuture, body: &[u8]) -> io::Result<()> {
    let answer = answer.await.map_err(io::Error::other)?;
    let status = answer.status();
    let mut incoming = answer.into_body();
    let mut got = Vec::new();
    while let Some(data) = incoming.data().await {
        let data = data.map_err(io::Error::other)?;
        incoming
            .flow_control()
            .release_capacity(data.len())
            .map_err(io::Error::other)?;
        got.extend_from_slice(&data);
    }
    if status != 200 || got != body {
        return Err(io::Error::other(format!("{status} and {} bytes", got.len())));
    }
    Ok(())
}
