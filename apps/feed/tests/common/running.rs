//! A running feed: the store, the hub, the doors, and people who are signed in.

use feed::app::{App, Site};
use feed::domain::passwords::Passwords;
use feed::domain::{Audience, NewPost, PersonId, PostView};
use squall::testing::{Client, TestServer};

use super::Dir;

const PASSWORD: &str = "correct horse battery";

pub(crate) struct Running {
    // The server first: it must be gone before the store is closed, and that before the directory goes.
    pub(crate) server: TestServer,
    pub(crate) app: App,
    pub(crate) dir: Dir,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self::on(Dir::new())
    }

    pub(crate) fn on(dir: Dir) -> Self {
        let site = Site::new("http://feed.example").unwrap();
        let app = open_when_free(&dir, &site);
        let live = app.live().clone();
        let server = squall::testing::serve_with(feed::router::router(&app), |server| server.live(&live));
        Self { server, app, dir }
    }

    /// Stops it and starts it again on the same data.
    pub(crate) fn restarted(self) -> Self {
        let Self { server, app, dir } = self;
        server.stop();
        drop((server, app));
        Self::on(dir)
    }

    /// A new person, and a client that is signed in as that person.
    pub(crate) fn person(&self, name: &str) -> (PersonId, Client) {
        let person = wait(self.app.sign_up(name, PASSWORD)).unwrap();
        let client = self.server.client().browser();
        let answer = client
            .post("/sign-in")
            .form(&[("name", name), ("password", PASSWORD)])
            .send();
        assert_eq!(answer.status, 303, "{}", answer.text());
        (person.id, client)
    }

    pub(crate) fn post(&self, author: PersonId, text: &str, audience: Audience) -> PostView {
        wait(self.app.store().create_post(NewPost::new(author, text, audience))).unwrap()
    }

    pub(crate) fn cursor(&self) -> String {
        wait(self.app.store().cursor()).unwrap().to_string()
    }
}

/// The value of a future.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn open_when_free(dir: &Dir, site: &Site) -> App {
    // The threads of an application that was just dropped let go of the lock when they are done.
    for _ in 0..1_000_000 {
        match App::open(dir.path(), site.clone(), Passwords::cheap()) {
            Ok(app) => return app,
            Err(error) if error.to_string().contains("already using") => std::thread::yield_now(),
            Err(error) => panic!("{}", error.detail()),
        }
    }
    panic!("the data directory stays locked");
}
