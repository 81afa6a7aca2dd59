//! Sessions through their layer, as a browser meets them.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
use tower::ServiceExt;

use super::*;

struct Site {
    app: Router,
    sessions: Sessions,
    store: Arc<MemoryStore>,
    now_ms: Arc<AtomicU64>,
}

fn site(change: impl FnOnce(Sessions) -> Sessions) -> Site {
    let store = Arc::new(MemoryStore::new(100));
    let now_ms = Arc::new(AtomicU64::new(1_000_000_000));
    let clock = now_ms.clone();
    let sessions = Sessions::new(store.clone()).clock(move || clock.load(Ordering::Relaxed));
    let sessions = change(
        sessions
            .idle(Duration::from_secs(100))
            .absolute(Duration::from_secs(1000)),
    );
    let app = Router::new()
        .route("/in", get(async |session: Session| session.sign_in(7)))
        .route("/out", get(async |session: Session| session.sign_out()))
        .route(
            "/owner",
            get(async |session: Session| format!("{:?}", session.owner())),
        )
        .route("/rotate", get(async |session: Session| session.rotate()))
        .route("/set", get(async |session: Session| session.set("n", &5)))
        .route(
            "/get",
            get(async |session: Session| format!("{:?}", session.get::<u32>("n"))),
        )
        .layer(sessions.layer());
    Site {
        app,
        sessions,
        store,
        now_ms,
    }
}

impl Site {
    async fn get(&self, path: &str, cookie: &str) -> Response<Body> {
        let request = Request::get(path)
            .header(COOKIE, cookie)
            .body(Body::empty())
            .unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn text(&self, path: &str, cookie: &str) -> String {
        let body = axum::body::to_bytes(self.get(path, cookie).await.into_body(), 1000)
            .await
            .unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    /// The `name=value` that a browser would send from now on.
    async fn cookie(&self, path: &str, cookie: &str) -> Option<String> {
        let response = self.get(path, cookie).await;
        assert_eq!(response.status(), StatusCode::OK);
        let field = response.headers().get(SET_COOKIE)?.to_str().unwrap();
        Some(field.split(';').next().unwrap().to_owned())
    }

    fn pass(&self, seconds: u64) {
        self.now_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_visitor_gets_nothing_until_something_is_remembered() {
    let site = site(|sessions| sessions);
    assert_eq!(site.cookie("/owner", "").await, None);
    assert_eq!(site.cookie("/out", "").await, None);
    assert!(site.store.is_empty());
    let cookie = site.cookie("/set", "").await.unwrap();
    assert_eq!(site.text("/get", &cookie).await, "Some(5)");
    assert_eq!(site.text("/get", "").await, "None");
}

#[tokio::test]
async fn signing_in_changes_the_id_and_signing_out_ends_it() {
    let site = site(|sessions| sessions);
    let before = site.cookie("/set", "").await.unwrap();
    let after = site.cookie("/in", &before).await.unwrap();
    assert_ne!(before, after);
    assert_eq!(site.text("/owner", &after).await, "Some(7)");
    assert_eq!(
        site.text("/get", &after).await,
        "None",
        "what a stranger left is not taken over"
    );
    assert_eq!(
        site.text("/owner", &before).await,
        "None",
        "a planted id is worth nothing"
    );
    assert_eq!(site.cookie("/out", &after).await.unwrap(), "sid=");
    assert_eq!(site.text("/owner", &after).await, "None");
    assert!(site.store.is_empty());
}

#[tokio::test]
async fn an_id_that_we_did_not_make_is_not_taken() {
    let site = site(|sessions| sessions);
    let planted = format!("sid={}", "a".repeat(64));
    let given = site.cookie("/set", &planted).await.unwrap();
    assert_ne!(given, planted);
    for odd in ["sid=", "sid=x", "sid=..", &format!("sid={}", "a".repeat(65))] {
        assert_eq!(site.text("/owner", odd).await, "None");
    }
}

#[tokio::test]
async fn idle_and_absolute_time_end_it() {
    let site = site(|sessions| sessions);
    let cookie = site.cookie("/in", "").await.unwrap();
    for _ in 0..10 {
        site.pass(99);
        assert_eq!(site.text("/owner", &cookie).await, "Some(7)");
    }
    site.pass(10);
    assert_eq!(
        site.text("/owner", &cookie).await,
        "None",
        "1,000 seconds are over"
    );
    let cookie = site.cookie("/in", "").await.unwrap();
    site.pass(100);
    assert_eq!(site.text("/owner", &cookie).await, "None", "idle");
    assert!(
        site.store.is_empty(),
        "an expired record is removed when it is met"
    );
    site.cookie("/in", "").await.unwrap();
    site.pass(101);
    assert_eq!(site.sessions.sweep().await.unwrap(), 1);
}

#[tokio::test]
async fn the_server_can_end_any_of_them() {
    let site = site(|sessions| sessions);
    let one = site.cookie("/in", "").await.unwrap();
    let two = site.cookie("/in", "").await.unwrap();
    let three = site.cookie("/in", "").await.unwrap();
    let key = |cookie: &str| Key::of_id(cookie.strip_prefix("sid=").unwrap());
    site.sessions.revoke(&key(&one)).await.unwrap();
    assert_eq!(site.text("/owner", &one).await, "None");
    assert_eq!(site.sessions.revoke_all(7, Some(key(&three))).await.unwrap(), 1);
    assert_eq!(site.text("/owner", &two).await, "None");
    assert_eq!(site.text("/owner", &three).await, "Some(7)");
    assert_eq!(site.sessions.revoke_all(7, None).await.unwrap(), 1);
}

/// A request that was on its way when the session was ended must not bring it back.
#[tokio::test]
async fn an_ended_session_is_not_written_again() {
    let site = site(|sessions| sessions);
    let (set, rotate) = (site.sessions.clone(), site.sessions.clone());
    let set = async move |session: Session| {
        set.revoke(&session.key().unwrap()).await.unwrap();
        session.set("n", &1)
    };
    let rotate = async move |session: Session| {
        rotate.revoke(&session.key().unwrap()).await.unwrap();
        session.rotate();
    };
    let app = Router::new()
        .route("/set", get(set))
        .route("/rotate", get(rotate))
        .layer(site.sessions.layer());
    for path in ["/set", "/rotate"] {
        let cookie = site.cookie("/in", "").await.unwrap();
        let request = Request::get(path)
            .header(COOKIE, &cookie)
            .body(Body::empty())
            .unwrap();
        assert_eq!(
            app.clone().oneshot(request).await.unwrap().status(),
            StatusCode::OK
        );
        assert!(site.store.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_session_can_change_its_id_and_stay() {
    let site = site(|sessions| sessions);
    let before = site.cookie("/in", "").await.unwrap();
    let after = site.cookie("/rotate", &before).await.unwrap();
    assert_ne!(before, after);
    assert_eq!(site.text("/owner", &after).await, "Some(7)");
    assert_eq!(site.text("/owner", &before).await, "None");
    assert_eq!(site.store.len(), 1);
}

#[tokio::test]
async fn the_cookie_is_closed_and_under_tls_bound_to_the_host() {
    let plain = site(|sessions| sessions).get("/in", "").await;
    let field = plain.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(
        field.starts_with("sid=") && field.contains("; HttpOnly; SameSite=Lax") && !field.contains("Secure")
    );
    let tls = site(|sessions| sessions.secure(true).cookie_name("who"));
    let field = tls.get("/in", "").await.headers()[SET_COOKIE]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(field.starts_with("__Host-who=") && field.contains("; Path=/;") && field.contains("; Secure;"));
    let cookie = field.split(';').next().unwrap();
    assert_eq!(tls.text("/owner", cookie).await, "Some(7)");
}

#[tokio::test]
async fn data_are_bounded() {
    let session = Session::new(None);
    let overhead = r#"{"k":""}"#.len();
    assert_eq!(session.set("k", &"x".repeat(DATA_BYTES_MAX - overhead)), Ok(()));
    assert_eq!(
        session.set("k", &"y".repeat(DATA_BYTES_MAX - overhead + 1)),
        Err(DataTooLarge)
    );
    assert!(
        session.get::<String>("k").unwrap().starts_with('x'),
        "a refused value changes nothing"
    );
    session.remove("k");
    assert_eq!(session.get::<String>("k"), None);
}

#[tokio::test]
async fn a_full_store_lets_visitors_go_first() {
    let store = MemoryStore::new(2);
    let record = |n: u8, owner, seen_ms| Record {
        key: Key([n; 32]),
        owner,
        created_ms: 0,
        seen_ms,
        data: "{}".into(),
    };
    for record in [record(1, Some(7), 1), record(2, None, 5), record(3, Some(8), 6)] {
        store.insert(record).await.unwrap();
    }
    assert_eq!(store.len(), 2);
    assert!(store.load(&Key([2; 32])).await.unwrap().is_none());
    assert!(!store.update(record(2, None, 9)).await.unwrap());
    store.insert(record(4, Some(9), 7)).await.unwrap();
    assert!(
        store.load(&Key([1; 32])).await.unwrap().is_none(),
        "then the one that was used longest ago"
    );
    let flood = MemoryStore::new(64);
    for n in 0..200 {
        flood.insert(record(n, None, n.into())).await.unwrap();
        assert!(flood.len() <= 64 && flood.load(&Key([n; 32])).await.unwrap().is_some());
    }
}

#[test]
fn keys_are_text_and_back() {
    let key = Key::of_id("x");
    assert_eq!(key.to_string().parse(), Ok(key));
    for bad in ["", "zz", &"g".repeat(64), &"+f".repeat(32)] {
        assert_eq!(bad.parse::<Key>(), Err(KeyParseError));
    }
}

/// A store that cannot be reached is a 500, not an anonymous visitor.
#[tokio::test]
async fn a_failing_store_is_an_error() {
    struct Broken;
    fn fail<'a, T: 'a>() -> crate::BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async { Err(StoreError::new("unplugged")) })
    }
    impl Store for Broken {
        fn load<'a>(&'a self, _: &'a Key) -> crate::BoxFuture<'a, Result<Option<Record>, StoreError>> {
            fail()
        }
        fn insert(&self, _: Record) -> crate::BoxFuture<'_, Result<(), StoreError>> {
            fail()
        }
        fn update(&self, _: Record) -> crate::BoxFuture<'_, Result<bool, StoreError>> {
            fail()
        }
        fn remove<'a>(&'a self, _: &'a Key) -> crate::BoxFuture<'a, Result<(), StoreError>> {
            fail()
        }
        fn remove_owner(&self, _: u64, _: Option<Key>) -> crate::BoxFuture<'_, Result<u64, StoreError>> {
            fail()
        }
        fn remove_expired(&self, _: u64, _: u64) -> crate::BoxFuture<'_, Result<u64, StoreError>> {
            fail()
        }
    }
    let app = Router::new()
        .route("/in", get(async |s: Session| s.sign_in(1)))
        .layer(Sessions::new(Arc::new(Broken)).layer());
    for cookie in [String::new(), format!("sid={}", "a".repeat(64))] {
        let request = Request::get("/in")
            .header(COOKIE, cookie)
            .body(Body::empty())
            .unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!response.headers().contains_key(SET_COOKIE));
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert!(!body.windows(9).any(|text| text == b"unplugged"));
    }
}
