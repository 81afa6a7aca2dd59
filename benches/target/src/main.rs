//! `bench-target`: the program that is measured. Its routes are those of its peers in `benches/peers`.

mod large;
mod routes;

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Parser;
use squall::files::Files;
use squall::live::{self, Hub, HubConfig, Live};
use squall::tls::{TlsConfig, TlsFiles};
use squall::{Limits, Server};

/// The program that is measured.
#[derive(Parser, Debug)]
#[command(name = "bench-target")]
struct Args {
    /// TCP port of 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A directory that is served below `/files/`.
    #[arg(long)]
    files: Option<PathBuf>,
    /// Serves over TLS: a certificate in PEM.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key in PEM.
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// WebSocket messages shorter than this are not compressed; 0 compresses all.
    #[arg(long, default_value_t = Limits::default().ws_deflate.floor_bytes)]
    deflate_floor: u32,
    /// Cores that serve.
    #[arg(long, default_value_t = 1)]
    cores: usize,
}

/// The largest WebSocket message: what the conformance suite sends.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let hub = Hub::new(HubConfig {
        epoch: live::new_epoch(),
        ..HubConfig::default()
    });
    let live = Live::new(hub, live::anyone);
    let mut limits = Limits::default();
    limits.ws.frame_bytes_max = MESSAGE_BYTES_MAX;
    limits.ws.message_bytes_max = MESSAGE_BYTES_MAX;
    limits.ws_deflate.floor_bytes = args.deflate_floor;
    let mut routes = routes::routes(&live);
    if let Some(directory) = &args.files {
        routes = routes.merge(Files::directory(directory)?.router("/files/"));
    }
    let address = format!("127.0.0.1:{}", args.port);
    let server = Server::new(routes);
    let files = args.tls_cert.zip(args.tls_key);
    let tls = files
        .map(|(certificate, key)| TlsFiles::open(TlsConfig::new(certificate, key)))
        .transpose()?;
    let server = match &tls {
        Some(tls) => server.listen_tls(&address, tls),
        None => server.bind(&address),
    };
    server
        .cores(args.cores)
        .limits(limits)
        // No handler asks who its peer is; nor do those of the other programs.
        .connect_info(false)
        .live(&live)
        .run_with(|handle| {
            if let Some(address) = handle.local_addr() {
                // Nobody reads what they started us for: then there is nobody to tell.
                let _ = writeln!(std::io::stdout(), "listening on {address}");
                let _ = std::io::stdout().flush();
            }
        })?;
    Ok(())
}
