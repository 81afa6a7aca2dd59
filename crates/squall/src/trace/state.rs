//! The field `tracestate` (W3C Trace Context, section 3.3).

/// Members of a list (section 3.3.1.1); a list with more is not right.
pub const STATE_MEMBERS_MAX: usize = 32;

/// Bytes that are passed on: what the specification demands at least (section 3.3.1.5).
pub const STATE_BYTES_MAX: usize = 512;

/// Members longer than this are the first to go when the whole is too long (section 3.3.1.5).
const LONG_MEMBER_BYTES: usize = 128;

/// Bytes of a field that is looked at: 32 members of the longest kind are longer, and nobody has them.
const INPUT_BYTES_MAX: usize = 8 * 1024;

/// What the programs of a trace keep in it, each under its own key, the newest first. Passed on as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceState(String);

impl TraceState {
    /// The lines of the field as one list; empty if the list is not right.
    pub(super) fn of<'v>(lines: impl Iterator<Item = &'v [u8]>) -> Self {
        let mut members: Vec<&str> = Vec::new();
        let mut bytes = 0;
        for line in lines {
            bytes += line.len();
            let Some(line) = str::from_utf8(line).ok().filter(|_| bytes <= INPUT_BYTES_MAX) else {
                return Self::default();
            };
            // Empty members are allowed, and left out.
            let blank = [' ', '\t'];
            let in_line = line.split(',').map(|member| member.trim_matches(blank));
            members.extend(in_line.filter(|member| !member.is_empty()));
        }
        let right = members.len() <= STATE_MEMBERS_MAX
            && members.iter().enumerate().all(|(at, member)| {
                let key = key(member);
                key.is_some() && members[..at].iter().all(|other| other.split('=').next() != key)
            });
        if !right {
            return Self::default();
        }
        let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>();
        if length(&members) > STATE_BYTES_MAX + 1 {
            members.retain(|member| member.len() <= LONG_MEMBER_BYTES);
        }
        while length(&members) > STATE_BYTES_MAX + 1 {
            members.pop();
        }
        Self(members.join(","))
    }

    /// As it stands in the field; empty if there is none.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept under this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let pairs = self.0.split(',').filter_map(|member| member.split_once('='));
        pairs
            .into_iter()
            .find_map(|(name, value)| (name == key).then_some(value))
    }
}

/// The key of a member `key=value`; `None` if one of them is not right (sections 3.3.1.3.1 and 3.3.1.3.2).
fn key(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    let printable = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b',' && byte != b'=';
    let value_right =
        (1..=256).contains(&value.len()) && value.bytes().all(printable) && !value.ends_with(' ');
    let rest = |text: &[u8]| {
        let plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
        text.iter().all(plain)
    };
    let key_right = match key.as_bytes().split(|byte| *byte == b'@').collect::<Vec<_>>()[..] {
        [[b'a'..=b'z', tail @ ..]] => tail.len() <= 255 && rest(tail),
        [
            [b'a'..=b'z' | b'0'..=b'9', tenant @ ..],
            [b'a'..=b'z', system @ ..],
        ] => tenant.len() <= 240 && system.len() <= 13 && rest(tenant) && rest(system),
        _ => false,
    };
    (value_right && key_right).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> String {
        TraceState::of(lines.iter().map(|line| line.as_bytes())).0
    }

    #[test]
    fn a_list_is_passed_on_as_it_came() {
        for (lines, whole) in [
            (
                &["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"][..],
                "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
            ),
            (&["a=1", "b=2"], "a=1,b=2"),
            (&["a=1 , b=2\t,,  "], "a=1,b=2"),
            (
                &["fw529a3039@dt=FfAAAAA", "0t@a/b=x y"],
                "fw529a3039@dt=FfAAAAA,0t@a/b=x y",
            ),
            (&["a= 1"], "a= 1"),
            (&[""], ""),
        ] {
            assert_eq!(of(lines), whole);
        }
        let state = TraceState::of(["a=1,b=2"].iter().map(|line| line.as_bytes()));
        assert_eq!((state.get("b"), state.get("c")), (Some("2"), None));
    }

    #[test]
    fn one_wrong_member_spoils_the_list() {
        for line in [
            "A=1", "a", "a=", "=1", "a=1=2", "a=é", "1=2", "a b=1", "a@b@c=1", "@b=1", "a@=1", "a@1b=1",
            "a=1,a=2", "a=\u{1}",
        ] {
            assert_eq!(of(&["ok=1", line]), "", "{line}");
        }
    }

    #[test]
    fn limits_and_one_past_them() {
        let key = |tail: usize| format!("k{}=v", "x".repeat(tail));
        assert!(super::key(&key(255)).is_some() && super::key(&key(256)).is_none());
        let value = |bytes: usize| format!("k={}", "v".repeat(bytes));
        assert!(super::key(&value(256)).is_some() && super::key(&value(257)).is_none());
        let tenant = |t: usize, s: usize| format!("0{}@s{}=v", "t".repeat(t), "s".repeat(s));
        assert!(super::key(&tenant(240, 13)).is_some());
        assert!(super::key(&tenant(241, 13)).is_none() && super::key(&tenant(240, 14)).is_none());
        let members = |count: usize| {
            (0..count)
                .map(|n| format!("k{n}=v"))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(of(&[&members(32)]), members(32));
        assert_eq!(of(&[&members(33)]), "");
    }

    #[test]
    fn what_is_too_long_loses_its_long_members_first_and_then_its_last() {
        let (long, short) = (
            format!("long={}", "v".repeat(200)),
            format!("s={}", "v".repeat(100)),
        );
        let exact = format!("a={},b={}", "v".repeat(253), "v".repeat(254));
        assert_eq!((exact.len(), of(&[&exact])), (512, exact.clone()));
        let lost = format!("{long},{},{short}", long.replace("long", "big"));
        assert_eq!((lost.len(), of(&[&lost])), (513, short));
        let many = (0..6)
            .map(|n| format!("k{n}={}", "v".repeat(100)))
            .collect::<Vec<_>>();
        assert_eq!(of(&[&many.join(",")]), many[..4].join(","));
    }
}
