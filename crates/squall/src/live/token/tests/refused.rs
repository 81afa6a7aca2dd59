//! Tokens that are not believed, and configurations that are none.

use super::super::{JwksConfig, LEEWAY_S_MAX, TokenConfig, TokenError, Verifier};
use super::{MADE, NOW_S, all_keys, token, verifier, with_secret};

async fn connect(config: &TokenConfig, token: &str, now_s: u64) -> Result<(), TokenError> {
    verifier(config).connection_at(token, now_s).await.map(drop)
}

#[tokio::test]
async fn a_public_key_is_no_secret_and_none_is_no_algorithm() {
    let config = all_keys();
    assert_eq!(
        connect(&config, token("confused"), NOW_S).await,
        Err(TokenError::Invalid("its signature is not ours"))
    );
    let without_secret = TokenConfig {
        hmac_secret: "".into(),
        ..all_keys()
    };
    assert_eq!(
        connect(&without_secret, token("confused"), NOW_S).await,
        Err(TokenError::Invalid("there is no key for its algorithm"))
    );
    let not_ours = Err(TokenError::Invalid("its algorithm is not ours"));
    assert_eq!(connect(&config, token("none"), NOW_S).await, not_ours);
    assert_eq!(connect(&config, token("ES512"), NOW_S).await, not_ours);
    for name in ["HS256", "RS256", "ES256", "EdDSA"] {
        let none = connect(&TokenConfig::default(), token(name), NOW_S).await;
        assert_eq!(
            none,
            Err(TokenError::Invalid("there is no key for its algorithm")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_key_that_says_its_algorithm_has_no_other() {
    let mut jwks = MADE.jwks.clone();
    jwks["keys"][0]["alg"] = "RS512".into();
    let config = TokenConfig {
        jwks: jwks.to_string(),
        ..TokenConfig::default()
    };
    assert!(connect(&config, token("RS256 kid"), NOW_S).await.is_err());
    jwks["keys"][0]["alg"] = "RS256".into();
    let config = TokenConfig {
        jwks: jwks.to_string(),
        ..TokenConfig::default()
    };
    assert!(connect(&config, token("RS256 kid"), NOW_S).await.is_ok());
    assert!(connect(&config, token("PS256 kid"), NOW_S).await.is_err());
}

#[tokio::test]
async fn a_changed_token_is_refused_wherever_it_was_changed() {
    let verifier = verifier(&all_keys());
    for name in ["HS256", "RS256", "ES256", "EdDSA"] {
        let good = token(name);
        for at in 0..good.len() {
            let mut changed = good.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("text");
            assert!(
                verifier.connection_at(&changed, NOW_S).await.is_err(),
                "{name} at {at}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let verifier = verifier(&with_secret());
    let good = token("HS256");
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let cases = [
        "".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "null".to_owned(),
        signed.to_owned(),
        format!("{good}."),
        format!("{good}=="),
        format!("{good}\n"),
        format!("{signed}."),
        format!("{good}.{signature}"),
        format!(" {good}"),
        token("crit").to_owned(),
        token("number sub").to_owned(),
        token("no json").to_owned(),
        token("twice").to_owned(),
        token("bad b64").to_owned(),
        token("sub").to_owned(),
    ];
    for case in &cases {
        let result = verifier.connection_at(case, NOW_S).await;
        assert!(
            matches!(result, Err(TokenError::Invalid(_))),
            "{case:?}: {result:?}"
        );
    }
    let result = verifier.subscription_at(good, NOW_S).await;
    assert!(
        matches!(result, Err(TokenError::Invalid(_))),
        "no channel: {result:?}"
    );
}

#[tokio::test]
async fn times_to_the_second_and_with_leeway() {
    let strict = with_secret();
    assert_eq!(connect(&strict, token("HS256"), 1_899_999_999).await, Ok(()));
    assert_eq!(
        connect(&strict, token("HS256"), 1_900_000_000).await,
        Err(TokenError::Expired)
    );
    assert_eq!(
        connect(&strict, token("nbf"), 1_799_999_999).await,
        Err(TokenError::NotYet)
    );
    assert_eq!(connect(&strict, token("nbf"), 1_800_000_000).await, Ok(()));
    let lenient = TokenConfig {
        leeway_s: 10,
        ..with_secret()
    };
    assert_eq!(connect(&lenient, token("HS256"), 1_900_000_009).await, Ok(()));
    assert_eq!(
        connect(&lenient, token("HS256"), 1_900_000_010).await,
        Err(TokenError::Expired)
    );
    assert_eq!(connect(&lenient, token("nbf"), 1_799_999_990).await, Ok(()));
    assert_eq!(
        connect(&lenient, token("nbf"), 1_799_999_989).await,
        Err(TokenError::NotYet)
    );
    assert!(TokenError::Expired.is_expired() && !TokenError::Invalid("").is_expired());
}

#[tokio::test]
async fn issuer_and_audience_are_looked_at_when_they_are_set() {
    let with = |issuer: &str, audience: &str| TokenConfig {
        issuer: issuer.into(),
        audience: audience.into(),
        ..with_secret()
    };
    let good = token("HS256");
    assert_eq!(
        connect(&with("https://id.example", "chat"), good, NOW_S).await,
        Ok(())
    );
    assert!(
        connect(&with("https://id.example.org", ""), good, NOW_S)
            .await
            .is_err()
    );
    assert!(connect(&with("", "cha"), good, NOW_S).await.is_err());
    assert!(
        connect(&with("", "chat"), token("full"), NOW_S).await.is_err(),
        "no audience at all"
    );
    assert!(
        connect(&with("joe", ""), token("full"), NOW_S).await.is_err(),
        "no issuer at all"
    );
}

#[tokio::test]
async fn the_previous_secret_is_believed_for_its_time() {
    let with = |previous: &str, until_s: u64| TokenConfig {
        hmac_previous_secret: previous.into(),
        hmac_previous_until_s: until_s,
        ..with_secret()
    };
    let before = "the secret that was there before";
    assert!(connect(&with("", 0), token("previous"), NOW_S).await.is_err());
    assert_eq!(connect(&with(before, 0), token("previous"), NOW_S).await, Ok(()));
    assert_eq!(
        connect(&with(before, NOW_S), token("previous"), NOW_S).await,
        Ok(())
    );
    assert!(
        connect(&with(before, NOW_S - 1), token("previous"), NOW_S)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn limits_at_them_and_one_past_them() {
    let good = token("HS256");
    let long = |bytes: usize| TokenConfig {
        token_bytes_max: bytes,
        ..with_secret()
    };
    assert_eq!(connect(&long(good.len()), good, NOW_S).await, Ok(()));
    assert_eq!(
        connect(&long(good.len() - 1), good, NOW_S).await,
        Err(TokenError::Invalid("it is too long"))
    );
    assert_eq!(connect(&with_secret(), token("subs 128"), NOW_S).await, Ok(()));
    assert_eq!(
        connect(&with_secret(), token("subs 129"), NOW_S).await,
        Err(TokenError::Invalid("it has too many channels"))
    );
}

#[test]
fn a_configuration_that_is_none_says_which_field_and_no_secret() {
    let error = |config: TokenConfig| Verifier::new(&config).expect_err("no good").to_string();
    let base = TokenConfig::default;
    let pems = |name: &str, count: usize| vec![MADE.public_keys[name].clone(); count];
    let pem = |name: &str| pems(name, 1);
    assert!(
        Verifier::new(&TokenConfig {
            hmac_secret: "x".repeat(16).into(),
            ..base()
        })
        .is_ok()
    );
    assert_eq!(
        error(TokenConfig {
            hmac_secret: "x".repeat(15).into(),
            ..base()
        }),
        "hmac_secret: shorter than 16 bytes"
    );
    assert!(
        error(TokenConfig {
            hmac_previous_secret: "short".into(),
            ..base()
        })
        .starts_with("hmac_previous_secret:")
    );
    assert_eq!(
        error(TokenConfig {
            public_keys: pem("P521"),
            ..base()
        }),
        "public_keys[0]: a key of another kind than RSA, P-256, P-384 and Ed25519"
    );
    assert_eq!(
        error(TokenConfig {
            public_keys: pem("SMALL"),
            ..base()
        }),
        "public_keys[0]: an RSA key has 2048 to 8192 bits"
    );
    for wrong in [
        "",
        "nonsense",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    ] {
        assert!(
            error(TokenConfig {
                public_keys: vec![wrong.into()],
                ..base()
            })
            .starts_with("public_keys[0]: ")
        );
    }
    assert!(
        Verifier::new(&TokenConfig {
            public_keys: pem("RSA_PKCS1"),
            ..base()
        })
        .is_ok()
    );
    assert!(
        Verifier::new(&TokenConfig {
            public_keys: pems("RSA_PKCS1", 64),
            ..base()
        })
        .is_ok()
    );
    assert_eq!(
        error(TokenConfig {
            public_keys: pems("RSA", 65),
            ..base()
        }),
        "public_keys: more than 64 keys"
    );
}

#[test]
fn a_key_set_and_a_leeway_that_are_none() {
    let error = |config: TokenConfig| Verifier::new(&config).expect_err("no good").to_string();
    let base = TokenConfig::default;
    for wrong in [
        "{",
        "[]",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
    ] {
        assert!(
            error(TokenConfig {
                jwks: wrong.into(),
                ..base()
            })
            .starts_with("jwks: "),
            "{wrong}"
        );
    }
    let remote = |url: &str| JwksConfig {
        url: url.into(),
        ..JwksConfig::default()
    };
    assert!(
        error(TokenConfig {
            jwks_remote: remote("file:///etc"),
            ..base()
        })
        .starts_with("jwks_remote.url: ")
    );
    assert!(
        Verifier::new(&TokenConfig {
            leeway_s: LEEWAY_S_MAX,
            ..base()
        })
        .is_ok()
    );
    assert_eq!(
        error(TokenConfig {
            leeway_s: LEEWAY_S_MAX + 1,
            ..base()
        }),
        "leeway_s: more than 300 seconds"
    );
}

#[test]
fn no_secret_is_in_what_is_printed() {
    let config = with_secret();
    let printed = format!("{config:?} {:?}", verifier(&config));
    assert!(!printed.contains(&MADE.secret), "{printed}");
    let bytes = format!("{:?}", MADE.secret.as_bytes());
    assert!(!printed.contains(bytes.trim_matches(['[', ']'])), "{printed}");
}
