//! A connection whose first bytes are a proxy's: the PROXY header is read before anything of the client.
//!
//! Only connections of listeners where that is switched on are ever in this state, and only while the header is not
//! there; after it they are like all others, with what the proxy said beside the peer's address.

use std::rc::Rc;

use squall_wire::proxy::{Parsed, parse};

use crate::app::App;
use crate::core::Core;
use crate::core::slab::{CompactPeer, State};
use crate::metrics::Refused;
use crate::proxy::{Begin, Proxied};
use crate::source::ConnId;

/// A header that is not there whole.
pub(crate) struct Waiting {
    /// Its beginning: shorter than the longest header that is taken.
    partial: Vec<u8>,
    /// The number of the listener, for its rules.
    listener: u16,
    required: bool,
}

/// The state in which a proxy's connection begins.
pub(crate) fn state(listener: u16, begin: Begin) -> State {
    State::ProxyHeader(Box::new(Waiting {
        partial: Vec::new(),
        listener,
        required: begin != Begin::Either,
    }))
}

/// What the bytes so far come to.
enum Read {
    Partial,
    /// How many of the new bytes are the header's.
    Header(usize, Option<Proxied>),
    /// No header, and none is needed.
    Client,
    Refused,
}

impl<A: App> Core<A> {
    /// Bytes of a header, and perhaps of what follows it.
    pub(crate) fn proxy_received(self: &Rc<Self>, id: ConnId, bytes: &mut [u8]) {
        let Some(mut waiting) = self.take_waiting(id) else {
            return;
        };
        let held = waiting.partial.len();
        let read = if held == 0 {
            self.read_header(&waiting, bytes)
        } else {
            waiting.partial.extend_from_slice(bytes);
            self.read_header(&waiting, &waiting.partial)
        };
        match read {
            Read::Refused => self.refuse_connection(id, Refused::Preface),
            Read::Partial => {
                if held == 0 {
                    waiting.partial.extend_from_slice(bytes);
                }
                if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
                    conn.state = State::ProxyHeader(waiting);
                }
            }
            Read::Header(header_bytes, proxied) => {
                if !self.begin_client(id, waiting.listener, proxied) {
                    return self.refuse_connection(id, Refused::PerAddressMax);
                }
                // What was held was too short to be a header, so the end is among the new bytes.
                self.client_received(id, &mut bytes[header_bytes - held..]);
            }
            Read::Client => {
                self.begin_client(id, waiting.listener, None);
                if held == 0 {
                    self.client_received(id, bytes);
                } else {
                    self.client_received(id, &mut waiting.partial);
                }
            }
        }
    }

    fn read_header(&self, waiting: &Waiting, input: &[u8]) -> Read {
        let Some(proxy) = &self.options[usize::from(waiting.listener)].proxy else {
            return Read::Refused;
        };
        match parse(input, proxy.limits()) {
            Ok(Parsed::Partial) => Read::Partial,
            Ok(Parsed::Complete(header)) => Read::Header(header.header_bytes, Proxied::from_header(&header)),
            Err(refused) if refused.is_missing() && !waiting.required => Read::Client,
            Err(refused) => {
                // Trusted peers only come this far: the operator wants to know.
                tracing::warn!(%refused, "a connection of a trusted proxy is closed");
                Read::Refused
            }
        }
    }

    /// The client's first byte is next; unless its address has too many connections already.
    fn begin_client(self: &Rc<Self>, id: ConnId, listener: u16, proxied: Option<Proxied>) -> bool {
        if let Some(client) = proxied.as_ref().and_then(Proxied::client)
            && !self.shared.addresses.enter(&client)
        {
            return false;
        }
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.peer = CompactPeer::proxy(conn.peer.peer(), proxied);
            conn.socket.begin_tls();
            conn.deadline = self.first_deadline(&conn.socket);
            conn.state = State::Fresh;
        }
        self.begin_unless_tls(id, listener);
        true
    }

    /// The client's first bytes: of a request, or of its handshake.
    fn client_received(self: &Rc<Self>, id: ConnId, bytes: &mut [u8]) {
        if bytes.is_empty() {
            return;
        }
        let is_ciphertext = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => conn.socket.put_back(bytes),
            None => return,
        };
        if is_ciphertext {
            self.turn_later(id);
        } else {
            self.received(id, bytes);
        }
    }

    fn refuse_connection(&self, id: ConnId, why: Refused) {
        self.link.counts.refused.add(why, 1);
        self.close(id);
    }

    fn take_waiting(&self, id: ConnId) -> Option<Box<Waiting>> {
        let mut conns = self.conns.borrow_mut();
        let conn = conns.get_mut(id)?;
        match std::mem::replace(&mut conn.state, State::Taken) {
            State::ProxyHeader(waiting) => Some(waiting),
            other => {
                conn.state = other;
                None
            }
        }
    }
}
