//! Programs, codes, tokens.

mod common;

use common::Site;
use feed::domain::oauth::{NewApp, NewCode};
use feed::domain::{ClientApp, PersonId, Scopes, secrets};
use feed::store::Change;

const REDIRECT: &str = "urn:ietf:wg:oauth:2.0:oob";

async fn app(site: &Site) -> (ClientApp, String) {
    let new = NewApp {
        name: "Test".into(),
        website: None,
        redirect_uris: vec![REDIRECT.into(), "https://app.example/back".into()],
        scopes: Scopes::parse("read write").unwrap(),
    };
    site.store.create_app(new).await.unwrap()
}

fn code(app: &ClientApp, person: PersonId, challenge: Option<String>) -> NewCode {
    let scopes = Scopes::parse("read").unwrap();
    NewCode {
        app: app.id,
        person,
        redirect_uri: REDIRECT.into(),
        scopes,
        challenge,
    }
}

#[tokio::test]
async fn programs_prove_themselves_by_their_secret() {
    let site = Site::new();
    let (made, secret) = app(&site).await;
    assert_eq!(site.store.app_by_client_id(&made.client_id).await.unwrap(), made);
    assert_eq!(site.store.app_by_id(made.id).await.unwrap(), made);
    assert_eq!(
        site.store
            .authenticate_app(&made.client_id, &secret)
            .await
            .unwrap(),
        made
    );
    assert!(
        site.store
            .authenticate_app(&made.client_id, "x")
            .await
            .unwrap_err()
            .is_missing()
    );
    assert!(
        site.store
            .authenticate_app("x", &secret)
            .await
            .unwrap_err()
            .is_missing()
    );
    assert!(made.allows_redirect(REDIRECT) && !made.allows_redirect("https://app.example/back/"));
}

#[tokio::test]
async fn a_code_is_good_once_and_a_second_use_revokes() {
    let (site, changes) = Site::with_changes();
    let [ada] = site.people().await;
    let (made, _) = app(&site).await;
    let code = site.store.create_code(code(&made, ada, None)).await.unwrap();
    let (bearer, info) = site
        .store
        .redeem_code(made.id, &code, REDIRECT, None)
        .await
        .unwrap();
    assert_eq!(
        (info.person, info.scopes.to_string().as_str()),
        (Some(ada), "read")
    );
    assert_eq!(site.store.token(&bearer).await.unwrap(), info);
    assert!(
        site.store
            .redeem_code(made.id, &code, REDIRECT, None)
            .await
            .unwrap_err()
            .is_refused()
    );
    assert!(site.store.token(&bearer).await.unwrap_err().is_missing());
    assert_eq!(changes.next().unwrap().changes, [Change::Revoked { person: ada }]);
}

#[tokio::test]
async fn a_code_must_fit_in_everything() {
    let site = Site::new();
    let [ada] = site.people().await;
    let (made, _) = app(&site).await;
    let (other, _) = app(&site).await;
    let verifier = "a-verifier-of-forty-three-characters-or-more";
    let challenge = Some(secrets::pkce_challenge(verifier));
    let with = site.store.create_code(code(&made, ada, challenge)).await.unwrap();
    let without = site.store.create_code(code(&made, ada, None)).await.unwrap();
    let tries = [
        (made.id, "no such code", REDIRECT, Some(verifier)),
        (other.id, &with, REDIRECT, Some(verifier)),
        (made.id, &with, "https://app.example/back", Some(verifier)),
        (made.id, &with, REDIRECT, Some("wrong")),
        (made.id, &with, REDIRECT, None),
        (made.id, &without, REDIRECT, Some(verifier)),
    ];
    for (app, code, redirect, verifier) in tries {
        assert!(
            site.store
                .redeem_code(app, code, redirect, verifier)
                .await
                .unwrap_err()
                .is_refused()
        );
    }
    assert!(
        site.store
            .redeem_code(made.id, &with, REDIRECT, Some(verifier))
            .await
            .is_ok()
    );
    assert!(
        site.store
            .redeem_code(made.id, &without, REDIRECT, None)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn only_its_own_program_revokes_a_token() {
    let site = Site::new();
    let (made, _) = app(&site).await;
    let (other, _) = app(&site).await;
    let (bearer, info) = site
        .store
        .create_token(made.id, None, Scopes::default())
        .await
        .unwrap();
    assert_eq!(info.person, None);
    site.store.revoke_token(other.id, &bearer).await.unwrap();
    assert!(site.store.token(&bearer).await.is_ok());
    site.store.revoke_token(made.id, &bearer).await.unwrap();
    site.store.revoke_token(made.id, &bearer).await.unwrap();
    assert!(site.store.token(&bearer).await.unwrap_err().is_missing());
}
