//! Taking messages back.

use crate::broker::Answer;
use crate::hub::Hub;
use crate::message::Message;

impl Hub {
    /// Takes messages back: those of a topic that `unwanted` picks are not handed to anybody any more, whatever their
    /// cursor. Answers how many there were.
    ///
    /// For what was said and is not to be heard any more: a deleted post, a note about something that its reader may not
    /// see now. It is no gap, and nobody is told; who needs to know is told by another message. Followers that have
    /// received it already have received it.
    ///
    /// Where the broker keeps messages too, it forgets them there soon; [`Hub::withdraw_kept`] tells when.
    ///
    /// Looks at every message of the topic, while nobody appends.
    pub fn withdraw(&self, topic: &str, unwanted: impl Fn(&Message) -> bool) -> usize {
        // What is answered later happens whether or not it is awaited.
        let (messages, _answer) = self.withdraw_kept(topic, unwanted);
        messages
    }

    /// As [`Hub::withdraw`]; the answer is ready when the broker, too, holds the messages no longer: then they do not
    /// come back with the next start either. An error says that they might, if the process ends before the broker,
    /// which tries again by itself, has forgotten them.
    pub fn withdraw_kept(&self, topic: &str, unwanted: impl Fn(&Message) -> bool) -> (usize, Answer) {
        let mut offsets = Vec::new();
        {
            let mut order = self.order();
            let known = self.topics().get(topic).cloned();
            if let Some(topic) = known {
                order.account(topic.withdraw(unwanted, &mut offsets));
            }
        }
        // Even when there is none: the broker may still have some that were evicted here.
        let answer = self.inner.broker.withdrawn(self, topic, &offsets);
        (offsets.len(), answer)
    }
}
