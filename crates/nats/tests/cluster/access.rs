//! Who is let in, and with what.

use squall_nats::{Auth, NatsConfig, Node, StartError};

use crate::reader::{node, publish, soon};
use crate::servers::Cluster;

async fn is_denied(config: NatsConfig) {
    let refused = soon(Node::start(config, Default::default())).await;
    let Err(error @ StartError::Denied(_)) = refused else {
        panic!("{refused:?}");
    };
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_and_may_stand_in_the_address() {
    let cluster = Cluster::start_with(1, "authorization { user: ann, password: \"hunter2\" }");
    let config = cluster.config("password");
    is_denied(config.clone()).await;
    let auth = |password: &str| Auth::Password {
        user: "ann".into(),
        password: password.into(),
    };
    is_denied(NatsConfig {
        auth: auth("hunter3"),
        ..config.clone()
    })
    .await;
    let (hub, _node) = node(NatsConfig {
        auth: auth("hunter2"),
        ..config.clone()
    })
    .await;
    publish(&hub, "t", "in").await;
    let address = config.servers[0].replace("nats://", "nats://ann:hunter2@");
    let (hub, _node) = node(NatsConfig {
        servers: vec![address],
        ..config
    })
    .await;
    assert_eq!(hub.history("t", 9).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for() {
    let cluster = Cluster::start_with(1, "authorization { token: \"hunter2\" }");
    let config = cluster.config("token");
    is_denied(config.clone()).await;
    let auth = Auth::Token("hunter2".into());
    let (hub, _node) = node(NatsConfig { auth, ..config }).await;
    publish(&hub, "t", "in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_nkey_signs_what_the_server_asks() {
    // A pair made for this test.
    const SEED: &str = "SUAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB6IC5CQ";
    const PUBLIC: &str = "UB43KVROR7TFJ6KAPCYRF2FJROTZAH4FHLTJLPWX4DRZCC5NASLGJBFE";
    let cluster = Cluster::start_with(1, &format!("authorization {{ users: [{{ nkey: {PUBLIC} }}] }}"));
    let config = cluster.config("nkey");
    is_denied(config.clone()).await;
    let auth = Auth::Nkey(SEED.into());
    let (hub, _node) = node(NatsConfig { auth, ..config }).await;
    publish(&hub, "t", "in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_the_guide_lists_are_enough() {
    let rights = r#"authorization { users: [{ user: ann, password: "hunter2", permissions: {
        publish: ["rights.>", "$JS.API.STREAM.INFO.RIGHTS", "$JS.API.STREAM.CREATE.RIGHTS",
                  "$JS.API.STREAM.UPDATE.RIGHTS", "$JS.API.CONSUMER.CREATE.RIGHTS.>",
                  "$JS.API.CONSUMER.DELETE.RIGHTS.>", "$JS.FC.RIGHTS.>"],
        subscribe: ["_INBOX.>", "rights.p.>"] } }] }"#;
    let cluster = Cluster::start_with(1, rights);
    let auth = Auth::Password {
        user: "ann".into(),
        password: "hunter2".into(),
    };
    let (hub, node) = node(NatsConfig {
        auth,
        ..cluster.config("rights")
    })
    .await;
    for n in 0..100 {
        publish(&hub, "t", format!("{n}")).await;
    }
    assert_eq!(node.status().last_error, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_said_in_time() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let config = NatsConfig {
        servers: vec![format!("nats://{}", nobody.local_addr().expect("bound"))],
        connect_timeout_ms: 100,
        start_timeout_ms: 400,
        ..NatsConfig::default()
    };
    let refused = soon(Node::start(config, Default::default())).await;
    assert!(
        refused.as_ref().is_err_and(StartError::is_temporary),
        "{refused:?}"
    );
    let nothing = soon(Node::start(NatsConfig::default(), Default::default())).await;
    assert!(matches!(nothing, Err(StartError::Config(_))), "{nothing:?}");
}
