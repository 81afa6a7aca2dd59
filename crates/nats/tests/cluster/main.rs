//! Nodes, and real servers that are killed, stopped, cut off and emptied under them.
//!
//! The servers are Debian's `nats-server`, on ports that the system chooses, with their files in temporary folders. Whoever
//! talks to one goes through a proxy of the test, so that a server has the same address after it was started anew, and so
//! that it can be cut off.

mod access;
mod faults;
mod lives;
mod order;
mod presence;
mod proxy;
mod publish;
mod reader;
mod servers;
