//! What the tests of the pages share: a running feed and people with browsers.

#![allow(dead_code)] // Each test file uses its own part of this.

use feed::app::{App, Site};
use feed::domain::Person;
use feed::domain::passwords::Passwords;
use squall::testing::{Answer, Client, TestServer};

use crate::common::Dir;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A running feed with an empty database.
pub(crate) struct Feed {
    // The server first: it must be gone before the directory is.
    pub(crate) server: TestServer,
    pub(crate) app: App,
    _dir: Dir,
}

impl Feed {
    pub(crate) fn start() -> Self {
        let dir = Dir::new();
        let site = Site::new("http://feed.example").unwrap();
        let app = App::open(dir.path(), site, Passwords::cheap()).unwrap();
        let live = app.live().clone();
        let server = squall::testing::serve_with(feed::router::router(&app), |server| server.live(&live));
        Self {
            server,
            app,
            _dir: dir,
        }
    }

    /// Somebody with a browser who is not signed in.
    pub(crate) fn nobody(&self) -> Browser {
        Browser {
            client: self.server.client().browser().with_header("accept", "text/html"),
        }
    }

    /// A new person, signed in.
    pub(crate) fn person(&self, name: &str) -> Browser {
        let browser = self.nobody();
        let answer = browser.submit("/sign-up", &[("name", name), ("password", PASSWORD)]);
        assert_eq!(
            (answer.status, answer.location()),
            (303, "/"),
            "{}",
            answer.text()
        );
        browser
    }

    /// A person as the store knows them.
    pub(crate) fn known(&self, name: &str) -> Person {
        self.wait(self.app.store().person_by_name(name)).unwrap()
    }

    /// The value of a future.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }
}

/// A browser: it keeps cookies, asks for HTML, and says that its forms are from the site itself.
pub(crate) struct Browser {
    pub(crate) client: Client,
}

impl Browser {
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.client.get(path).send()
    }

    /// A page that must be there.
    pub(crate) fn page(&self, path: &str) -> String {
        readable(&self.get(path).expect(200).text())
    }

    pub(crate) fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.client.post(path).form(fields).send()
    }

    /// As the script submits.
    pub(crate) fn fetch(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.client
            .post(path)
            .header("accept", "application/json")
            .form(fields)
            .send()
    }

    /// Posts, and gives the post's id.
    pub(crate) fn post(&self, text: &str, audience: &str) -> String {
        let made = self
            .fetch("/posts", &[("text", text), ("audience", audience)])
            .expect(201);
        made.json::<serde_json::Value>()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn follow(&self, name: &str) {
        assert_eq!(self.submit(&format!("/@{name}/follow"), &[]).status, 303);
    }
}

/// HTML with its slashes as they are: templates escape them too, in what they are given.
pub(crate) fn readable(html: &str) -> String {
    html.replace("&#x2f;", "/")
}

/// The ids of the posts of a page, in order.
pub(crate) fn posts_of(page: &str) -> Vec<String> {
    let parts = page.split("data-post=\"").skip(1);
    parts
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// The value of an attribute's first occurrence.
pub(crate) fn attribute(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!(" {name}=\""))?;
    rest.split('"')
        .next()
        .map(|value| readable(value).replace("&amp;", "&"))
}
