//! What JetStream says of a message that it delivers: where it is in the stream and in the consumer.

/// Read from a delivered message's reply subject.
///
/// `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>`, or the same with a domain and an
/// account's hash after `ACK` and perhaps more at the end (ADR-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) stream_sequence: u64,
    /// Counts what this consumer delivered, from 1.
    pub(crate) consumer_sequence: u64,
    /// When the stream took the message, in nanoseconds since 1970. All replicas have the same.
    pub(crate) at_ns: u64,
}

impl Delivered {
    pub(crate) fn parse(reply: &str) -> Option<Self> {
        let rest = reply.strip_prefix("$JS.ACK.")?;
        let mut tokens = [""; 10];
        let mut count = 0;
        for token in rest.split('.') {
            if count == tokens.len() {
                break;
            }
            tokens[count] = token;
            count += 1;
        }
        let skip = match count {
            7 => 0,
            9 | 10 => 2,
            _ => return None,
        };
        let number = |nth: usize| tokens[skip + nth].parse().ok();
        Some(Self {
            stream_sequence: number(3)?,
            consumer_sequence: number(4)?,
            at_ns: number(5)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_reply_subject() {
        let expected = Some(Delivered {
            stream_sequence: 20,
            consumer_sequence: 7,
            at_ns: 1_700_000_000_000_000_001,
        });
        for good in [
            "$JS.ACK.S.c.1.20.7.1700000000000000001.3",
            "$JS.ACK.hub.ACCOUNT.S.c.1.20.7.1700000000000000001.3",
            "$JS.ACK._.ACCOUNT.S.c.1.20.7.1700000000000000001.3.random",
            "$JS.ACK._.ACCOUNT.S.c.1.20.7.1700000000000000001.3.random.more",
        ] {
            assert_eq!(Delivered::parse(good), expected, "{good}");
        }
        for bad in [
            "",
            "$JS.ACK.",
            "$JS.ACK.S.c.1.20.7.17",
            "$JS.ACK.S.c.1.x.7.17.3",
            "$JS.ACK.S.c.1.20.7.17.3.8",
            "$JS.FC.S.c.1.20.7.17.3",
        ] {
            assert_eq!(Delivered::parse(bad), None, "{bad}");
        }
    }
}
