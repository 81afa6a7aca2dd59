//! A site under TLS, and one in clear that sends everybody there.
//!
//! Run with: cargo run --release -p examples --example tls [-- ADDRESS TLS-ADDRESS [CERTIFICATE KEY]]
//! Then: curl -k https://127.0.0.1:8443/   and: curl -i http://127.0.0.1:8888/
//!
//! Without files, the certificate is made on the spot. Files are watched: a new certificate is in force without a
//! restart.

use std::error::Error;

use squall::tls::{Tls, TlsConfig, TlsFiles, TlsInfo, development, redirect_to_https};
use squall::web::routing::get;
use squall::web::{Extension, Router};
use squall::{Address, Listen, Server};

/// What a handler knows of its connection.
async fn facts(info: Extension<TlsInfo>) -> String {
    let client = info.client().map_or("nobody we know", |client| client.subject());
    let resumed = if info.is_resumed() { ", resumed" } else { "" };
    format!(
        "{:?} with {}{resumed}; you are {client}\n",
        info.version(),
        info.cipher_suite()
    )
}

fn serve(address: &str, secure: &str, tls: &Tls) -> Result<(), Box<dyn Error>> {
    // Opened now, to know its port.
    let secure = Listen::parse(secure)?.tls(tls).open()?;
    let Some(Address::Tcp(at)) = secure.local_address() else {
        return Err("TLS-ADDRESS must be IP:PORT".into());
    };
    let redirect = redirect_to_https(tls)
        .host(&at.ip().to_string())
        .port(at.port())
        .except("/.well-known/acme-challenge/");
    let router = Router::new().route("/", get(facts)).layer(redirect);
    let server = Server::new(router).bind(address).listen(secure);
    server.run_with(|on| {
        eprintln!("listening on http://{}", on.local_addrs()[0]);
        eprintln!("listening on https://{}", on.local_addrs()[1]);
    })?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |at: usize, default: &str| args.get(at).map_or(default.to_owned(), String::clone);
    let (address, secure) = (arg(0, "127.0.0.1:8888"), arg(1, "127.0.0.1:8443"));
    match &args[..] {
        [_, _, certificate, key] => {
            // Watches its files for as long as it lives: until the server ends.
            let files = TlsFiles::open(TlsConfig::new(certificate, key))?;
            serve(&address, &secure, &files)
        }
        _ => serve(&address, &secure, &development()?),
    }
}
