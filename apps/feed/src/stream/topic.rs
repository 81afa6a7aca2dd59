//! The names of topics.

use crate::domain::{Audience, PersonId};

/// All public posts.
pub const PUBLIC: &str = "public";

/// Where offsets go whose event has nothing to say (any more), so that the hub's head still moves. Nobody may follow it.
pub const NOTHING: &str = "-";

/// Messages of one topic that are held for those who come back, at most. All public posts are one topic.
pub const MESSAGES_MAX: usize = 5_000;

/// A person's posts for one audience.
pub fn posts(author: PersonId, audience: Audience) -> String {
    format!("p:{author}:{audience}")
}

/// What a person is told.
pub fn notifications(person: PersonId) -> String {
    format!("n:{person}")
}

/// Every topic that a post for this audience is published to.
pub fn of_post(author: PersonId, audience: Audience) -> Vec<String> {
    let own = posts(author, audience);
    match audience {
        Audience::Public => vec![own, PUBLIC.to_owned()],
        Audience::Members | Audience::Followers | Audience::Me => vec![own],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let ada = PersonId::new(7).unwrap();
        assert_eq!(of_post(ada, Audience::Public), ["p:7:public", "public"]);
        assert_eq!(of_post(ada, Audience::Followers), ["p:7:followers"]);
        assert_eq!(notifications(ada), "n:7");
    }
}
