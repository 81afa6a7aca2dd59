//! Files as browsers, caches, download managers and attackers ask for them.

mod codings;
mod conditions;
mod directory;
mod kit;
mod large;
mod names;
mod parts;
