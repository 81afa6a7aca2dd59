use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn json(text: &str) -> Result<Vec<Command>, Malformed> {
    decode_commands(Form::Json, text.as_bytes())
}

fn written<T: Message + Serialize>(form: Form, message: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(form, message, &mut out);
    out
}

fn text<T: Message + Serialize>(message: &T) -> String {
    String::from_utf8(written(Form::Json, message)).unwrap()
}

#[test]
fn what_the_javascript_client_sends_is_read() {
    let frame = concat!(
        r#"{"id":1,"connect":{"token":"t","data":{"a": 1},"name":"js","subs":{"n":{"recover":true,"offset":7,"epoch":"e"}}}}"#,
        "\n",
        r#"{"id":2,"subscribe":{"channel":"c","flag":1,"recover":true,"epoch":"e","tf":{"key":"k","cmp":"eq","val":"v"}}}"#,
        "\n",
        r#"{"id":3,"history":{"channel":"c","since":{"offset":3,"epoch":"e"},"limit":-1,"reverse":true}}"#,
        "\n{}"
    );
    let commands = json(frame).unwrap();
    let connect = commands[0].connect.as_ref().unwrap();
    assert_eq!(
        (connect.token.as_str(), &connect.data[..]),
        ("t", &br#"{"a": 1}"#[..])
    );
    assert_eq!(connect.subs["n"].offset, 7);
    let subscribe = commands[1].subscribe.as_ref().unwrap();
    assert!(subscribe.recover && subscribe.flag == 1);
    assert_eq!(subscribe.tf.as_ref().unwrap().val, "v");
    let history = commands[2].history.as_ref().unwrap();
    assert_eq!((history.limit, history.reverse), (-1, true));
    assert_eq!(commands[3], Command::default());
}

#[test]
fn what_is_no_frame_of_json_is_refused() {
    for bad in [
        "",
        "\n",
        "{}\n\n{}",
        "[]",
        "{} {}",
        "{\"id\":-1}",
        "{\"id\":4294967296}",
        "{\"id\":1,\"publish\":{\"channel\":\"c\",\"data\":{\"a\":}}}",
        "{\"id\":1,\"id\":2}",
        "{\"id\":1,\"connect\":7}",
    ] {
        assert_eq!(json(bad), Err(Malformed), "{bad:?}");
    }
    assert_eq!(json("{}\n").unwrap().len(), 1, "one line break may come last");
    // Too deep for any reader.
    let deep = format!(
        "{{\"subscribe\":{{\"tf\":{}{}}}}}",
        "{\"nodes\":[".repeat(200),
        "]}".repeat(200)
    );
    assert_eq!(json(&deep), Err(Malformed));
}

#[test]
fn a_frame_has_so_many_commands_at_most() {
    for (form, one) in [(Form::Json, &b"{}\n"[..]), (Form::Protobuf, &b"\0"[..])] {
        assert_eq!(
            decode_commands(form, &one.repeat(COMMANDS_MAX)).unwrap().len(),
            COMMANDS_MAX
        );
        assert_eq!(
            decode_commands(form, &one.repeat(COMMANDS_MAX + 1)),
            Err(Malformed)
        );
    }
}

#[test]
fn protobuf_is_length_and_fields_by_number() {
    // {id: 1, connect: {token: "t", name: "js"}} and a pong.
    let frame = b"\x0b\x08\x01\x22\x07\x0a\x01t\x22\x02js\x00";
    let commands = decode_commands(Form::Protobuf, frame).unwrap();
    assert_eq!(commands.len(), 2);
    assert_eq!(commands[0].id, 1);
    assert_eq!(commands[0].connect.as_ref().unwrap().name, "js");
    assert_eq!(commands[1], Command::default());
    assert_eq!(written(Form::Protobuf, &commands[0]), frame[..12]);
    for cut in 1..12 {
        assert!(
            decode_commands(Form::Protobuf, &frame[..cut]).is_err(),
            "cut at {cut}"
        );
    }
}

#[test]
fn replies_are_what_clients_expect() {
    let connect = Reply {
        id: 1,
        connect: Some(ConnectResult {
            client: "c".into(),
            ping: 25,
            pong: true,
            data: Bytes::from_static(b"{\n}"),
            ..ConnectResult::default()
        }),
        ..Reply::default()
    };
    assert_eq!(
        text(&connect),
        r#"{"id":1,"connect":{"client":"c","data":{},"ping":25,"pong":true}}"#
    );
    let subscribed = Reply {
        id: 2,
        subscribe: Some(SubscribeResult::default()),
        ..Reply::default()
    };
    assert_eq!(text(&subscribed), r#"{"id":2,"subscribe":{}}"#);
    assert_eq!(written(Form::Protobuf, &subscribed), b"\x04\x08\x02\x32\x00");
    let push = Push {
        channel: "c".into(),
        publication: Some(Publication {
            data: Bytes::from_static(b"1"),
            offset: 9,
            ..Publication::default()
        }),
        ..Push::default()
    };
    assert_eq!(text(&push), r#"{"channel":"c","pub":{"data":1,"offset":9}}"#);
    assert_eq!(
        written(Form::Protobuf, &push),
        b"\x0a\x12\x01c\x22\x05\x22\x011\x30\x09"
    );
    assert_eq!(text(&Reply::default()), "{}");
    assert_eq!(written(Form::Protobuf, &Reply::default()), b"\0");
}

#[test]
fn emulated_commands_are_text_in_json_and_bytes_in_protobuf() {
    let request: EmulationRequest =
        decode_json(br#"{"session":"s","node":"n","data":"{\"id\":1}"}"#).unwrap();
    assert_eq!(&request.data[..], br#"{"id":1}"#);
    let bytes = b"\x0a\x01n\x12\x01s\x1a\x02\x01\x00";
    assert_eq!(EmulationRequest::decode(&bytes[..]).unwrap().data, &b"\x01\0"[..]);
}

fn json_data() -> impl Strategy<Value = Bytes> {
    prop_oneof![Just(""), Just("1"), Just("{\"a\":[true,null]}"), Just("\"\\n\"")].prop_map(Bytes::from)
}

prop_compose! {
    fn any_command()(
        id in any::<u32>(), which in 0..6, name in ".{0,9}", other in ".{0,9}", data in json_data(),
        flag in any::<bool>(), offset in any::<u64>(), limit in any::<i32>(),
    ) -> Command {
        let mut command = Command { id, ..Command::default() };
        let request = SubscribeRequest {
            channel: name.clone(), token: other.clone(), recover: flag, epoch: other.clone(), offset,
            data: data.clone(), ..SubscribeRequest::default()
        };
        match which {
            0 => command.connect = Some(ConnectRequest {
                token: name.clone(), data, subs: [(name.clone(), request)].into(),
                headers: [(other.clone(), name)].into(), ..ConnectRequest::default()
            }),
            1 => command.subscribe = Some(request),
            2 => command.publish = Some(PublishRequest { channel: name, data, kind: 0 }),
            3 => command.history = Some(HistoryRequest {
                channel: name, limit, since: flag.then_some(StreamPosition { offset, epoch: other }), reverse: flag,
            }),
            4 => command.rpc = Some(RpcRequest { data, method: name }),
            _ => command.ping = Some(Empty {}),
        }
        command
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(commands in proptest::collection::vec(any_command(), 1..5)) {
        let mut lines = Vec::new();
        let mut delimited = Vec::new();
        for command in &commands {
            encode(Form::Json, command, &mut lines);
            lines.push(b'\n');
            encode(Form::Protobuf, command, &mut delimited);
        }
        prop_assert_eq!(decode_commands(Form::Json, &lines), Ok(commands.clone()));
        prop_assert_eq!(decode_commands(Form::Protobuf, &delimited), Ok(commands));
    }

    #[test]
    fn nothing_that_comes_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_commands(Form::Json, &bytes);
        let _ = decode_commands(Form::Protobuf, &bytes);
    }
}
