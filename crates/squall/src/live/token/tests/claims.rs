//! Tokens that are believed, and what they say.

use bytes::Bytes;
use serde_json::json;

use super::super::jws::{Algorithm, Jws};
use super::super::key::Key;
use super::super::{Overrides, TokenConfig};
use super::{MADE, NOW_S, all_keys, token, verifier, with_secret};

const ALGORITHMS: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
    "EdDSA",
];

#[tokio::test]
async fn every_algorithm_as_another_library_signs_it() {
    let verifier = verifier(&all_keys());
    for algorithm in ALGORITHMS {
        let claims = verifier.connection_at(token(algorithm), NOW_S).await;
        let claims = claims.unwrap_or_else(|error| panic!("{algorithm}: {error}"));
        assert_eq!(claims.user, "42", "{algorithm}");
        assert_eq!(claims.expire_at_s, Some(1_900_000_000));
        assert_eq!(
            (claims.issued_at_s, claims.id.as_deref()),
            (Some(1_800_000_000), Some("t1"))
        );
    }
}

#[tokio::test]
async fn a_key_set_finds_its_key_by_name() {
    let config = TokenConfig {
        jwks: MADE.jwks.to_string(),
        ..TokenConfig::default()
    };
    let verifier = verifier(&config);
    for name in ["RS256 kid", "PS256 kid", "ES256 kid", "ES384 kid", "EdDSA kid"] {
        assert!(verifier.connection_at(token(name), NOW_S).await.is_ok(), "{name}");
    }
    let without_a_name = verifier.connection_at(token("RS256"), NOW_S).await;
    assert!(without_a_name.is_ok(), "the only key of its kind");
    assert!(
        verifier
            .connection_at(token("RS256 other kid"), NOW_S)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn rfc_7515_appendix_a() {
    // A.1: the secret is not text, so it comes in below the configuration.
    let example = &MADE.rfc7515["A.1"];
    let jws = Jws::parse(&example.token, 1 << 10).expect("a token");
    let secret = example.key["k"].as_str().map(|k| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(k)
            .expect("base64")
    });
    let key = Key::secret(&secret.expect("a secret"));
    assert!(key.verifies(Algorithm::Hs256, jws.signed, &jws.signature));
    // A.2 and A.3: RSA and P-256.
    for name in ["A.2", "A.3"] {
        let example = &MADE.rfc7515[name];
        let jwks = json!({ "keys": [example.key] }).to_string();
        let config = TokenConfig {
            jwks,
            issuer: "joe".into(),
            ..TokenConfig::default()
        };
        let verifier = verifier(&config);
        let claims = verifier.connection_at(&example.token, 1_300_819_379).await;
        assert_eq!(
            claims.map(|claims| claims.expire_at_s),
            Ok(Some(1_300_819_380)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn all_that_a_connection_token_says() {
    let verifier = verifier(&with_secret());
    let claims = verifier.connection_at(token("full"), NOW_S).await.expect("good");
    assert_eq!(claims.user, "u1");
    assert_eq!(
        claims.expire_at_s,
        Some(1_950_000_000),
        "expire_at goes before exp"
    );
    assert_eq!(claims.info.as_deref(), Some(&br#"{"name":"Zo\u00eb"}"#[..]));
    assert_eq!(claims.meta, Some(Bytes::from_static(br#"{"plan":"pro"}"#)));
    assert_eq!(
        claims.subs.keys().collect::<Vec<_>>(),
        ["chat:1", "news"],
        "subs go before channels"
    );
    let chat = &claims.subs["chat:1"];
    assert_eq!(chat.data, Some(Bytes::from_static(br#"{"hello":true}"#)));
    assert_eq!(
        chat.overrides,
        Overrides {
            presence: Some(false),
            join_leave: Some(true),
            force_push_join_leave: Some(true),
            force_positioning: Some(true),
            force_recovery: Some(false),
        }
    );
    let news = &claims.subs["news"];
    assert_eq!(news.info, Some(Bytes::from_static(&[0, 1])));
    assert_eq!(news.data, Some(Bytes::from_static(&[255])));
    assert_eq!(news.overrides, Overrides::default());

    let claims = verifier
        .connection_at(token("channels"), NOW_S)
        .await
        .expect("good");
    assert_eq!(claims.subs.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(claims.expire_at_s, None, "0 says: without end");
    assert_eq!(claims.info, Some(Bytes::from_static(&[1, 2])));

    let claims = verifier
        .connection_at(token("anonymous"), NOW_S)
        .await
        .expect("good");
    assert_eq!(
        (claims.user.as_str(), claims.expire_at_s),
        ("", Some(1_900_000_000))
    );
}

#[tokio::test]
async fn all_that_a_subscription_token_says() {
    let verifier = verifier(&with_secret());
    let claims = verifier.subscription_at(token("sub"), NOW_S).await.expect("good");
    assert_eq!(claims.options.info, Some(Bytes::from_static(br#"{"a":1}"#)));
    assert_eq!(claims.options.data, Some(Bytes::from_static(b"[1]")));
    assert_eq!(claims.options.overrides.presence, Some(true));
    assert!(claims.permits("chat:1", "u1", "c-1"));
    assert!(!claims.permits("chat:2", "u1", "c-1"));
    assert!(!claims.permits("chat:1", "u2", "c-1"));
    assert!(!claims.permits("chat:1", "u1", "c-2"));

    let any = verifier
        .subscription_at(token("sub any"), NOW_S)
        .await
        .expect("good");
    assert!(
        any.permits("chat:1", "u1", "c-2"),
        "any of the user's connections"
    );
    assert_eq!(
        any.expire_at_s,
        Some(1_800_000_000),
        "expire_at is the caller's to look at"
    );
}

#[tokio::test]
async fn who_it_is_may_be_in_another_claim() {
    let user = async |claim: &str| {
        let config = TokenConfig {
            user_claim: claim.into(),
            ..with_secret()
        };
        verifier(&config)
            .connection_at(token("user claim"), NOW_S)
            .await
            .map(|claims| claims.user)
    };
    assert_eq!(user("sub").await.as_deref(), Ok("u1"));
    assert_eq!(user("").await.as_deref(), Ok("u1"));
    assert_eq!(user("uid").await.as_deref(), Ok("77"));
    assert_eq!(user("other").await.as_deref(), Ok(""));
}
