//! Sessions by tokens and namespaces, over a real WebSocket.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use squall::live::namespaces::Namespaces;
use squall::live::session::TokenPolicy;
use squall::live::token::{TokenConfig, Verifier};
use squall::live::{self, Hub, HubConfig, Live};
use squall::testing::{TestServer, WsClient, WsEvent, serve_with};

const SECRET: &str = "a secret of thirty-two bytes, or more";
const FOREVER: u64 = 32_503_680_000;

const NAMESPACES: &str = r#"
    [namespaces.chat]
    history_messages = 100
    recovery = "allow"
    subscribe = ["client"]
    publish = ["subscriber"]
    history_for = ["subscriber"]
    message_bytes_max = 16
    data = "json_object"
    [namespaces.forced]
    history_messages = 100
    recovery = "force"
    subscribe = ["client", "anonymous"]
    [namespaces.dialog]
    user_limited = true
"#;

fn signed(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({"alg": "HS256"})), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn server_with(change: impl FnOnce(TokenPolicy) -> TokenPolicy) -> TestServer {
    let tokens = TokenConfig {
        hmac_secret: SECRET.into(),
        ..TokenConfig::default()
    };
    let namespaces = Namespaces::new(toml::from_str(NAMESPACES).expect("TOML")).expect("good");
    let hub = Hub::new(HubConfig {
        epoch: live::new_epoch(),
        ..HubConfig::default()
    });
    namespaces.apply(&hub);
    let live = Live::sessions(hub);
    let policy = change(TokenPolicy::new(
        Verifier::new(&tokens).expect("good"),
        namespaces,
    ));
    serve_with(live::router(&live, policy), |server| server.live(&live))
}

fn server() -> TestServer {
    server_with(|policy| policy)
}

/// One connection, command by command.
struct Session {
    ws: WsClient,
    last: u32,
}

impl Session {
    fn open(server: &TestServer) -> Self {
        let ws = server.client().ws("/connection/websocket").open_ws();
        Self { ws, last: 0 }
    }

    /// Begun by this user.
    fn of(server: &TestServer, user: &str) -> Self {
        let mut session = Self::open(server);
        let reply = session.ask(
            "connect",
            json!({"token": signed(&json!({"sub": user, "exp": FOREVER}))}),
        );
        assert_eq!(reply["connect"]["expires"], true, "{reply}");
        session
    }

    fn send(&mut self, method: &str, request: Value) {
        self.last += 1;
        self.ws
            .send_text(&json!({"id": self.last, method: request}).to_string());
    }

    fn ask(&mut self, method: &str, request: Value) -> Value {
        self.send(method, request);
        loop {
            let text = self.ws.text();
            let replies = text
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            if let Some(reply) = replies.into_iter().find(|reply| reply["id"] == self.last) {
                return reply;
            }
        }
    }

    /// The error's code; null if there is none.
    fn code(&mut self, method: &str, request: Value) -> Value {
        self.ask(method, request)["error"]["code"].clone()
    }

    /// The code with which the connection is closed.
    fn closes(&mut self, method: &str, request: Value) -> u16 {
        self.send(method, request);
        match self.ws.recv() {
            WsEvent::Close(Some((code, _))) => code,
            other => panic!("no close but {other:?}"),
        }
    }
}

#[test]
fn tokens_say_who_may_connect() {
    let server = server();
    let connect = |claims: Value| json!({"token": signed(&claims)});
    let expired = connect(json!({"sub": "42", "exp": 1}));
    assert_eq!(Session::open(&server).code("connect", expired), 109);
    assert_eq!(
        Session::open(&server).closes("connect", json!({"token": "nonsense"})),
        3500
    );
    let of_a_subscription = connect(json!({"sub": "42", "channel": "chat:1"}));
    assert_eq!(Session::open(&server).closes("connect", of_a_subscription), 3500);
    assert_eq!(Session::open(&server).closes("connect", json!({})), 3501);

    let without_end = Session::open(&server).ask("connect", connect(json!({"sub": "42"})));
    assert!(without_end["connect"]["client"].is_string());
    assert!(without_end["connect"]["expires"].is_null());
    let chosen = connect(json!({"sub": "42", "subs": {"chat:1": {"data": {"hello": 1},
        "override": {"force_recovery": {"value": true}}}}}));
    let reply = Session::open(&server).ask("connect", chosen);
    let sub = &reply["connect"]["subs"]["chat:1"];
    assert_eq!(
        (&sub["data"], &sub["recoverable"]),
        (&json!({"hello": 1}), &json!(true)),
        "{reply}"
    );
    let unknown = connect(json!({"sub": "42", "channels": ["nothing:1"]}));
    assert_eq!(Session::open(&server).code("connect", unknown), 102);
}

#[test]
fn somebody_without_a_token_may_connect_where_that_is_allowed() {
    let server = server_with(TokenPolicy::allow_anonymous);
    let mut session = Session::open(&server);
    assert!(session.ask("connect", json!({}))["connect"]["client"].is_string());
    assert_eq!(session.code("subscribe", json!({"channel": "chat:1"})), 103);
    let forced = session.ask("subscribe", json!({"channel": "forced:1"}));
    assert_eq!(forced["subscribe"]["recoverable"], true, "{forced}");
}

#[test]
fn namespaces_and_tokens_say_who_may_subscribe() {
    let server = server();
    let mut session = Session::of(&server, "42");
    let subscribe = |channel: &str| json!({"channel": channel});
    let plain = session.ask("subscribe", subscribe("chat:1"));
    assert!(
        plain["subscribe"].is_object() && plain["subscribe"]["recoverable"].is_null(),
        "{plain}"
    );
    let asked = session.ask("subscribe", json!({"channel": "chat:2", "recoverable": true}));
    assert_eq!(asked["subscribe"]["recoverable"], true, "{asked}");
    assert_eq!(session.code("subscribe", subscribe("nothing:1")), 102);
    assert_eq!(session.code("subscribe", subscribe("lobby")), 103);
    assert_eq!(session.code("subscribe", subscribe("$chat:1")), 103);
    assert_eq!(session.code("subscribe", subscribe("dialog:a#41,43")), 103);
    assert_eq!(
        session.code("subscribe", subscribe("dialog:a#41,42")),
        Value::Null
    );

    let with = |channel: &str, claims: Value| json!({"channel": channel, "token": signed(&claims)});
    let good = json!({"sub": "42", "channel": "$chat:1", "exp": FOREVER, "data": [1]});
    let granted = session.ask("subscribe", with("$chat:1", good));
    assert_eq!(granted["subscribe"]["data"], json!([1]), "{granted}");
    assert_eq!(granted["subscribe"]["expires"], true);
    let expired = json!({"sub": "42", "channel": "$chat:2", "exp": 1});
    assert_eq!(session.code("subscribe", with("$chat:2", expired)), 109);
    assert_eq!(
        session.code("subscribe", json!({"channel": "$chat:2", "token": "nonsense"})),
        103
    );
    for wrong in [
        json!({"sub": "43", "channel": "$chat:2"}),
        json!({"sub": "42", "channel": "$chat:3"}),
        json!({"sub": "42", "channel": "$chat:2", "client": "another"}),
    ] {
        assert_eq!(
            Session::of(&server, "42").closes("subscribe", with("$chat:2", wrong)),
            3500
        );
    }
}

#[test]
fn namespaces_say_who_may_publish_and_read() {
    let server = server();
    let mut session = Session::of(&server, "42");
    let publish = |data: Value| json!({"channel": "chat:1", "data": data});
    assert_eq!(
        session.code("publish", publish(json!({"a": 1}))),
        103,
        "not subscribed"
    );
    assert_eq!(session.code("history", json!({"channel": "chat:1"})), 103);
    assert_eq!(
        session.code("subscribe", json!({"channel": "chat:1"})),
        Value::Null
    );
    assert_eq!(
        session.code("publish", publish(json!({"a": "1234567890"}))),
        107,
        "too long"
    );
    assert_eq!(session.code("publish", publish(json!([1]))), 107, "no object");
    assert_eq!(
        session.code("publish", publish(json!({"a": "12345678"}))),
        Value::Null,
        "as long as may be"
    );
    let history = session.ask("history", json!({"channel": "chat:1", "limit": -1}));
    assert_eq!(
        history["history"]["publications"][0]["data"],
        json!({"a": "12345678"}),
        "{history}"
    );
    assert_eq!(session.code("history", json!({"channel": "dialog:a"})), 108);
    assert_eq!(session.code("presence", json!({"channel": "chat:1"})), 108);
    assert_eq!(
        session.code("publish", json!({"channel": "nothing:1", "data": {}})),
        102
    );
}

#[test]
fn tokens_are_refreshed_by_those_whose_they_are() {
    let server = server();
    let refresh = |claims: Value| json!({"token": signed(&claims)});
    let mut session = Session::of(&server, "42");
    let reply = session.ask("refresh", refresh(json!({"sub": "42", "exp": FOREVER + 1})));
    assert_eq!(reply["refresh"]["expires"], true, "{reply}");
    assert_eq!(
        session.closes("refresh", refresh(json!({"sub": "43", "exp": FOREVER}))),
        3500
    );
    let expired = refresh(json!({"sub": "42", "exp": 1}));
    assert_eq!(Session::of(&server, "42").closes("refresh", expired), 3005);

    let mut session = Session::of(&server, "42");
    let claims = json!({"sub": "42", "channel": "$chat:1", "exp": FOREVER});
    let token = signed(&claims);
    assert_eq!(
        session.code("subscribe", json!({"channel": "$chat:1", "token": token})),
        Value::Null
    );
    let reply = session.ask("sub_refresh", json!({"channel": "$chat:1", "token": token}));
    assert_eq!(reply["sub_refresh"]["expires"], true, "{reply}");
    let other = signed(&json!({"sub": "42", "channel": "$chat:2", "exp": FOREVER}));
    assert_eq!(
        session.closes("sub_refresh", json!({"channel": "$chat:1", "token": other})),
        3500
    );
}
