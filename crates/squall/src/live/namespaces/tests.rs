//! Namespaces as configuration has them.

use squall_hub::{Hub, HubConfig, Policy, Retention};

use super::{
    Ability, DataFormat, NAMESPACE_BYTES_MAX, NAMESPACES_MAX, NamespaceOptions, Namespaces, NamespacesConfig,
    NoNamespace, RecoveryMode, Slow, Who,
};

fn config(toml: &str) -> NamespacesConfig {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"))
}

fn namespaces(toml: &str) -> Namespaces {
    Namespaces::new(config(toml)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn everything_can_be_configured() {
    let namespaces = namespaces(
        r#"
        [default]
        subscribe = ["client", "anonymous"]
        [namespaces.chat]
        history_messages = 100
        history_bytes = 1048576
        history_age_s = 600
        recovery = "force"
        recovery_mode = "cache"
        positioning = "allow"
        presence = true
        join_leave = true
        force_push_join_leave = true
        subscribe = ["client"]
        publish = ["subscriber"]
        presence_for = ["subscriber"]
        history_for = ["client", "subscriber", "anonymous"]
        user_limited = true
        slow = "latest"
        delta = true
        tags_filter = true
        message_bytes_max = 1000
        data = "json_object"
        "#,
    );
    let expected = NamespaceOptions {
        history_messages: 100,
        history_bytes: 1 << 20,
        history_age_s: 600,
        recovery: Ability::Force,
        recovery_mode: RecoveryMode::Cache,
        positioning: Ability::Allow,
        presence: true,
        join_leave: true,
        force_push_join_leave: true,
        subscribe: Who::CLIENT,
        publish: Who::SUBSCRIBER,
        presence_for: Who::SUBSCRIBER,
        history_for: Who::ANYONE,
        user_limited: true,
        slow: Slow::Latest,
        delta: true,
        tags_filter: true,
        message_bytes_max: 1000,
        data: DataFormat::JsonObject,
    };
    let chat = namespaces.channel("chat:1").expect("known");
    assert_eq!(**chat.options(), expected);
    assert_eq!(Policy::from(chat.options().slow), Policy::Latest);
    assert!(
        namespaces
            .channel("lobby")
            .expect("the default")
            .may_subscribe("")
    );
    let retention = Retention {
        messages_max: 100,
        bytes_max: 1 << 20,
        age_ms_max: 600_000,
    };
    assert_eq!(
        namespaces.retentions(),
        (
            Retention::NONE,
            vec![("chat:".into(), retention), ("$chat:".into(), retention)]
        )
    );
}

#[test]
fn a_name_leads_to_its_namespace() {
    let namespaces = namespaces("[default]\ndelta = true\n[namespaces.chat]\n[namespaces.a-b]\n");
    let is_default = |name: &str| namespaces.channel(name).map(|channel| channel.options().delta);
    for name in ["lobby", "chat", "$lobby", ":", ":chat", "#chat", ""] {
        assert_eq!(is_default(name), Ok(true), "{name}");
    }
    for name in ["chat:", "chat:1", "chat:1:2", "$chat:1", "a-b:x"] {
        assert_eq!(is_default(name), Ok(false), "{name}");
    }
    for name in ["news:1", "Chat:1", "$news:1", "$$chat:1", " chat:1"] {
        assert_eq!(is_default(name), Err(NoNamespace), "{name}");
    }
}

#[test]
fn nobody_may_do_anything_as_it_comes() {
    let namespaces = namespaces("[namespaces.chat]\n");
    for name in ["lobby", "chat:1", "$chat:1", "chat:1#42"] {
        let channel = namespaces.channel(name).expect("known");
        assert!(
            !channel.may_subscribe("42") && !channel.may_publish("42", true),
            "{name}"
        );
        assert!(
            !channel.may_see_presence("42", true) && !channel.may_read_history("42", true),
            "{name}"
        );
        assert_eq!(channel.recovers("42", true, true), (false, false), "{name}");
        assert!(!channel.pushes_join_leave("42", true), "{name}");
    }
}

#[test]
fn private_channels_are_for_tokens_and_limited_ones_for_their_users() {
    let namespaces = namespaces(
        "[namespaces.open]\nsubscribe = [\"client\", \"anonymous\"]\n\
         [namespaces.dialog]\nuser_limited = true\nsubscribe = [\"client\", \"anonymous\"]\n",
    );
    let may = |name: &str, user: &str| namespaces.channel(name).expect("known").may_subscribe(user);
    assert!(may("open:1", "42") && may("open:1", ""));
    assert!(!may("$open:1", "42"));
    assert!(namespaces.channel("$open:1").expect("known").is_private());
    assert!(may("open:1#42", "7"), "not limited here");

    assert!(may("dialog:1#42,43", "42") && may("dialog:1#42,43", "43"));
    assert!(!may("dialog:1#42,43", "4") && !may("dialog:1#42,43", "42,43"));
    assert!(
        !may("dialog:#", "") && !may("dialog:1#42,", ""),
        "nobody in particular is no user"
    );
    assert!(
        may("dialog:a#b#42", "42") && !may("dialog:a#b#42", "b"),
        "the last one counts"
    );
    assert!(!may("$dialog:1#42", "42"), "private all the same");
    assert!(may("dialog:1", "7"), "without users it is as any other");
}

#[test]
fn who_is_whom() {
    let cases = [
        (Who::default(), [false, false, false, false]),
        (Who::CLIENT, [true, true, false, false]),
        (Who::SUBSCRIBER, [false, true, false, false]),
        (Who::ANYONE, [true, true, true, true]),
        (
            Who {
                anonymous: true,
                ..Who::default()
            },
            [false, false, false, false],
        ),
        (
            Who {
                anonymous: true,
                ..Who::SUBSCRIBER
            },
            [false, true, false, true],
        ),
    ];
    for (who, expected) in cases {
        let found = [("42", false), ("42", true), ("", false), ("", true)];
        assert_eq!(
            found.map(|(user, subscribed)| who.includes(user, subscribed)),
            expected,
            "{who:?}"
        );
    }
}

#[test]
fn recovery_and_positions_are_off_allowed_or_forced() {
    let of = |toml: &str, asked_recovery, asked_position| {
        let toml = format!("[default]\nhistory_messages = 10\n{toml}");
        let namespaces = namespaces(&toml);
        namespaces
            .channel("a")
            .expect("known")
            .recovers("42", asked_recovery, asked_position)
    };
    assert_eq!(of("", true, true), (false, false));
    assert_eq!(of("recovery = \"allow\"", true, false), (true, true));
    assert_eq!(of("recovery = \"allow\"", false, false), (false, false));
    assert_eq!(of("recovery = \"force\"", false, false), (true, true));
    assert_eq!(of("positioning = \"allow\"", false, true), (false, true));
    assert_eq!(of("positioning = \"force\"", true, false), (false, true));
    assert_eq!(
        of("history_for = [\"subscriber\"]", true, false),
        (true, true),
        "it may read it anyway"
    );
}

#[test]
fn data_is_looked_at() {
    use DataFormat::{Any, Binary, Json, JsonObject};
    let cases: [(&[u8], [bool; 4]); 5] = [
        (b"", [false, false, false, true]),
        (b"\xff", [true, false, false, true]),
        (b"[1]", [true, true, false, true]),
        (b" {\"a\":1}", [true, true, true, true]),
        (b"{\"a\":1}x", [true, false, false, true]),
    ];
    for (data, expected) in cases {
        assert_eq!(
            [Any, Json, JsonObject, Binary].map(|format| format.allows(data)),
            expected,
            "{data:?}"
        );
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let error = |toml: &str| {
        Namespaces::new(config(toml))
            .map(drop)
            .expect_err("no good")
            .to_string()
    };
    let cases = [
        (
            "[default]\nrecovery = \"allow\"",
            "default: recovery and history_for need history_messages",
        ),
        (
            "[namespaces.a]\nhistory_for = [\"client\"]",
            "namespaces.a: recovery and history_for need history_messages",
        ),
        (
            "[namespaces.a]\nhistory_messages = 1\nhistory_age_s = 0",
            "namespaces.a: a history needs history_bytes and history_age_s",
        ),
        (
            "[namespaces.a]\njoin_leave = true",
            "namespaces.a: join_leave needs presence",
        ),
        (
            "[namespaces.a]\nforce_push_join_leave = true",
            "namespaces.a: force_push_join_leave needs join_leave",
        ),
        (
            "[namespaces.a]\npresence_for = [\"client\"]",
            "namespaces.a: presence_for needs presence",
        ),
        (
            "[namespaces.\"a:b\"]",
            "namespaces.a:b: a name is 1 to 64 of letters, digits, _, - and .",
        ),
        (
            "[namespaces.\"\"]",
            "namespaces.: a name is 1 to 64 of letters, digits, _, - and .",
        ),
    ];
    for (toml, expected) in cases {
        assert_eq!(error(toml), expected);
    }
    for wrong in [
        "[default]\nhistory = 1",
        "[default]\nslow = \"fast\"",
        "[default]\npublish = [\"all\"]",
        "[other]",
    ] {
        assert!(toml::from_str::<NamespacesConfig>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn names_and_their_number_are_bounded() {
    let named = |name: String| NamespacesConfig {
        namespaces: [(name, NamespaceOptions::default())].into(),
        ..NamespacesConfig::default()
    };
    assert!(Namespaces::new(named("n".repeat(NAMESPACE_BYTES_MAX))).is_ok());
    assert!(Namespaces::new(named("n".repeat(NAMESPACE_BYTES_MAX + 1))).is_err());
    let many = |count: usize| NamespacesConfig {
        namespaces: (0..count)
            .map(|number| (number.to_string(), NamespaceOptions::default()))
            .collect(),
        ..NamespacesConfig::default()
    };
    assert!(Namespaces::new(many(NAMESPACES_MAX)).is_ok());
    assert!(Namespaces::new(many(NAMESPACES_MAX + 1)).is_err());
}

#[test]
fn they_are_replaced_while_everybody_goes_on() {
    let namespaces = namespaces("[namespaces.chat]\nhistory_messages = 400\n");
    let hub = Hub::new(HubConfig::default());
    namespaces.apply(&hub);
    for number in 0..500 {
        let published = hub.publish("chat:1", number.to_string(), 0).ready();
        published.expect("at once").expect("published");
    }
    assert_eq!(hub.topic_counts("chat:1").messages, 400);

    let clone = namespaces.clone();
    let before = namespaces.channel("chat:1").expect("known");
    namespaces
        .replace(config(
            "[namespaces.chat]\nhistory_messages = 200\npresence = true\n",
        ))
        .expect("good");
    namespaces.apply(&hub);
    assert_eq!(hub.topic_counts("chat:1").messages, 200);
    assert!(
        !before.options().presence,
        "whoever asked before keeps what counted then"
    );
    assert!(clone.channel("chat:1").expect("known").options().presence);

    let wrong = config("[namespaces.chat]\njoin_leave = true\n");
    assert!(namespaces.replace(wrong).is_err());
    assert!(
        namespaces.channel("chat:1").expect("known").options().presence,
        "nothing has changed"
    );
}
