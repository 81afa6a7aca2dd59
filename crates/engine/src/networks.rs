//! Which peers are trusted: networks by prefix, and processes of this machine.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::error::Error;
use crate::socket::Peer;

/// A set of networks. Empty by default: nobody is in it.
///
/// Read from a list separated by commas or white space: prefixes (`10.0.0.0/8`, `2001:db8::/32`), single addresses, and
/// words: `loopback` (127.0.0.0/8 and ::1), `private` (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7), `link-local`
/// (169.254.0.0/16, fe80::/10), `unix` (whoever can open our Unix sockets).
///
/// ```
/// use squall_engine::Networks;
/// let ours: Networks = "10.0.0.0/8, 2001:db8::7, unix".parse()?;
/// assert!(ours.contains("10.1.2.3".parse().unwrap()));
/// assert!(ours.contains("::ffff:10.1.2.3".parse().unwrap()), "an IPv4 address however it is written");
/// assert!(!ours.contains("2001:db8::8".parse().unwrap()));
/// # Ok::<(), squall_engine::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    prefixes: Arc<[IpNet]>,
    /// Peers of Unix sockets are in it.
    unix: bool,
}

const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1/128"];
const PRIVATE: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
const LINK_LOCAL: &[&str] = &["169.254.0.0/16", "fe80::/10"];

impl Networks {
    /// Nobody.
    pub fn none() -> Self {
        Networks::default()
    }

    /// One's own network, where a proxy or a load balancer stands for all its clients: `loopback`, `private` and
    /// `link-local`.
    pub fn own() -> Self {
        let words = [LOOPBACK, PRIVATE, LINK_LOCAL].into_iter().flatten();
        Networks {
            // They are written down above, and a test reads them.
            prefixes: words.filter_map(|word| word.parse().ok()).collect(),
            unix: false,
        }
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && !self.unix
    }

    /// Whether this address is in one of the networks.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.prefixes.iter().any(|prefix| prefix.contains(&ip))
    }

    /// Whether processes that reach us through a Unix socket are in it.
    pub fn contains_unix(&self) -> bool {
        self.unix
    }

    /// Whether this peer is.
    pub fn contains_peer(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Tcp(addr) => self.contains(addr.ip()),
            Peer::Unix => self.unix,
        }
    }
}

impl FromStr for Networks {
    type Err = Error;

    fn from_str(list: &str) -> Result<Self, Error> {
        let mut prefixes = Vec::new();
        let mut unix = false;
        let words = list.split(|c: char| c == ',' || c.is_ascii_whitespace());
        for word in words.filter(|word| !word.is_empty()) {
            match word {
                "unix" => unix = true,
                "loopback" => add(&mut prefixes, LOOPBACK)?,
                "private" => add(&mut prefixes, PRIVATE)?,
                "link-local" => add(&mut prefixes, LINK_LOCAL)?,
                _ => prefixes.push(prefix(word)?),
            }
        }
        Ok(Networks {
            prefixes: prefixes.into(),
            unix,
        })
    }
}

fn add(prefixes: &mut Vec<IpNet>, words: &[&str]) -> Result<(), Error> {
    for word in words {
        prefixes.push(prefix(word)?);
    }
    Ok(())
}

fn prefix(word: &str) -> Result<IpNet, Error> {
    if let Ok(ip) = word.parse::<IpAddr>() {
        return Ok(ip.to_canonical().into());
    }
    let net: IpNet = word.parse().map_err(|_| {
        Error::new(format!(
            "'{word}' is not a network: write a prefix such as 10.0.0.0/8, an address, loopback, private, \
             link-local or unix"
        ))
    })?;
    // 10.0.0.7/8 may be meant as one machine, and would trust sixteen millions.
    if net.addr() != net.network() {
        return Err(Error::new(format!(
            "'{word}' names an address and not a network: write {} or {}",
            net.trunc(),
            net.addr()
        )));
    }
    if let IpNet::V6(v6) = net
        && v6.network().to_ipv4_mapped().is_some()
    {
        return Err(Error::new(format!(
            "'{word}' is a network of IPv4: write it as one"
        )));
    }
    Ok(net)
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut item = |text: &dyn fmt::Display, f: &mut fmt::Formatter<'_>| {
            let comma = if std::mem::take(&mut first) { "" } else { "," };
            write!(f, "{comma}{text}")
        };
        for prefix in self.prefixes.iter() {
            item(prefix, f)?;
        }
        if self.unix {
            item(&"unix", f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(list: &str, ip: &str) -> bool {
        list.parse::<Networks>().unwrap().contains(ip.parse().unwrap())
    }

    #[test]
    fn prefixes_end_where_they_say() {
        assert!(contains("10.0.0.0/8", "10.255.255.255") && !contains("10.0.0.0/8", "11.0.0.0"));
        assert!(contains("192.0.2.1", "192.0.2.1") && !contains("192.0.2.1", "192.0.2.2"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1") && !contains("2001:db8::/32", "2001:db9::"));
        assert!(contains("0.0.0.0/0", "203.0.113.9") && !contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("loopback", "::1") && contains("loopback", "127.9.9.9"));
        assert!(contains("private", "172.31.255.255") && !contains("private", "172.32.0.0"));
        assert!(contains("private", "fd00::1") && !contains("private", "127.0.0.1"));
    }

    #[test]
    fn ones_own_network_is_what_its_words_say() {
        let words: Networks = "loopback, private, link-local".parse().unwrap();
        assert_eq!(Networks::own(), words);
        assert!(contains("link-local", "169.254.0.1") && contains("link-local", "febf::1"));
        assert!(!contains("link-local", "169.255.0.1") && !contains("link-local", "fec0::1"));
    }

    #[test]
    fn mapped_addresses_are_those_of_ipv4() {
        assert!(contains("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(contains("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!contains("::/0", "::ffff:10.0.0.1"), "another family");
    }

    #[test]
    fn nobody_by_default_and_unix_only_when_said() {
        let none = Networks::none();
        assert!(none.is_empty() && !none.contains_peer(&Peer::Unix));
        assert!(!none.contains("127.0.0.1".parse().unwrap()));
        let unix: Networks = "unix".parse().unwrap();
        assert!(unix.contains_peer(&Peer::Unix) && !unix.is_empty());
        assert!(!"0.0.0.0/0 ::/0".parse::<Networks>().unwrap().contains_unix());
        assert!("".parse::<Networks>().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_network_is_said() {
        for bad in [
            "10.0.0.0/33",
            "10.0.0/8",
            "example.org",
            "10.0.0.0/",
            "::/129",
            "*",
            "10.0.0.0-10.0.0.9",
        ] {
            let error = bad.parse::<Networks>().unwrap_err().to_string();
            assert!(error.contains("is not a network"), "{error}");
        }
        let error = "10.0.0.7/8".parse::<Networks>().unwrap_err().to_string();
        assert!(error.contains("write 10.0.0.0/8 or 10.0.0.7"), "{error}");
        assert!("::ffff:10.0.0.0/104".parse::<Networks>().is_err());
    }

    #[test]
    fn it_reads_what_it_writes() {
        let all: Networks = "10.0.0.0/8,2001:db8::/32\n192.0.2.1 unix".parse().unwrap();
        assert_eq!(all.to_string(), "10.0.0.0/8,2001:db8::/32,192.0.2.1/32,unix");
        assert_eq!(all.to_string().parse::<Networks>().unwrap(), all);
    }
}
