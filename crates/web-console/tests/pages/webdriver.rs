//! A headless Chromium, steered by chromedriver (W3C WebDriver).

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::{Value, json};

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long chromedriver may take for an answer.
const LONGEST_ANSWER: Duration = Duration::from_secs(300);

/// The key of an element's id in answers, as the standard has it.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The key Tab, and Enter.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";

/// A browser with one window. It ends when the value is dropped.
pub struct Chromium {
    driver: Child,
    /// What it says goes here as long as it lives.
    _output: BufReader<ChildStdout>,
    client: Client,
    session: String,
    _profile: tempfile::TempDir,
}

impl Chromium {
    /// Starts one; `None`, with a note, where chromedriver is not installed.
    pub fn start() -> Option<Self> {
        let spawned = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = spawned else {
            eprintln!("note: chromedriver (Debian's chromium-driver) is not installed; skipped");
            return None;
        };
        let mut output = BufReader::new(driver.stdout.take().expect("a pipe"));
        let port = loop {
            let mut line = String::new();
            let length = output.read_line(&mut line).expect("a line");
            assert!(length > 0, "chromedriver names its port");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim().trim_end_matches('.').to_owned();
            }
        };
        let client = Client::builder()
            .timeout(LONGEST_ANSWER)
            .no_proxy()
            .build()
            .expect("a client");
        let profile = tempfile::tempdir().expect("a folder");
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1400,1000",
        ];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "timeouts": { "script": 300_000, "pageLoad": 300_000 },
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let mut chromium = Self {
            driver,
            _output: output,
            client,
            session: format!("http://127.0.0.1:{port}/session"),
            _profile: profile,
        };
        let made = chromium.post("", &wanted);
        let id = made["sessionId"].as_str().expect("a session");
        chromium.session = format!("{}/{id}", chromium.session);
        Some(chromium)
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{command}", self.session));
        let request = request.header("content-type", "application/json");
        answer(command, request.body(body.to_string()))
    }

    fn get(&self, command: &str) -> Value {
        answer(
            command,
            self.client.get(format!("{}{command}", self.session)),
        )
    }

    /// Goes to an address.
    pub fn go(&self, address: &str) {
        self.post("/url", &json!({ "url": address }));
    }

    /// The address of the page.
    pub fn address(&self) -> String {
        self.get("/url").as_str().expect("an address").to_owned()
    }

    /// The first element, once the page has it.
    fn find(&self, css: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let wanted = json!({ "using": "css selector", "value": css });
            let found = self.post("/elements", &wanted);
            if let Some(id) = found[0][ELEMENT].as_str() {
                return id.to_owned();
            }
            assert!(Instant::now() < deadline, "no {css} in {}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks on the first element.
    pub fn click(&self, css: &str) {
        let id = self.find(css);
        self.post(&format!("/element/{id}/click"), &json!({}));
    }

    /// Types into the first element.
    pub fn type_into(&self, css: &str, text: &str) {
        let id = self.find(css);
        self.post(&format!("/element/{id}/value"), &json!({ "text": text }));
    }

    /// Waits until the page shows a text.
    pub fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.text().contains(text) {
            assert!(Instant::now() < deadline, "no {text:?} in {}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The text that the page shows.
    pub fn text(&self) -> String {
        let text = self.run("return document.body ? document.body.innerText : ''");
        text.as_str().unwrap_or("").to_owned()
    }

    /// Runs a script, and returns its value.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a script that calls its last argument with its value.
    pub fn run_to_end(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub fn press(&self, keys: &str) {
        let strokes: Vec<Value> = (keys.chars())
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let actions =
            json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.post("/actions", &actions);
    }

    /// Shows the page as on this medium (`screen`, `print`), in this scheme (`light`, `dark`).
    pub fn emulate(&self, medium: &str, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.command(
            "Emulation.setEmulatedMedia",
            &json!({ "media": medium, "features": [feature] }),
        );
    }

    /// Shows the page in a window that is so wide, twice as large.
    pub fn zoom(&self, width: u32) {
        let metrics =
            json!({ "width": width, "height": 500, "deviceScaleFactor": 2, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Ends [`Self::zoom`].
    pub fn unzoom(&self) {
        self.command("Emulation.clearDeviceMetricsOverride", &json!({}));
    }

    fn command(&self, name: &str, parameters: &Value) {
        let command = json!({ "cmd": name, "params": parameters });
        self.post("/goog/cdp/execute", &command);
    }

    /// What the browser complained of since the last call.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().expect("a list").iter();
        let severe = entries.filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].to_string()).collect()
    }

    /// Writes a picture of the page.
    pub fn picture(&self, file: &Path) {
        use std::io::Write;
        let taken = self.get("/screenshot");
        let encoded = taken.as_str().expect("a picture");
        // base64 of coreutils: no crate for one picture.
        let mut decoder = Command::new("base64")
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(file).expect("a file"))
            .spawn()
            .expect("base64");
        let mut input = decoder.stdin.take().expect("a pipe");
        input.write_all(encoded.as_bytes()).expect("decode");
        drop(input);
        assert!(decoder.wait().expect("base64").success());
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It closes its windows; the driver ends with us.
        let _ = self.client.delete(&self.session).send();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn answer(command: &str, request: reqwest::blocking::RequestBuilder) -> Value {
    let answer = request.send().expect("chromedriver answers");
    let status = answer.status();
    let text = answer.text().expect("text");
    assert!(status.is_success(), "{command}: {status}: {text}");
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    value["value"].take()
}
