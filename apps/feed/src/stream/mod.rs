//! What changed, who may see it, which topics.
//!
//! An audience is a topic: a post is published to its author's topic for its audience, and a viewer's connection follows
//! the topics that the viewer's standing towards the author reaches. Nothing is filtered on the way.

mod message;
mod publisher;
mod rights;
pub mod topic;
pub mod topics;

pub use rights::{grant, page_of_path};
pub use squall::live::{Cursor, Epoch};
pub use topics::{Page, topics};

pub(crate) use publisher::Publisher;
pub(crate) use rights::of_browser;

/// What a followed stream is for: what can be changed or ended apart from a person's other streams.
pub mod kinds {
    /// A home page.
    pub const HOME: u32 = 1;
    /// A profile page.
    pub const PROFILE: u32 = 2;
    /// The public page.
    pub const PUBLIC: u32 = 3;
    /// A program's stream of a person's home and notifications.
    pub const API_USER: u32 = 4;
    /// A program's stream of a person's notifications.
    pub const API_NOTIFICATIONS: u32 = 5;
    /// A program's stream of all public posts.
    pub const API_PUBLIC: u32 = 6;
    /// A page of notifications.
    pub const NOTIFICATIONS: u32 = 7;
    /// A program's WebSocket that says what it follows when it is open.
    pub const API_SOCKET: u32 = 8;
}
