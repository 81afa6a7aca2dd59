//! A server of sessions, for clients of other hands: `tests/sdk` runs Centrifugo's SDKs against it.
//!
//! Who somebody is, is the token's text: `alice`; `alice/3` for three seconds, to be refreshed; `alice+news` with a
//! subscription by the server. Channels are named for what they are: `secret:`, `plain:`, `cache:`, `token:`.
//!
//! `e2e-sessions [--calm] [SECRET]`: with `--calm` the usual pings; with a secret it wants tokens in earnest, and has the
//! namespaces `chat` and `private`.

use std::time::Duration;

use squall::live::namespaces::{Ability, NamespaceOptions, Namespaces, NamespacesConfig, Who};
use squall::live::server_api::{self, ApiConfig};
use squall::live::session::{
    ChannelAsk, ConnectAsk, Connected, Deny, Disconnect, Gone, MessageAsk, PublishAsk, PublishOptions,
    Recovery, RefreshAsk, Refreshed, RpcAsk, SessionConfig, SessionError, SessionPolicy, Sessions,
    SubRefreshAsk, SubscribeAsk, SubscribeOptions, TokenPolicy,
};
use squall::live::token::{TokenConfig, Verifier};
use squall::live::{self, Hub, HubConfig, Live, Retention};
use squall::web::body::Bytes;
use squall::web::extract::{Path, State};
use squall::web::routing::post;
use squall::web::{Router, now_ms};

struct Rules {
    hub: Hub,
}

impl SessionPolicy for Rules {
    async fn connect(&self, ask: ConnectAsk) -> Result<Connected, Deny> {
        // Not in place: so every session's beginning is awaited by somebody.
        tokio::task::yield_now().await;
        let token = ask.token.to_string();
        match token.as_str() {
            "" => return Ok(Connected::anonymous()),
            "expired" => return Err(SessionError::TOKEN_EXPIRED.into()),
            "bad" => return Err(Disconnect::INVALID_TOKEN.into()),
            "late" => tokio::time::sleep(Duration::from_secs(60)).await,
            _ => {}
        }
        let (user, channel) = token.split_once('+').unwrap_or((&token, ""));
        let (user, seconds) = user.split_once('/').unwrap_or((user, ""));
        let mut connected = Connected {
            info: format!("{{\"name\":\"{user}\"}}").into(),
            data: Bytes::from_static(b"{\"hello\":true}"),
            expires_at_s: seconds.parse().ok().map(from_now),
            client_refresh: !seconds.is_empty(),
            ..Connected::user(user)
        };
        if !channel.is_empty() {
            connected
                .subscriptions
                .push((channel.to_owned(), SubscribeOptions::recoverable()));
        }
        Ok(connected)
    }

    async fn subscribe(&self, ask: SubscribeAsk) -> Result<SubscribeOptions, Deny> {
        let (kind, _) = ask.channel.split_once(':').unwrap_or(("", ""));
        let options = SubscribeOptions {
            presence: true,
            join_leave: ask.join_leave,
            tags_filter: true,
            delta: true,
            info: Bytes::from_static(b"{\"here\":1}"),
            data: Bytes::from_static(b"{\"welcome\":1}"),
            ..SubscribeOptions::recoverable()
        };
        match kind {
            "secret" => Err(Deny::permission()),
            "plain" => Ok(SubscribeOptions::plain()),
            "cache" => Ok(SubscribeOptions {
                recovery: Recovery::Cache,
                ..options
            }),
            "token" if *ask.token != *format!("may {}", ask.channel) => {
                Err(SessionError::TOKEN_EXPIRED.into())
            }
            "token" => Ok(SubscribeOptions {
                expires_at_s: Some(from_now(2)),
                client_refresh: true,
                ..options
            }),
            _ => Ok(options),
        }
    }

    async fn publish(&self, ask: PublishAsk) -> Result<PublishOptions, Deny> {
        if ask.channel.starts_with("secret:") {
            return Err(Deny::permission());
        }
        let tags = match ask.channel.starts_with("tagged:") {
            true => vec![("size".to_owned(), ask.data.len().to_string())],
            false => Vec::new(),
        };
        Ok(PublishOptions {
            tags,
            ..PublishOptions::default()
        })
    }

    async fn presence(&self, _: ChannelAsk) -> Result<(), Deny> {
        Ok(())
    }

    async fn history(&self, ask: ChannelAsk) -> Result<(), Deny> {
        if ask.channel.starts_with("secret:") {
            return Err(Deny::permission());
        }
        Ok(())
    }

    async fn rpc(&self, ask: RpcAsk) -> Result<Bytes, Deny> {
        match ask.method.as_str() {
            "echo" => Ok(ask.data),
            "slow" => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(ask.data)
            }
            "whoami" => Ok(format!("\"{}\"", ask.caller.user).into()),
            "panic" => panic!("the application's own fault"),
            "leave" => Err(Disconnect::new(4500, "as you wish").into()),
            "fail" => Err(SessionError::new(1_000, "it failed").into()),
            _ => Err(SessionError::METHOD_NOT_FOUND.into()),
        }
    }

    async fn message(&self, ask: MessageAsk) -> Result<(), Disconnect> {
        self.say("heard", ask.data);
        Ok(())
    }

    async fn refresh(&self, ask: RefreshAsk) -> Result<Refreshed, Deny> {
        match &*ask.token {
            "again" => Ok(Refreshed {
                expires_at_s: Some(from_now(3_600)),
                info: None,
            }),
            _ => Err(Disconnect::INVALID_TOKEN.into()),
        }
    }

    async fn sub_refresh(&self, ask: SubRefreshAsk) -> Result<Refreshed, Deny> {
        match *ask.token == *format!("may {}", ask.channel) {
            true => Ok(Refreshed {
                expires_at_s: Some(from_now(3_600)),
                info: None,
            }),
            false => Err(Deny::permission()),
        }
    }

    async fn disconnected(&self, ask: Gone) {
        let text = format!(
            "{{\"user\":\"{}\",\"code\":{},\"channels\":{}}}",
            ask.caller.user,
            ask.disconnect.code,
            ask.channels.len()
        );
        self.say("gone", text);
    }
}

impl Rules {
    fn say(&self, channel: &str, data: impl Into<Bytes>) {
        self.hub.publish(channel, data, now_ms()).ready();
    }
}

fn from_now(seconds: u64) -> u64 {
    now_ms() / 1_000 + seconds
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::new(HubConfig {
        epoch: live::new_epoch(),
        // So that a test can make the log forget.
        namespaces: vec![(
            "short:".to_owned(),
            Retention {
                messages_max: 0,
                bytes_max: 1_000,
                age_ms_max: 3_600_000,
            },
        )],
        ..HubConfig::default()
    });
    let live = Live::sessions(hub.clone());
    let mut args = std::env::args().skip(1).peekable();
    let config = match args.next_if(|arg| arg == "--calm") {
        Some(_) => SessionConfig::default(),
        None => SessionConfig {
            ping_interval_s: 1,
            pong_timeout_s: 0,
            connect_timeout_s: 2,
            ..SessionConfig::default()
        },
    };
    let secret = args.next();
    let sessions = match secret {
        Some(secret) => Sessions::with_config(&live, config, by_tokens(&hub, secret)?),
        None => Sessions::with_config(&live, config, Rules { hub: hub.clone() }),
    };
    let api = ApiConfig {
        keys: vec!["the key of the tests".into()],
        ..ApiConfig::default()
    };
    let router = Router::new()
        .nest("/api", server_api::router(sessions.clone(), &api)?)
        .route("/publish/{channel}", post(publish))
        .with_state(hub)
        .merge(sessions.router());
    squall::Server::new(router)
        .bind("127.0.0.1:0")
        .cores(2)
        .live(&live)
        .run_with(|server| {
            let addr = server.local_addr().expect("it listens on TCP");
            #[expect(clippy::print_stdout, reason = "the tests read the address here")]
            {
                println!("listening on {addr}");
            }
        })?;
    Ok(())
}

/// Tokens with this secret, and a namespace `chat` in which everything is allowed.
fn by_tokens(hub: &Hub, secret: String) -> Result<TokenPolicy, Box<dyn std::error::Error>> {
    let tokens = TokenConfig {
        hmac_secret: secret.into(),
        ..TokenConfig::default()
    };
    let chat = NamespaceOptions {
        history_messages: 100,
        recovery: Ability::Force,
        presence: true,
        join_leave: true,
        subscribe: Who::CLIENT,
        publish: Who::SUBSCRIBER,
        presence_for: Who::SUBSCRIBER,
        history_for: Who::SUBSCRIBER,
        delta: true,
        ..NamespaceOptions::default()
    };
    let private = NamespaceOptions {
        publish: Who::SUBSCRIBER,
        ..NamespaceOptions::default()
    };
    let namespaces = Namespaces::new(NamespacesConfig {
        namespaces: [("chat".to_owned(), chat), ("private".to_owned(), private)].into(),
        ..NamespacesConfig::default()
    })?;
    namespaces.apply(hub);
    Ok(TokenPolicy::new(Verifier::new(&tokens)?, namespaces))
}

async fn publish(State(hub): State<Hub>, Path(channel): Path<String>, data: Bytes) -> String {
    hub.publish(&channel, data, now_ms())
        .await
        .map_or_else(|error| error.to_string(), |cursor| cursor.to_string())
}
