//! Words between nodes: records of the stream, in its order.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use squall_hub::{Answer, AppendError, Bus, Ear, WORD_BYTES_MAX};

use crate::publish::Prepared;
use crate::shared::Shared;

/// A node's.
pub(crate) struct NatsBus {
    pub(crate) shared: Arc<Shared>,
}

impl Bus for NatsBus {
    fn say(&self, word: Bytes) -> Answer {
        if word.len() > WORD_BYTES_MAX {
            return Answer::Ready(Err(AppendError::TooBig.into()));
        }
        let shared = &self.shared;
        shared.send(Prepared {
            subject: shared.subjects.words().to_owned(),
            id: shared.own_id(),
            keyed: false,
            meta: None,
            data: word,
        })
    }

    fn hear(&self, ear: Ear) {
        *self.shared.ear.lock().unwrap_or_else(PoisonError::into_inner) = Some(ear);
    }
}
