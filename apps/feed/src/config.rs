//! What the operator says: by file, environment and command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use squall::config::{self, Sources};
use squall::web::TrustedProxies;
use squall::{Address, Listen, Networks, ProxyProtocol};

use crate::app::Site;

/// Everything that can be configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen: `IP:PORT`, `[V6]:PORT`, `localhost:PORT`, `*:PORT` (all of IPv6 and IPv4), `unix:PATH` or
    /// `systemd:NAME`; port 0 lets the system choose. Default `127.0.0.1:8888`.
    pub listen: String,
    /// The mode of a Unix socket, in octal. Default `600`: the user of this process alone.
    pub socket_mode: String,
    /// The proxies whose word is taken for who the client is: networks (`10.0.0.0/8`), `loopback`, `private`, `unix`. Empty (the
    /// default): nobody's.
    pub proxies: String,
    /// How they say it. Default [`ProxySpeaks::XForwarded`].
    pub proxies_speak: ProxySpeaks,
    /// The directory of everything that is kept. Default `./feed-data`.
    pub data: PathBuf,
    /// How many cores serve; 0 (the default): as many as this process may use CPUs.
    pub cores: usize,
    /// Scheme and authority under which people reach the site; empty (the default): `http://` and where it listens.
    pub origin: String,
    /// What is logged, as tracing's filters write it. Default `info`.
    pub log: String,
    /// A file for a line of each request, in the combined format. None (the default): they stand in the log.
    pub access_log: Option<PathBuf>,
    /// Seconds from SIGTERM until the drain begins, in which `/readyz` says no and everything is served. Default 0.
    pub drain_delay_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8888".into(),
            socket_mode: "600".into(),
            proxies: String::new(),
            proxies_speak: ProxySpeaks::default(),
            data: "feed-data".into(),
            cores: 0,
            origin: String::new(),
            log: "info".into(),
            access_log: None,
            drain_delay_s: 0,
        }
    }
}

/// How proxies say who the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxySpeaks {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`, at every request.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// The PROXY protocol, at the beginning of every connection.
    ProxyProtocol,
}

/// People post status updates, friends see them live, everyone decides who sees what.
#[derive(Debug, Parser, Serialize)]
#[command(name = "feed", version)]
pub struct Args {
    /// Where to listen: IP:PORT, [V6]:PORT, localhost:PORT, *:PORT, unix:PATH or systemd:NAME; port 0 lets the system
    /// choose. Also FEED_LISTEN [default: 127.0.0.1:8888]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The mode of a Unix socket: 660 lets a proxy of the same group in. Also FEED_SOCKET_MODE [default: 600]
    #[arg(long, value_name = "OCTAL")]
    socket_mode: Option<String>,
    /// Proxies whose word is taken for who the client is: networks, loopback, private, unix; with commas between. Also
    /// FEED_PROXIES [default: nobody]
    #[arg(long, value_name = "NETWORKS")]
    proxies: Option<String>,
    /// How they say it. Also FEED_PROXIES_SPEAK [default: x-forwarded]
    #[arg(long, value_enum, value_name = "WAY")]
    proxies_speak: Option<ProxySpeaks>,
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
    /// A file for a line of each request. Also FEED_ACCESS_LOG [default: they stand in the log]
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Seconds between /readyz saying no and the drain, after SIGTERM. Also FEED_DRAIN_DELAY_S [default: 0]
    #[arg(long, value_name = "SECONDS")]
    drain_delay_s: Option<u64>,
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

    /// What is listened on; not open yet.
    ///
    /// # Errors
    /// A sentence for the operator, if it makes no sense.
    pub fn listener(&self) -> Result<Listen, String> {
        let mode = u32::from_str_radix(&self.socket_mode, 8)
            .ok()
            .filter(|mode| *mode <= 0o777);
        let mode = mode.ok_or_else(|| {
            format!(
                "'{}' is not the mode of a socket: write 600, 660 or 666",
                self.socket_mode
            )
        })?;
        let listen = Listen::parse(&self.listen)
            .map_err(|error| error.to_string())?
            .unix_mode(mode);
        Ok(match self.proxies_speak {
            ProxySpeaks::ProxyProtocol if self.proxies.is_empty() => {
                return Err(
                    "say with --proxies which networks the PROXY protocol is believed from".to_owned(),
                );
            }
            ProxySpeaks::ProxyProtocol => listen.proxy(ProxyProtocol::required_from(self.networks()?)),
            ProxySpeaks::XForwarded | ProxySpeaks::Forwarded => listen,
        })
    }

    /// Whose fields are believed, if anybody's.
    ///
    /// # Errors
    /// A sentence for the operator, if the networks are none.
    pub fn proxies(&self) -> Result<Option<TrustedProxies>, String> {
        let networks = self.networks()?;
        Ok(match self.proxies_speak {
            _ if networks.is_empty() => None,
            ProxySpeaks::XForwarded => Some(TrustedProxies::x_forwarded(networks)),
            ProxySpeaks::Forwarded => Some(TrustedProxies::forwarded(networks)),
            ProxySpeaks::ProxyProtocol => None,
        })
    }

    fn networks(&self) -> Result<Networks, String> {
        self.proxies
            .parse()
            .map_err(|error: squall::Error| error.to_string())
    }

    /// How somebody on this machine reaches what is listened on, once it is open.
    pub fn reached_at(&self, listen: &Listen) -> String {
        match (Address::parse(&self.listen), listen.local_address()) {
            // As the operator wrote it: `localhost` stays `localhost`.
            (Ok(Address::Tcp(said)), _) if said.port() != 0 => default_origin(&self.listen),
            (_, Some(open)) => default_origin(&open.to_string()),
            (_, None) => default_origin(&self.listen),
        }
    }

    /// The site, by its origin; by where it is reached, if none was said.
    ///
    /// # Errors
    /// A sentence for the operator, if the origin is none.
    pub fn site(&self, here: &str) -> Result<Site, String> {
        let origin = if self.origin.is_empty() {
            here
        } else {
            &self.origin
        };
        Site::new(origin).ok_or_else(|| {
            format!("'{origin}' is not an origin: write http:// or https:// and a host, as in https://feed.example.org")
        })
    }
}

/// How somebody on this machine reaches an address.
fn default_origin(listen: &str) -> String {
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
        let config = Config {
            listen: listen.into(),
            origin: origin.into(),
            ..Config::default()
        };
        config
            .site(&config.reached_at(&config.listener()?))
            .map(|site| site.origin)
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
    fn port_0_becomes_a_port_that_is_ours_already() {
        for listen in ["127.0.0.1:0", "*:0"] {
            let config = Config {
                listen: listen.into(),
                ..Config::default()
            };
            let open = config.listener().unwrap().open().unwrap();
            let here = config.reached_at(&open);
            let address = here.strip_prefix("http://").unwrap();
            assert!(!address.ends_with(":0"), "{here}");
            std::net::TcpStream::connect(address).unwrap();
            assert_eq!(config.site(&here).unwrap().origin, here);
        }
    }

    #[test]
    fn what_makes_no_sense_of_proxies_and_modes_is_said() {
        let config = |proxies: &str, speak, mode: &str| Config {
            proxies: proxies.into(),
            proxies_speak: speak,
            socket_mode: mode.into(),
            ..Config::default()
        };
        let sound = config("loopback, unix", ProxySpeaks::ProxyProtocol, "660");
        assert!(sound.listener().is_ok() && sound.proxies().unwrap().is_none());
        assert!(
            config("10.0.0.0/8", ProxySpeaks::Forwarded, "600")
                .proxies()
                .unwrap()
                .is_some()
        );
        assert!(
            config("", ProxySpeaks::XForwarded, "600")
                .proxies()
                .unwrap()
                .is_none()
        );
        let nobody = config("", ProxySpeaks::ProxyProtocol, "600");
        assert!(nobody.listener().unwrap_err().contains("--proxies"));
        assert!(
            config("10.0.0.1/8", ProxySpeaks::XForwarded, "600")
                .proxies()
                .is_err()
        );
        for mode in ["", "rw", "1000", "680"] {
            let error = config("", ProxySpeaks::XForwarded, mode).listener().unwrap_err();
            assert!(error.contains("is not the mode of a socket"), "{error}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
