//! RFC 9112, HTTP/1.1: how messages are cut out of a connection.

mod bodies;
mod heads;
