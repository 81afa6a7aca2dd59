//! A service of its own on the bare connection, beside a site on the same cores: what is sent comes back.
//!
//! Run with: cargo run --release -p examples --example tcp_echo [-- ADDRESS [ADDRESS-OF-THE-ECHO]]
//! Then: nc 127.0.0.1 7777

use std::time::Duration;

use squall::raw::Stream;
use squall::web::{Router, routing::get};
use squall::{Listen, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One connection. It is closed when this returns.
async fn echo(mut stream: Stream) {
    // Nothing moved for so long: somebody went home.
    stream.set_idle_timeout(Some(Duration::from_secs(600)));
    let mut leave = stream.draining();
    let mut buffer = vec![0; 4096];
    loop {
        let count = tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => count,
            },
            _ = &mut leave => {
                // The server is about to end. Whoever is gone already need not hear it.
                let _ = stream.write_all(b"bye\n").await;
                return;
            }
        };
        // Waits while the other side does not read; meanwhile nothing more is read from it.
        if stream.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

fn main() -> Result<(), squall::Error> {
    let mut args = std::env::args().skip(1);
    let site = args.next().unwrap_or("127.0.0.1:8888".into());
    let address = args.next().unwrap_or("127.0.0.1:7777".into());
    // Opened here, so that its port is known even if the system chose it.
    let listen = Listen::parse(&address)?.raw(echo).open()?;
    let place = listen.local_address().map(|address| address.to_string());
    let line = format!("the echo is at {}\n", place.unwrap_or_default());
    let router = Router::new().route("/", get(async || line));
    let server = Server::new(router).bind(&site).listen(listen);
    server.run_with(|on| eprintln!("listening on http://{}", on.local_addrs()[0]))
}
