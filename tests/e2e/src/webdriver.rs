//! Real Chromium windows, driven through chromedriver by the W3C WebDriver protocol.
//!
//! Nothing here polls: to wait is to ask the page itself to tell when it has changed.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::DEADLINE;
use crate::dir::TempDir;
use crate::http::Wire;
use crate::program::Program;

/// What the protocol calls a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Waits for `condition`, asked again whenever the page changes or scrolls; gives its first true-like value.
const WAIT: &str = "
    const done = arguments[arguments.length - 1];
    const ask = () => { try { return CONDITION; } catch (error) { return false; } };
    const first = ask();
    if (first) return done(first);
    const events = ['scroll', 'resize', 'input', 'load'];
    let check;
    const observer = new MutationObserver(() => check());
    check = () => {
        const value = ask();
        if (!value) return;
        observer.disconnect();
        events.forEach((name) => window.removeEventListener(name, check, true));
        done(value);
    };
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    events.forEach((name) => window.addEventListener(name, check, true));";

/// A chromedriver, which starts browsers.
#[derive(Debug)]
pub struct Driver {
    addr: SocketAddr,
    // Ended last: its browsers have been closed by then.
    _program: Program,
}

impl Driver {
    /// Starts one on a port of its own choice.
    ///
    /// # Panics
    /// When there is no chromedriver, or it does not say its port in time.
    #[must_use]
    pub fn start() -> Self {
        let program = Program::start(Command::new("chromedriver").arg("--port=0"));
        let line = program.line(|line| line.contains("started successfully on port"));
        let port = line
            .trim_end_matches('.')
            .rsplit(' ')
            .next()
            .and_then(|port| port.parse().ok());
        let addr = SocketAddr::from(([127, 0, 0, 1], port.expect("a port in chromedriver's line")));
        Self {
            addr,
            _program: program,
        }
    }

    /// Opens a browser with nothing in its memory.
    ///
    /// # Panics
    /// When Chromium does not start.
    #[must_use]
    pub fn browser(&self) -> Browser {
        let profile = TempDir::new("browser");
        let flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1000,700",
        ];
        let mut args: Vec<String> = flags.map(str::to_owned).to_vec();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        let milliseconds = u64::try_from(DEADLINE.as_millis()).expect("a short time");
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": milliseconds, "pageLoad": milliseconds},
        }}});
        let answer = call(self.addr, "POST", "/session", &wanted).expect("Chromium starts");
        let id = answer["sessionId"]
            .as_str()
            .expect("a session has an id")
            .to_owned();
        Browser {
            addr: self.addr,
            id,
            _profile: profile,
        }
    }
}

/// One browser window; closed when dropped.
#[derive(Debug)]
pub struct Browser {
    addr: SocketAddr,
    id: String,
    _profile: TempDir,
}

impl Browser {
    /// Goes to an address and waits until the page has loaded.
    ///
    /// # Panics
    /// When the page does not load.
    pub fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// The address of the page that is open.
    ///
    /// # Panics
    /// When the browser is gone.
    #[must_use]
    pub fn url(&self) -> String {
        let value = self
            .call("GET", "/url", &Value::Null)
            .expect("the browser has an address");
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Waits for an element and types into it, after what it holds.
    ///
    /// # Panics
    /// When there is none in time.
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Waits for an element and clicks it.
    ///
    /// # Panics
    /// When there is none in time, or it can't be clicked.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Waits until an expression of the page's language is true, and gives its value.
    ///
    /// # Panics
    /// When it does not become true in time.
    pub fn wait_for(&self, condition: &str) -> Value {
        let script = WAIT.replace("CONDITION", condition);
        let end = Instant::now() + DEADLINE;
        loop {
            match self.call("POST", "/execute/async", &json!({"script": script, "args": []})) {
                Ok(value) => return value,
                // The page that was asked has gone, and its answer with it: the next one is asked.
                Err(error) if is_of_a_gone_page(&error) && Instant::now() < end => {}
                Err(error) => panic!(
                    "never true: {condition}\n{error}\non {}:\n{}",
                    self.url(),
                    self.text()
                ),
            }
        }
    }

    /// Waits until the page shows this text.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(&format!("document.body.innerText.includes({})", json!(text)));
    }

    /// Runs a script in the page and gives what it returns.
    ///
    /// # Panics
    /// When it throws.
    pub fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// All text that the page shows.
    ///
    /// # Panics
    /// When the browser is gone.
    #[must_use]
    pub fn text(&self) -> String {
        self.script("return document.body.innerText")
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// What the page's scripts and their policies complained about so far.
    ///
    /// # Panics
    /// When the browser is gone.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().into_iter().flatten();
        let severe = entries.filter(|entry| entry["level"] == "SEVERE");
        severe
            .filter_map(|entry| entry["message"].as_str())
            .map(str::to_owned)
            .collect()
    }

    fn element(&self, selector: &str) -> String {
        let found = self.wait_for(&format!("document.querySelector({})", json!(selector)));
        found[ELEMENT]
            .as_str()
            .expect("a reference to an element")
            .to_owned()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", path, body)
            .unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        call(self.addr, method, &format!("/session/{}{path}", self.id), body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.call("DELETE", "", &Value::Null).ok();
    }
}

/// Whether a script ended because its page did. Chromedriver says "script timeout" of those too, long before the time.
fn is_of_a_gone_page(error: &str) -> bool {
    [
        "script timeout",
        "javascript error: document unloaded",
        "aborted by navigation",
    ]
    .iter()
    .any(|words| error.starts_with(words))
}

/// One command of the protocol.
fn call(addr: SocketAddr, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut wire = Wire::connect(addr).map_err(|error| error.to_string())?;
    // The driver's own time-outs end a command before ours would.
    wire.socket()
        .set_read_timeout(Some(DEADLINE * 2))
        .map_err(|error| error.to_string())?;
    let (_, bytes) = wire.exchange(head + &body).map_err(|error| error.to_string())?;
    let mut answer: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let value = answer["value"].take();
    match value["error"].as_str() {
        Some(error) => Err(format!(
            "{error}: {}",
            value["message"].as_str().unwrap_or_default()
        )),
        None => Ok(value),
    }
}
