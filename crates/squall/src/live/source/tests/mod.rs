//! The source driven by hand: no socket, no server.

mod changes;
mod doors;
mod frames;
mod gaps;
mod rig;
mod simulation;
mod sockets;
