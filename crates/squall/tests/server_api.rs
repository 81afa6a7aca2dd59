//! The API for other programs, over a real socket, as Centrifugo's clients speak it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};
use squall::live::server_api::{
    self, ApiConfig, ApiError, BATCH_COMMANDS_MAX, BROADCAST_CHANNELS_MAX, ChannelInfo, ChannelsRequest,
    ChannelsResult, ClientInfo, DisconnectRequest, HistoryRequest, HistoryResult, InfoResult, NodeResult,
    PresenceResult, PresenceStatsResult, Publication, PublishRequest, PublishResult, RpcRequest, RpcResult,
    ServerApi, SubscribeRequest, UnsubscribeRequest,
};
use squall::testing::{Answer, TestServer, serve};
use squall::web::Router;

const KEY: &str = "the key of these tests";
const OTHER_KEY: &str = "the key that comes after it";

/// Writes down what it was asked.
#[derive(Clone, Default)]
struct Recorder {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    fn note(&self, text: String) {
        self.asked.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl ServerApi for Recorder {
    async fn publish(&self, ask: PublishRequest) -> Result<PublishResult, ApiError> {
        let data = ask.payload.data()?;
        self.note(format!("{} {data:?} {:?}", ask.channel, ask.options.tags));
        match ask.channel.as_str() {
            "unknown:1" => Err(ApiError::UNKNOWN_CHANNEL),
            "transient" => Ok(PublishResult::default()),
            _ => Ok(PublishResult {
                offset: 7,
                epoch: "e".into(),
            }),
        }
    }

    async fn subscribe(&self, ask: SubscribeRequest) -> Result<(), ApiError> {
        let (info, data) = (ask.info()?, ask.data()?);
        self.note(format!(
            "{} {} {info:?} {data:?} {:?}",
            ask.user,
            ask.channel,
            ask.overrides().presence
        ));
        self.note(format!("{:?}", ask.recover_since));
        Ok(())
    }

    async fn unsubscribe(&self, ask: UnsubscribeRequest) -> Result<(), ApiError> {
        self.note(format!("{ask:?}"));
        Ok(())
    }

    async fn disconnect(&self, ask: DisconnectRequest) -> Result<(), ApiError> {
        let reason = ask.disconnect.map(|reason| (reason.code, reason.reason));
        self.note(format!("{} {reason:?} {:?}", ask.user, ask.whitelist));
        Ok(())
    }

    async fn presence(&self, _: String) -> Result<PresenceResult, ApiError> {
        let info = ClientInfo {
            user: "42".into(),
            client: "c1".into(),
            conn_info: Bytes::from_static(b"{\"a\": 1}"),
            chan_info: Bytes::from_static(b"\xff"),
        };
        Ok(PresenceResult {
            presence: BTreeMap::from([("c1".into(), info)]),
        })
    }

    async fn presence_stats(&self, _: String) -> Result<PresenceStatsResult, ApiError> {
        Ok(PresenceStatsResult::default())
    }

    async fn history(&self, ask: HistoryRequest) -> Result<HistoryResult, ApiError> {
        let since = ask.since.map(|since| (since.offset, since.epoch));
        self.note(format!("{} {} {since:?} {}", ask.channel, ask.limit, ask.reverse));
        let publication = |data: &'static [u8], offset| Publication {
            data: Bytes::from_static(data),
            offset,
            ..Publication::default()
        };
        let mut first = publication(b"{\"n\":1}", 3);
        first.tags = BTreeMap::from([("k".into(), "v".into())]);
        let publications = vec![first, publication(b"\x00\xff", 9)];
        Ok(HistoryResult {
            publications,
            epoch: "e".into(),
            offset: 9,
        })
    }

    async fn history_remove(&self, channel: String) -> Result<(), ApiError> {
        self.note(channel);
        Ok(())
    }

    async fn channels(&self, ask: ChannelsRequest) -> Result<ChannelsResult, ApiError> {
        self.note(ask.pattern);
        let channels = BTreeMap::from([("chat:1".into(), ChannelInfo { num_clients: 2 })]);
        Ok(ChannelsResult { channels })
    }

    async fn info(&self) -> Result<InfoResult, ApiError> {
        let node = NodeResult {
            uid: "u".into(),
            num_clients: 1,
            ..NodeResult::default()
        };
        Ok(InfoResult { nodes: vec![node] })
    }

    async fn rpc(&self, ask: RpcRequest) -> Result<RpcResult, ApiError> {
        let params = ask.params.map(|params| params.get().to_owned());
        self.note(format!("{} {params:?}", ask.method));
        Ok(RpcResult {
            data: Bytes::from_static(b"[1]"),
        })
    }
}

fn server_with(config: ApiConfig) -> (TestServer, Recorder) {
    let recorder = Recorder::default();
    let api = server_api::router(recorder.clone(), &config).expect("good keys");
    (serve(Router::new().nest("/api", api)), recorder)
}

fn server() -> (TestServer, Recorder) {
    server_with(ApiConfig {
        keys: vec![KEY.into(), OTHER_KEY.into()],
        ..ApiConfig::default()
    })
}

fn call(server: &TestServer, method: &str, body: Value) -> Value {
    let path = format!("/api/{method}");
    let answer = server
        .client()
        .post(&path)
        .header("x-api-key", KEY)
        .json(&body)
        .send();
    assert_eq!(
        answer.header("content-type"),
        "application/json",
        "{}",
        answer.text()
    );
    answer.expect(200).json()
}

/// Method, body, answer.
fn calls() -> Vec<(&'static str, Value, Value)> {
    vec![
        (
            "publish",
            json!({"channel": "chat:1", "data": {"a": 1.50}}),
            json!({"result": {"offset": 7, "epoch": "e"}}),
        ),
        (
            "publish",
            json!({"channel": "transient", "data": null, "tags": null}),
            json!({"result": {}}),
        ),
        (
            "subscribe",
            json!({"channel": "chat:1", "user": "42"}),
            json!({"result": {}}),
        ),
        (
            "unsubscribe",
            json!({"channel": "chat:1", "user": "42"}),
            json!({"result": {}}),
        ),
        ("disconnect", json!({"user": "42"}), json!({"result": {}})),
        (
            "presence",
            json!({"channel": "chat:1"}),
            json!({"result": {"presence": {"c1": {"user": "42", "client": "c1", "conn_info": {"a": 1}}}}}),
        ),
        (
            "presence_stats",
            json!({"channel": "chat:1"}),
            json!({"result": {"num_clients": 0, "num_users": 0}}),
        ),
        (
            "history",
            json!({"channel": "chat:1", "limit": 2, "since": {"offset": 1, "epoch": "e"}, "reverse": true}),
            json!({"result": {"epoch": "e", "offset": 9, "publications": [
                {"data": {"n": 1}, "offset": 3, "tags": {"k": "v"}},
                {"b64data": "AP8=", "offset": 9},
            ]}}),
        ),
        (
            "history_remove",
            json!({"channel": "chat:1"}),
            json!({"result": {}}),
        ),
        (
            "channels",
            json!({"pattern": "chat:*"}),
            json!({"result": {"channels": {"chat:1": {"num_clients": 2}}}}),
        ),
        (
            "info",
            json!({}),
            json!({"result": {"nodes": [{"uid": "u", "name": "", "version": "", "num_clients": 1, "num_users": 0,
                "num_channels": 0, "num_subs": 0}]}}),
        ),
        (
            "rpc",
            json!({"method": "m", "params": [2]}),
            json!({"result": {"data": [1]}}),
        ),
        (
            "refresh",
            json!({"user": "42"}),
            json!({"error": {"code": 108, "message": "not available"}}),
        ),
    ]
}

#[test]
fn every_method_is_answered_as_centrifugo_does() {
    let (server, recorder) = server();
    for (method, body, expected) in calls() {
        assert_eq!(call(&server, method, body.clone()), expected, "{method} {body}");
    }
    assert_eq!(
        recorder.take(),
        [
            r#"chat:1 b"{\"a\":1.5}" {}"#,
            r#"transient b"null" {}"#,
            r#"42 chat:1 b"" b"" None"#,
            "None",
            r#"UnsubscribeRequest { user: "42", channel: "chat:1", client: "", session: "" }"#,
            r#"42 None []"#,
            r#"chat:1 2 Some((1, "e")) true"#,
            "chat:1",
            "chat:*",
            r#"m Some("[2]")"#,
        ]
    );
    let without_a_body = server.client().post("/api/info").header("x-api-key", KEY).send();
    assert_eq!(
        without_a_body.expect(200).json::<Value>()["result"]["nodes"][0]["uid"],
        "u"
    );
}

#[test]
fn everything_that_may_be_said_arrives() {
    let (server, recorder) = server();
    call(
        &server,
        "publish",
        json!({"channel": "c", "data": "ignored", "b64data": "AP8=", "tags": {"a": "b"}}),
    );
    call(
        &server,
        "subscribe",
        json!({"channel": "c", "user": "42", "info": {"i": 1}, "b64data": "AP8=", "recover_since": {"offset": 5,
            "epoch": "x"}, "override": {"presence": {"value": false}}}),
    );
    call(
        &server,
        "disconnect",
        json!({"user": "42", "disconnect": {"code": 4500, "reason": "bye"}, "whitelist": ["c1"]}),
    );
    assert_eq!(
        recorder.take(),
        [
            r#"c b"\0\xff" {"a": "b"}"#,
            r#"42 c b"{\"i\":1}" b"\0\xff" Some(false)"#,
            r#"Some(Position { offset: 5, epoch: "x" })"#,
            r#"42 Some((4500, "bye")) ["c1"]"#,
        ]
    );
}

#[test]
fn errors_are_said_in_the_body_or_by_the_status_where_that_is_wanted() {
    let (server, _) = server();
    let bad = json!({"error": {"code": 107, "message": "bad request"}});
    for (method, body) in [
        ("publish", json!({"data": 1})),
        ("publish", json!({"channel": "c", "b64data": "*"})),
        ("broadcast", json!({"data": 1})),
        ("broadcast", json!({"channels": ["a", ""], "data": 1})),
        ("subscribe", json!({"user": "42"})),
        ("subscribe", json!({"channel": "c", "b64info": "*"})),
        ("unsubscribe", json!({})),
        ("presence", json!({})),
        ("presence_stats", json!({})),
        ("history", json!({})),
        ("history_remove", json!({})),
        ("rpc", json!({})),
    ] {
        assert_eq!(call(&server, method, body.clone()), bad, "{method} {body}");
    }
    let by_status = |method: &str, body: Value| {
        let client = server.client();
        let request = client.post(&format!("/api/{method}")).header("x-api-key", KEY);
        request
            .header("x-centrifugo-error-mode", "transport")
            .json(&body)
            .send()
    };
    let unknown = by_status("publish", json!({"channel": "unknown:1", "data": 1})).expect(404);
    assert_eq!(unknown.json::<Value>()["error"]["code"], 102);
    by_status("refresh", json!({})).expect(400);
    by_status("publish", json!({"channel": "c", "data": 1})).expect(200);
}

fn post(server: &TestServer, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let client = server.client();
    let request = client.post(path).body("application/json", body);
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(name, value))
        .send()
}

#[test]
fn only_a_key_lets_in() {
    let (server, recorder) = server();
    let good = r#"{"channel":"c","data":1}"#;
    for headers in [
        vec![("x-api-key", KEY)],
        vec![("x-api-key", OTHER_KEY)],
        vec![("authorization", "apikey the key of these tests")],
        vec![("authorization", "APIKEY the key of these tests")],
    ] {
        post(&server, "/api/publish", &headers, good).expect(200);
    }
    assert_eq!(recorder.take().len(), 4);
    for headers in [
        vec![],
        vec![("x-api-key", "")],
        vec![("x-api-key", "the key of these test")],
        vec![("x-api-key", "the key of these tests.")],
        vec![("authorization", "Bearer the key of these tests")],
        vec![("authorization", "apikey")],
        vec![
            ("x-api-key", "wrong"),
            ("authorization", "apikey the key of these tests"),
        ],
    ] {
        for path in [
            "/api/publish",
            "/api/nothing",
            "/api/publish?api_key=the%20key%20of%20these%20tests",
        ] {
            let answer = post(&server, path, &headers, good).expect(401);
            assert!(answer.body.is_empty());
        }
    }
    assert_eq!(recorder.take(), [""; 0], "nothing was asked");
    let logged = format!("{:?}", server.log_lines());
    assert!(!logged.contains(KEY) && !logged.contains(OTHER_KEY));
    server
        .client()
        .get("/api/publish")
        .header("x-api-key", KEY)
        .send()
        .expect(405);
    post(&server, "/api/nothing", &[("x-api-key", KEY)], "{}").expect(404);
}

#[test]
fn without_keys_nobody_may_and_short_keys_are_none() {
    let (server, _) = server_with(ApiConfig::default());
    post(&server, "/api/publish", &[("x-api-key", "")], "{}").expect(401);
    let keys = |key: String| ApiConfig {
        keys: vec![key.into()],
        ..ApiConfig::default()
    };
    assert!(server_api::router::<_, ()>(Recorder::default(), &keys("k".repeat(16))).is_ok());
    let error = server_api::router::<_, ()>(Recorder::default(), &keys("k".repeat(15)));
    assert_eq!(
        error.expect_err("short").to_string(),
        "a key of the API has at least 16 bytes"
    );
    assert!(!format!("{:?}", keys(KEY.into())).contains(KEY));
}

#[test]
fn a_broadcast_has_an_answer_for_each_channel() {
    let (server, recorder) = server();
    let answer = call(
        &server,
        "broadcast",
        json!({"channels": ["a", "unknown:1", "b"], "data": {}}),
    );
    assert_eq!(
        answer,
        json!({"result": {"responses": [
            {"result": {"offset": 7, "epoch": "e"}},
            {"error": {"code": 102, "message": "unknown channel"}},
            {"result": {"offset": 7, "epoch": "e"}},
        ]}})
    );
    assert_eq!(recorder.take().len(), 3);
    let many = |count: usize| {
        call(
            &server,
            "broadcast",
            json!({"channels": vec!["a"; count], "data": {}}),
        )
    };
    assert!(many(BROADCAST_CHANNELS_MAX)["result"].is_object());
    assert_eq!(many(BROADCAST_CHANNELS_MAX + 1)["error"]["code"], 107);
}

#[test]
fn a_batch_has_an_answer_for_each_command() {
    let (server, recorder) = server();
    let answer = call(
        &server,
        "batch",
        json!({"parallel": true, "commands": [
            {"publish": {"channel": "a", "data": {"z": 1, "a": 2}}},
            {"presence_stats": {"channel": "a"}},
            {"publish": {"data": 1}},
            {"sing": {}},
            {},
            {"batch": {"commands": []}},
        ]}),
    );
    let not_found = json!({"error": {"code": 104, "message": "not found"}});
    assert_eq!(
        answer,
        json!({"replies": [
            {"publish": {"offset": 7, "epoch": "e"}},
            {"presence_stats": {"num_clients": 0, "num_users": 0}},
            {"error": {"code": 107, "message": "bad request"}},
            not_found,
            not_found,
            not_found,
        ]})
    );
    assert_eq!(recorder.take(), [r#"a b"{\"a\":2,\"z\":1}" {}"#]);
    let many = |count: usize| {
        call(
            &server,
            "batch",
            json!({"commands": vec![json!({"info": {}}); count]}),
        )
    };
    assert_eq!(
        many(BATCH_COMMANDS_MAX)["replies"].as_array().map(Vec::len),
        Some(BATCH_COMMANDS_MAX)
    );
    assert_eq!(many(BATCH_COMMANDS_MAX + 1)["error"]["code"], 107);
}

#[test]
fn what_is_no_json_and_what_is_too_much_is_refused() {
    let (server, recorder) = server_with(ApiConfig {
        keys: vec![KEY.into()],
        body_bytes_max: 64,
    });
    let key = [("x-api-key", KEY)];
    for body in ["{", "[]", "1", "{\"channel\":1}", "\"\"", "{}x"] {
        post(&server, "/api/publish", &key, body).expect(400);
    }
    let of = |bytes: usize| {
        let start = r#"{"channel":"c","data":""#;
        format!("{start}{}\"}}", "x".repeat(bytes - start.len() - 2))
    };
    post(&server, "/api/publish", &key, &of(64)).expect(200);
    post(&server, "/api/publish", &key, &of(65)).expect(413);
    assert_eq!(recorder.take().len(), 1);
}
