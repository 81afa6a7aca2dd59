//! Which word is taken for who the client is, and which attacks come to nothing.

use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::*;
use crate::web::ConnectInfo;

const PROXY: &str = "10.0.0.1:4711";
const STRANGER: &str = "203.0.113.66:4711";

fn x() -> TrustedProxies {
    TrustedProxies::x_forwarded("10.0.0.0/8 fd00::/8".parse().unwrap())
}

fn rfc() -> TrustedProxies {
    TrustedProxies::forwarded("10.0.0.0/8 fd00::/8".parse().unwrap())
}

/// The request's fields after the layer, and who the client is said to be.
fn seen(
    proxies: &TrustedProxies,
    peer: &str,
    fields: &[(&str, &str)],
) -> Result<(HeaderMap, ClientInfo), Malformed> {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("own.example"));
    for (name, value) in fields {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let mut extensions = axum::http::Extensions::new();
    match peer {
        "unix" => drop(extensions.insert(Peer::Unix)),
        addr => drop(extensions.insert(ConnectInfo(addr.parse::<SocketAddr>().unwrap()))),
    }
    let uri = Uri::from_static("/");
    proxies.apply(&mut headers, &mut extensions, &uri)?;
    let info = ClientInfo::of(&extensions, &headers, &uri);
    Ok((headers, info))
}

fn ip(proxies: &TrustedProxies, fields: &[(&str, &str)]) -> String {
    let (_, info) = seen(proxies, PROXY, fields).unwrap();
    info.ip().map_or("unknown".to_owned(), |ip| ip.to_string())
}

fn refused(proxies: &TrustedProxies, fields: &[(&str, &str)]) -> &'static str {
    seen(proxies, PROXY, fields)
        .expect_err("it must be refused")
        .reason()
}

#[test]
fn the_right_most_address_that_is_not_trusted_is_the_client() {
    for (chain, client) in [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("203.0.113.9,10.0.0.3\t, 10.0.0.2", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.9, 203.0.113.9", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("[2001:db8::9]:51000", "2001:db8::9"),
        ("203.0.113.9:51000", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
        ("10.0.0.7, 10.0.0.2", "10.0.0.7"),
        ("203.0.113.9,, ", "203.0.113.9"),
    ] {
        assert_eq!(ip(&x(), &[("x-forwarded-for", chain)]), client, "{chain}");
    }
    assert_eq!(ip(&x(), &[]), "10.0.0.1", "the proxy's own request");
    let (_, info) = seen(&x(), PROXY, &[("x-forwarded-for", "203.0.113.9:51000")]).unwrap();
    assert_eq!(info.port(), Some(51000));
    assert!(info.is_forwarded());
}

#[test]
fn several_fields_are_one_list() {
    let fields = [
        ("x-forwarded-for", "198.51.100.1, 203.0.113.9"),
        ("x-forwarded-for", "10.0.0.2"),
    ];
    assert_eq!(ip(&x(), &fields), "203.0.113.9");
    let fields = [
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    assert_eq!(ip(&x(), &fields), "203.0.113.9", "the last field is the nearest");
    let fields = [
        ("forwarded", "for=198.51.100.1"),
        ("forwarded", "for=203.0.113.9, for=10.0.0.2"),
    ];
    assert_eq!(ip(&rfc(), &fields), "203.0.113.9");
}

#[test]
fn attack_spoofed_fields_from_an_untrusted_peer_are_ignored_and_removed() {
    let spoofed = [
        ("x-forwarded-for", "10.0.0.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-prefix", "/admin"),
        ("forwarded", "for=10.0.0.9;proto=https;host=evil.example"),
        ("x-real-ip", "10.0.0.9"),
        ("accept", "*/*"),
    ];
    for proxies in [
        x().with_host().with_port(),
        rfc(),
        TrustedProxies::forwarded(Networks::none()),
    ] {
        let (headers, info) = seen(&proxies, STRANGER, &spoofed).unwrap();
        assert_eq!(info.ip().unwrap().to_string(), "203.0.113.66");
        assert_eq!((info.scheme(), info.host()), (Scheme::Http, Some("own.example")));
        assert!(!info.is_forwarded());
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["host", "accept"]);
    }
    let (headers, info) = seen(&x(), "unix", &spoofed).unwrap();
    assert_eq!(
        (info.ip(), headers.len()),
        (None, 2),
        "a Unix socket is trusted only when said"
    );
}

#[test]
fn attack_only_the_family_that_was_chosen_is_believed() {
    let both = [
        ("forwarded", "for=198.51.100.1;proto=https;host=evil.example"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "1"),
    ];
    let (headers, info) = seen(&x(), PROXY, &both).unwrap();
    assert_eq!(info.ip().unwrap().to_string(), "203.0.113.9");
    assert_eq!((info.scheme(), info.host()), (Scheme::Http, Some("own.example")));
    let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(
        left,
        ["host", "x-forwarded-for"],
        "what is not believed is removed"
    );
    let (headers, info) = seen(&rfc(), PROXY, &both).unwrap();
    assert_eq!(info.ip().unwrap().to_string(), "198.51.100.1");
    assert_eq!(
        info.origin().unwrap(),
        "https://evil.example",
        "the trusted proxy says so"
    );
    let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(left, ["host", "forwarded"]);
}

#[test]
fn attack_what_is_smuggled_through_the_trusted_chain_is_cut_off() {
    let chain = [
        ("x-forwarded-for", "127.0.0.1, 10.0.0.9"),
        ("x-forwarded-for", "203.0.113.9, 10.0.0.2"),
    ];
    let (headers, info) = seen(&x(), PROXY, &chain).unwrap();
    assert_eq!(info.ip().unwrap().to_string(), "203.0.113.9");
    let left: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    assert_eq!(left, ["203.0.113.9, 10.0.0.2"], "no handler sees the invention");
    let chain = [(
        "forwarded",
        "for=127.0.0.1;host=evil.example, for=203.0.113.9;proto=https, for=10.0.0.2",
    )];
    let (headers, info) = seen(&rfc(), PROXY, &chain).unwrap();
    assert_eq!(
        (info.ip().unwrap().to_string().as_str(), info.host()),
        ("203.0.113.9", Some("own.example"))
    );
    assert_eq!(headers["forwarded"], "for=203.0.113.9;proto=https, for=10.0.0.2");
}

#[test]
fn attack_garbage_entries() {
    // Behind the client's address nobody looks.
    assert_eq!(
        ip(&x(), &[("x-forwarded-for", "%$!, 999.1.1.1, 203.0.113.9")]),
        "203.0.113.9"
    );
    assert_eq!(
        ip(&x(), &[("x-forwarded-for", "\u{e9}, 203.0.113.9")]),
        "203.0.113.9"
    );
    // Where an address must be, the request is refused, and not taken for the proxy's own.
    for garbage in [
        "garbage",
        "203.0.113.9.1",
        "203.0.113.09",
        "203.0.113.9:",
        "203.0.113.9:x",
        "203.0.113.9:65536",
        "203.0.113.9 10.0.0.2",
        "[2001:db8::9",
        "2001:db8::9]",
        "[203.0.113.9]",
        "fe80::1%eth0",
        "\"203.0.113.9\"",
        "for=203.0.113.9",
        "_hidden",
        "garbage, 10.0.0.2",
    ] {
        let reason = refused(&x(), &[("x-forwarded-for", garbage)]);
        assert_eq!(
            reason, "X-Forwarded-For has an entry that is no address",
            "{garbage}"
        );
    }
}

#[test]
fn attack_overlong_chains() {
    let chain = |hops: usize| vec!["10.0.0.2"; hops].join(",");
    assert_eq!(ip(&x(), &[("x-forwarded-for", &chain(HOPS_MAX))]), "10.0.0.2");
    assert_eq!(
        refused(&x(), &[("x-forwarded-for", &chain(HOPS_MAX + 1))]),
        "a chain of too many proxies"
    );
    let elements = |hops: usize| vec!["for=10.0.0.2"; hops].join(",");
    assert_eq!(ip(&rfc(), &[("forwarded", &elements(HOPS_MAX))]), "10.0.0.2");
    assert_eq!(
        refused(&rfc(), &[("forwarded", &elements(HOPS_MAX + 1))]),
        "a chain of too many proxies"
    );
    // A client may have sent a long one; only the trusted part is counted.
    let long = format!("{}, 203.0.113.9", chain(500));
    assert_eq!(ip(&x(), &[("x-forwarded-for", &long)]), "203.0.113.9");
    let fill = |bytes: usize| format!("{}203.0.113.9", " ".repeat(bytes - "203.0.113.9".len()));
    assert_eq!(
        ip(&x(), &[("x-forwarded-for", &fill(CHAIN_BYTES_MAX))]),
        "203.0.113.9"
    );
    let past = fill(CHAIN_BYTES_MAX + 1);
    assert_eq!(
        refused(&x(), &[("x-forwarded-for", &past)]),
        "a chain of too many bytes"
    );
    assert_eq!(
        refused(&rfc(), &[("forwarded", &past)]),
        "a chain of too many bytes"
    );
    let proto = "http,".repeat(CHAIN_BYTES_MAX);
    assert_eq!(
        refused(&x(), &[("x-forwarded-proto", &proto)]),
        "a chain of too many bytes"
    );
}

#[test]
fn who_is_unknown_is_not_the_proxy() {
    for (proxies, field, value, key) in [
        (x(), "x-forwarded-for", "unknown", "unknown via 10.0.0.1"),
        (
            x(),
            "x-forwarded-for",
            "203.0.113.9, Unknown, 10.0.0.2",
            "unknown via 10.0.0.2",
        ),
        (rfc(), "forwarded", "for=unknown", "unknown via 10.0.0.1"),
        (
            rfc(),
            "forwarded",
            "for=_hidden, for=10.0.0.2",
            "unknown via 10.0.0.2",
        ),
        (rfc(), "forwarded", "for=\"_gazonk:_9\"", "unknown via 10.0.0.1"),
        (rfc(), "forwarded", "for=\"unknown:80\"", "unknown via 10.0.0.1"),
        (rfc(), "forwarded", "proto=https", "unknown via 10.0.0.1"),
    ] {
        let (_, info) = seen(&proxies, PROXY, &[(field, value)]).unwrap();
        assert_eq!((info.ip(), info.limit_key().as_str()), (None, key), "{value}");
    }
    let (_, info) = seen(&TrustedProxies::x_forwarded("unix".parse().unwrap()), "unix", &[]).unwrap();
    assert_eq!((info.ip(), info.limit_key().as_str()), (None, "unknown"));
}

#[test]
fn forwarded_is_read_as_rfc_7239_writes_it() {
    for (field, client) in [
        // The examples of section 4.
        ("for=\"_gazonk\"", "unknown"),
        ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
        ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
        ("for=198.51.100.17;by=10.0.0.2, FOR=10.0.0.3", "198.51.100.17"),
        ("for=\"192.0.2.43:47011\"", "192.0.2.43"),
        ("for=\"192.0.2.43:_port\"", "192.0.2.43"),
        ("for=\"192\\.0.2.43\"", "192.0.2.43"),
        ("for=192.0.2.43;ext=\"a,b;c=\\\"d\\\"\"", "192.0.2.43"),
        (";for=192.0.2.43;;", "192.0.2.43"),
        (", ,for=192.0.2.43 ,", "192.0.2.43"),
        ("", "10.0.0.1"),
    ] {
        assert_eq!(ip(&rfc(), &[("forwarded", field)]), client, "{field}");
    }
    let said = "for=203.0.113.9;proto=https;host=\"feed.example:8443\", for=10.0.0.2;proto=http;host=inner";
    let (_, info) = seen(&rfc(), PROXY, &[("forwarded", said)]).unwrap();
    assert_eq!(
        info.origin().unwrap(),
        "https://feed.example:8443",
        "of the client's own element"
    );
}

#[test]
fn attack_a_forwarded_field_that_breaks_its_grammar_says_nothing() {
    for field in [
        // The client's open quote would swallow what the proxy appended.
        "for=\"127.0.0.1, for=203.0.113.9",
        "for=\"127.0.0.1\\\", for=203.0.113.9",
        "for=2001:db8::9",
        "for=[2001:db8::9]",
        "for=192.0.2.43:80",
        "for= 192.0.2.43",
        "for =192.0.2.43",
        "for=192.0.2.43; proto=http",
        "for=192.0.2.43 proto=http",
        "for=192.0.2.43;for=192.0.2.44",
        "for=192.0.2.43;proto=http;Proto=https",
        "for=192.0.2.43;by=a;by=b",
        "for",
        "for=",
        "for=\"\"",
        "=x",
        "for=192.0.2.43;x",
        "for=\"192.0.2.43\"x",
        "for=192.0.2.43\u{e9}",
    ] {
        let reason = refused(&rfc(), &[("forwarded", field)]);
        assert!(reason.starts_with("Forwarded "), "{field}: {reason}");
    }
    for node in [
        "example.org",
        "_",
        "_a!",
        "\"_a:x\"",
        "\"192.0.2.43:\"",
        "\"[::1\"",
        "\"192.0.2.43:123456\"",
    ] {
        let reason = refused(&rfc(), &[("forwarded", &format!("for={node}"))]);
        assert_eq!(
            reason, "Forwarded has a for that is neither an address nor a name",
            "{node}"
        );
    }
}

#[test]
fn the_scheme_is_that_of_the_clients_entry() {
    let scheme = |chain: &str, proto: &str| {
        let fields = [("x-forwarded-for", chain), ("x-forwarded-proto", proto)];
        let (headers, info) = seen(&x(), PROXY, &fields).unwrap();
        assert_eq!(headers["x-forwarded-proto"], info.scheme().as_str());
        info.scheme()
    };
    assert_eq!(scheme("203.0.113.9", "https"), Scheme::Https);
    assert_eq!(scheme("203.0.113.9", "HTTPS"), Scheme::Https);
    assert_eq!(scheme("203.0.113.9", "wss"), Scheme::Https);
    assert_eq!(
        scheme("203.0.113.9, 10.0.0.2", "https"),
        Scheme::Https,
        "set by one of them"
    );
    assert_eq!(
        scheme("203.0.113.9, 10.0.0.2", "https, http"),
        Scheme::Https,
        "appended by both"
    );
    assert_eq!(scheme("203.0.113.9, 10.0.0.2", "http, https"), Scheme::Http);
    assert_eq!(
        scheme("198.51.100.1, 203.0.113.9", "https, http"),
        Scheme::Http,
        "the first is invented"
    );
    assert_eq!(
        refused(&x(), &[("x-forwarded-proto", "gopher")]),
        "X-Forwarded-Proto is neither http nor https"
    );
    assert!(refused(&rfc(), &[("forwarded", "for=192.0.2.1;proto=gopher")]).contains("proto"));
}

#[test]
fn host_and_port_are_believed_when_said() {
    let fields = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "feed.example"),
        ("x-forwarded-port", "8443"),
    ];
    let origin = |proxies: TrustedProxies, fields: &[(&str, &str)]| {
        let (_, info) = seen(&proxies, PROXY, fields).unwrap();
        info.origin().unwrap()
    };
    assert_eq!(origin(x(), &fields), "https://own.example");
    assert_eq!(origin(x().with_host(), &fields), "https://feed.example");
    assert_eq!(origin(x().with_port(), &fields), "https://own.example:8443");
    assert_eq!(
        origin(x().with_host().with_port(), &fields),
        "https://feed.example:8443"
    );
    let with = |name, value| {
        let mut fields = fields.to_vec();
        fields.retain(|(have, _)| *have != name);
        fields.push((name, value));
        fields
    };
    let both = x().with_host().with_port();
    assert_eq!(
        origin(both.clone(), &with("x-forwarded-port", "443")),
        "https://feed.example"
    );
    assert_eq!(
        origin(both.clone(), &with("x-forwarded-host", "feed.example:1")),
        "https://feed.example:1"
    );
    assert_eq!(
        origin(both.clone(), &with("x-forwarded-host", "[::1]")),
        "https://[::1]:8443"
    );
    for host in ["a b", "a/b", "user@feed.example", "feed.example:x", "a\"b", "a;b"] {
        assert_eq!(
            refused(&both, &with("x-forwarded-host", host)),
            "X-Forwarded-Host is no host",
            "{host}"
        );
        let quoted = format!("for=192.0.2.1;host=\"{}\"", host.replace('"', "\\\""));
        assert!(
            refused(&rfc(), &[("forwarded", &quoted)]).contains("host"),
            "{host}"
        );
    }
    for port in ["", "0x1", "65536", "-1", "99999999"] {
        if !port.is_empty() {
            assert_eq!(
                refused(&both, &with("x-forwarded-port", port)),
                "X-Forwarded-Port is no port",
                "{port}"
            );
        }
    }
}

#[test]
fn one_household_of_ipv6_is_one_key() {
    let key = |chain: &str| {
        let (_, info) = seen(&x(), PROXY, &[("x-forwarded-for", chain)]).unwrap();
        (info.limit_key(), info.limit_ip().to_string())
    };
    assert_eq!(key("2001:db8::9"), key("2001:db8::ffff:1"));
    assert_ne!(key("2001:db8::9"), key("2001:db8:0:1::9"));
    assert_eq!(
        key("203.0.113.9"),
        ("203.0.113.9".to_owned(), "203.0.113.9".to_owned())
    );
}

/// Fields made of what means something to the readers, in any order: none makes them panic, and an address that is not
/// trusted never stands to the left of the client's.
#[test]
fn no_field_makes_the_readers_panic() {
    const PIECES: [&str; 24] = [
        "for",
        "=",
        "\"",
        "\\",
        ";",
        ",",
        " ",
        "[",
        "]",
        ":",
        "10.0.0.2",
        "203.0.113.9",
        "2001:db8::9",
        "fd00::1",
        "unknown",
        "_x",
        "proto",
        "https",
        "host",
        "a.example",
        "by",
        "\u{e9}",
        "\t",
        "65536",
    ];
    // A generator that needs no library (Numerical Recipes), always from the same seed.
    let mut state = 1_u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    let (mut read, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let field: String = (0..next(14)).map(|_| PIECES[next(PIECES.len())]).collect();
        for (proxies, name) in [
            (x().with_host().with_port(), "x-forwarded-for"),
            (rfc(), "forwarded"),
        ] {
            let fields = [
                (name, field.as_str()),
                ("x-forwarded-host", &field),
                ("x-forwarded-port", "1"),
            ];
            match seen(&proxies, PROXY, &fields) {
                Ok((headers, info)) => {
                    read += 1;
                    let left = headers.get(name).map(|value| value.to_str().unwrap_or_default());
                    assert!(info.ip().is_none_or(|ip| left.is_none() || !ip.is_unspecified()));
                    assert!(info.host().is_some_and(|host| host.is_ascii()));
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} {refused}");
}
