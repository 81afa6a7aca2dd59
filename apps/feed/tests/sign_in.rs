//! Signing up and in: equal answers, and a limit to guessing.

mod common;

use std::net::IpAddr;

use common::Dir;
use feed::app::{App, SignInError, Site};
use feed::domain::passwords::Passwords;

const PASSWORD: &str = "correct horse battery";

fn open(dir: &Dir) -> App {
    App::open(
        dir.path(),
        Site::new("http://feed.example").unwrap(),
        Passwords::cheap(),
    )
    .unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn address(last: u16) -> IpAddr {
    IpAddr::from([192, 0, (last >> 8) as u8, last as u8])
}

#[test]
fn unknown_names_and_wrong_passwords_get_the_same_answer() {
    let dir = Dir::new();
    let app = open(&dir);
    wait(app.sign_up("Ada", PASSWORD)).unwrap();
    assert_eq!(
        wait(app.sign_in("aDA", PASSWORD, address(1))).unwrap().name,
        "ada"
    );
    let long = "x".repeat(2_000);
    let wrong = [
        ("ada", "wrong password"),
        ("bob", PASSWORD),
        ("no name!", PASSWORD),
        ("ada", ""),
        ("ada", &long),
    ];
    let answers = wrong.map(|(name, password)| {
        wait(app.sign_in(name, password, address(1)))
            .unwrap_err()
            .to_string()
    });
    assert!(
        answers
            .iter()
            .all(|answer| *answer == SignInError::Refused.to_string()),
        "{answers:?}"
    );
}

#[test]
fn signing_up_follows_the_rules() {
    let dir = Dir::new();
    let app = open(&dir);
    assert!(wait(app.sign_up("a b", PASSWORD)).unwrap_err().is_refused());
    assert!(wait(app.sign_up("ada", "short")).unwrap_err().is_refused());
    wait(app.sign_up("ada", PASSWORD)).unwrap();
    assert!(wait(app.sign_up("ADA", PASSWORD)).unwrap_err().is_taken());
}

#[test]
fn guessing_at_one_name_must_wait_whether_or_not_anybody_has_it() {
    let dir = Dir::new();
    let app = open(&dir);
    wait(app.sign_up("ada", PASSWORD)).unwrap();
    for name in ["ada", "bob"] {
        let mut tries = 0..20;
        let refused = tries.find(|n| {
            let result = wait(app.sign_in(name, "a wrong guess", address(*n)));
            matches!(result, Err(SignInError::TooMany { wait_ms }) if wait_ms > 0)
        });
        assert_eq!(refused, Some(10), "{name}: ten guesses, from wherever");
    }
    let right = wait(app.sign_in("ada", PASSWORD, address(99)));
    assert!(
        matches!(right, Err(SignInError::TooMany { .. })),
        "nor does the right one tell"
    );
}

#[test]
fn one_address_must_wait_whatever_the_names() {
    let dir = Dir::new();
    let app = open(&dir);
    let mut tries = 0..200;
    let refused = tries.find(|n| {
        let result = wait(app.sign_in(&format!("name_{n}"), "a wrong guess", address(7)));
        matches!(result, Err(SignInError::TooMany { .. }))
    });
    assert_eq!(refused, Some(100));
    // Of IPv6, whoever has one address has 2^64: they count as one.
    let v6 = |n: u128| IpAddr::from((0x2001_0db8_u128 << 96 | n).to_be_bytes());
    for n in 0..100 {
        let result = wait(app.sign_in(&format!("other_{n}"), "a wrong guess", v6(n)));
        assert!(matches!(result, Err(SignInError::Refused)));
    }
    assert!(matches!(
        wait(app.sign_in("other", "a wrong guess", v6(1 << 63))),
        Err(SignInError::TooMany { .. })
    ));
    assert!(matches!(
        wait(app.sign_in("other", "a wrong guess", v6(1 << 64))),
        Err(SignInError::Refused)
    ));
}
