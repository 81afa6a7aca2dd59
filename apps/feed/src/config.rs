//! What the operator says: by file, environment and command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use clap::Parser;
use serde::{Deserialize, Serialize};
use squall::Address;
use squall::config::{self, Sources};

use crate::app::Site;

/// Everything that can be configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen: `IP:PORT`, `[V6]:PORT`, `localhost:PORT` or `unix:PATH`; port 0 lets the system choose.
    /// Default `127.0.0.1:8888`.
    pub listen: String,
    /// The directory of everything that is kept. Default `./feed-data`.
    pub data: PathBuf,
    /// How many cores serve; 0 (the default): as many as this process may use CPUs.
    pub cores: usize,
    /// Scheme and authority under which people reach the site; empty (the default): `http://` and where it listens.
    pub origin: String,
    /// What is logged, as tracing's filters write it. Default `info`.
    pub log: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8888".into(),
            data: "feed-data".into(),
            cores: 0,
            origin: String::new(),
            log: "info".into(),
        }
    }
}

/// People post status updates, friends see them live, everyone decides who sees what.
#[derive(Debug, Parser, Serialize)]
#[command(name = "feed", version)]
pub struct Args {
    /// Where to listen: IP:PORT, [V6]:PORT, localhost:PORT or unix:PATH; port 0 lets the system choose.
    /// Also FEED_LISTEN [default: 127.0.0.1:8888]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The directory of everything that is kept; made if it is not there. Also FEED_DATA [default: ./feed-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many cores serve; 0: as many as there are CPUs for this process. Also FEED_CORES [default: 0]
    #[arg(long, value_name = "N")]
    cores: Option<usize>,
    /// Scheme and host under which people reach the site, as in `https://feed.example.org`. Also FEED_ORIGIN
    /// [default: `http://` and where it listens]
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// What is logged (tracing's filters). Also FEED_LOG [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// A TOML file with any of these settings; environment and command line win over it
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

impl Config {
    /// The configuration of this process. Ends it after `--help`, and with status 2 and one line on wrong usage.
    pub fn from_process() -> Self {
        let args = Args::try_parse().unwrap_or_else(|error| {
            if !error.use_stderr() {
                error.exit();
            }
            let text = error.to_string();
            let line = text
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            config::exit_usage(&format!("{line} (try --help)"))
        });
        config::load_or_exit(
            &Sources::new("FEED")
                .file(args.config.as_deref())
                .process_env()
                .args(&args),
        )
    }

    /// Gives port 0 a port.
    ///
    /// # Errors
    /// A sentence for the operator, if there is none to be had.
    pub fn choose_port(&mut self) -> Result<(), String> {
        // The origin stands in pages and answers, so the port must be known before the first of them is made.
        if let Ok(Address::Tcp(address)) = Address::parse(&self.listen)
            && address.port() == 0
        {
            let free = TcpListener::bind(address).and_then(|listener| listener.local_addr());
            self.listen = free
                .map_err(|error| format!("cannot listen on {address}: {error}"))?
                .to_string();
        }
        Ok(())
    }

    /// Settles what depends on other things: gives the site its origin.
    ///
    /// # Errors
    /// A sentence for the operator, if the origin is none, or what is listened on is no address.
    pub fn settle(&mut self) -> Result<Site, String> {
        Address::parse(&self.listen).map_err(|error| error.to_string())?;
        if self.origin.is_empty() {
            self.origin = default_origin(&self.listen);
        }
        Site::new(&self.origin).ok_or_else(|| {
            format!(
                "'{}' is not an origin: write http:// or https:// and a host, as in https://feed.example.org",
                self.origin
            )
        })
    }
}

/// How somebody on this machine reaches an address.
pub fn default_origin(listen: &str) -> String {
    match listen.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => {
            format!(
                "http://{}",
                SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
            )
        }
        Ok(address) => format!("http://{address}"),
        Err(_) => match listen.strip_prefix(':') {
            Some(port) => format!("http://127.0.0.1:{port}"),
            None if listen.starts_with("unix:") => "http://localhost".to_owned(),
            None => format!("http://{listen}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(listen: &str, origin: &str) -> Result<String, String> {
        let mut config = Config {
            listen: listen.into(),
            origin: origin.into(),
            ..Config::default()
        };
        config.settle().map(|site| site.origin)
    }

    #[test]
    fn the_origin_follows_the_address_unless_said() {
        assert_eq!(settle("127.0.0.1:8888", "").unwrap(), "http://127.0.0.1:8888");
        assert_eq!(settle("[::1]:80", "").unwrap(), "http://[::1]:80");
        assert_eq!(settle("0.0.0.0:81", "").unwrap(), "http://127.0.0.1:81");
        assert_eq!(settle("localhost:82", "").unwrap(), "http://localhost:82");
        assert_eq!(settle("unix:/run/feed", "").unwrap(), "http://localhost");
        assert_eq!(
            settle("127.0.0.1:1", "https://feed.example/").unwrap(),
            "https://feed.example"
        );
        for bad in [
            "feed.example",
            "ftp://x",
            "https://",
            "https://a/b",
            "https://a b",
            "http://a\"b",
        ] {
            assert!(
                settle("127.0.0.1:1", bad)
                    .unwrap_err()
                    .contains("is not an origin"),
                "{bad}"
            );
        }
    }

    #[test]
    fn port_0_becomes_a_port() {
        let mut config = Config {
            listen: "127.0.0.1:0".into(),
            ..Config::default()
        };
        config.choose_port().unwrap();
        let site = config.settle().unwrap();
        assert!(!config.listen.ends_with(":0"));
        assert_eq!(site.origin, format!("http://{}", config.listen));
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
