//! People, posts, audiences, notifications: values and rules.
//!
//! Why: what may be said, and who may see it, is decided here and nowhere else.
//! Not here: HTTP, SQL, sockets, clocks (time is an argument).

pub mod audience;
pub mod ids;
pub mod mentions;
pub mod names;
pub mod notifications;
pub mod oauth;
pub mod paging;
pub mod passwords;
pub mod people;
pub mod posts;
pub mod secrets;

pub use audience::{Audience, Standing, may_see};
pub use ids::{AppId, FollowId, NotificationId, PersonId, PostId, TokenId};
pub use notifications::{NotificationKind, NotificationView};
pub use oauth::{ClientApp, Scopes, TokenInfo};
pub use paging::Paging;
pub use people::{Person, Relationship};
pub use posts::{NewPost, PostView};
