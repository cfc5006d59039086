//! A console over a repository with a real backup, and a browser for it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use backup::Silent;
use http_body_util::BodyExt;
use jobs::Configuration;
use jobs::record::StateFolder;
use repository::{InitOptions, Location, Repository};
use tower::ServiceExt;
use web_console::{Console, Peer, ServerSettings, Settings, Users, site};

/// The password of all users in tests.
pub const PASSWORD: &str = "correct horse battery staple";

/// The password of repositories in tests.
const REPOSITORY_PASSWORD: &str = "a password of a repository";

/// A folder with a directory, a repository, a configuration and records.
pub struct Lab {
    folder: tempfile::TempDir,
    /// A running server, and the threads that serve it.
    running: Option<(ServerSettings, tokio::runtime::Runtime)>,
}

impl Lab {
    /// A lab whose job never ran.
    pub fn new() -> Self {
        let lab = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            running: None,
        };
        let secret = lab.path("password");
        std::fs::write(&secret, format!("{REPOSITORY_PASSWORD}\n")).expect("write");
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).expect("permissions");
        let text = format!(
            "[repository.local]\nlocation = '{}'\npassword_file = '{}'\n\n\
             [job.nightly]\nsource = {{ directory = '{}' }}\nrepositories = ['local']\n",
            lab.path("repository").display(),
            secret.display(),
            lab.path("directory").display(),
        );
        std::fs::write(lab.configuration(), text).expect("write");
        lab
    }

    /// A lab with so many backups of the sample forest.
    pub fn with_backups(count: usize) -> Self {
        let lab = Self::new();
        let fixture = testkit::find("sample-forest/clean").expect("it is shipped");
        fixture.unpack_into(&lab.path("directory"));
        let location = lab.path("repository");
        let location = Location::parse(location.to_str().expect("plain")).expect("a location");
        let password = repository::Password::new(REPOSITORY_PASSWORD);
        apart(|| {
            let options = InitOptions::default();
            Repository::init(&location, &password, &options, &BTreeMap::new())
                .map(drop)
                .expect("a repository");
        });
        testkit::cheap_key::replace_key(&lab.path("repository"), REPOSITORY_PASSWORD);
        for _ in 0..count {
            lab.run();
        }
        lab
    }

    /// Puts the directory of another fixture into the place of the one that is backed up.
    pub fn replace_directory(&self, fixture: &str) {
        std::fs::remove_dir_all(self.path("directory")).expect("remove");
        let fixture = testkit::find(fixture).expect("it is shipped");
        fixture.unpack_into(&self.path("directory"));
    }

    /// Serves the directory of another fixture as it is now, read-only, over LDAP with TLS.
    pub fn serve(&mut self, fixture: &str) {
        testkit::find(fixture)
            .expect("it is shipped")
            .unpack_into(&self.path("now"));
        if fixture.ends_with("dirty") {
            ese::recovery::recover(ese::recovery::Options::new(self.path("now")))
                .expect("its logs");
        }
        let database = ese::Database::open(self.path("now/ntds.dit")).expect("a database");
        let directory = objects::ntds::Ntds::over(database).expect("a directory");
        let script = "umask 077
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
                -subj /CN=now -keyout now.key -out now.pem 2> now.said || exit 1
            openssl x509 -in now.pem -noout -pubkey | openssl pkey -pubin -outform der | sha256sum";
        let made = std::process::Command::new("sh")
            .args(["-c", script])
            .current_dir(self.folder.path())
            .output()
            .expect("openssl");
        assert!(made.status.success(), "{made:?}");
        let pin = String::from_utf8_lossy(&made.stdout)[..64].to_owned();
        let secret = self.path("password-of-now");
        std::fs::write(&secret, format!("{PASSWORD}\n")).expect("write");
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).expect("permissions");
        let tls = ldap_server::tls(&self.path("now.pem"), &self.path("now.key")).expect("TLS");
        let served = ldap_server::Served::new(
            Arc::new(directory),
            ldap_server::Password::new(PASSWORD.into()),
            ldap_server::Limits::default(),
        );
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        let listening = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = apart(|| runtime.block_on(listening)).expect("listen");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(ldap_server::serve(
            listener,
            Arc::new(served),
            Some(tls),
            std::future::pending(),
        ));
        let settings = ServerSettings {
            url: Some(format!("ldaps://{address}")),
            user: Some("anna".into()),
            password_file: Some(secret),
            pin: Some(pin),
            ..ServerSettings::default()
        };
        self.running = Some((settings, runtime));
    }

    /// Ends that server. The console still knows its address.
    pub fn stop_serving(&mut self) {
        if let Some((settings, runtime)) = self.running.take() {
            runtime.shutdown_background();
            let other = apart(|| tokio::runtime::Runtime::new().expect("threads"));
            self.running = Some((settings, other));
        }
    }

    /// Runs the job.
    pub fn run(&self) {
        let configuration = Configuration::read(&self.configuration()).expect("usable");
        let state = self.state();
        let run = || jobs::run::run(&configuration, "nightly", &state, &Silent);
        let done = apart(run).expect("run");
        assert!(!done.failed(), "{done:?}");
    }

    /// A path in the lab.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.path("dsbackup.toml")
    }

    /// The records of runs.
    pub fn state(&self) -> StateFolder {
        StateFolder::at(self.path("state"))
    }

    /// The ids of the snapshots, oldest first.
    pub fn snapshots(&self) -> Vec<String> {
        let configuration = Configuration::read(&self.configuration()).expect("usable");
        let list = apart(|| {
            let repository = configuration.repositories["local"].open().expect("open");
            backup::list::list(&repository, &Silent).expect("a list")
        });
        list.into_iter().map(|listed| listed.snapshot).collect()
    }

    /// The lines of the audit log.
    pub fn audit(&self) -> String {
        std::fs::read_to_string(self.path("audit")).unwrap_or_default()
    }

    /// The users anna, who operates, and otto, who looks.
    pub fn users(&self) -> Users {
        let file = self.path("users");
        for (name, role) in [
            ("anna", web_console::users::Role::Operate),
            ("otto", web_console::users::Role::View),
        ] {
            web_console::users::add(&file, name, PASSWORD, role).expect("a user");
        }
        Users::read(&file).expect("users")
    }

    /// A certificate with a key of its own, in files of this name; its fingerprint.
    pub fn certificate(&self, name: &str) -> String {
        let script = format!(
            "umask 077
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
                -subj /CN={name} -keyout {name}.key -out {name}.pem 2> {name}.said || exit 1
            openssl x509 -in {name}.pem -outform der | sha256sum"
        );
        let made = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(self.folder.path())
            .output()
            .expect("openssl");
        assert!(made.status.success(), "{made:?}");
        String::from_utf8_lossy(&made.stdout)[..64].to_owned()
    }

    /// The settings of the console.
    pub fn settings(&self) -> Settings {
        Settings {
            listen: Some((Ipv4Addr::LOCALHOST, 0).into()),
            audit: Some(self.path("audit")),
            names: vec!["backup.corp.example".into()],
            cache: self.path("cache"),
            server: (self.running.iter())
                .map(|(settings, _)| ("corp".to_owned(), settings.clone()))
                .collect(),
            ..Settings::default()
        }
    }

    /// What all pages share.
    pub fn shared(&self) -> Arc<Console> {
        self.shared_with(self.settings())
    }

    /// The same, with other settings.
    pub fn shared_with(&self, settings: Settings) -> Arc<Console> {
        let console = Console::new(&self.configuration(), settings, self.state(), self.users());
        Arc::new(console.expect("a console"))
    }

    /// The console.
    pub fn console(&self) -> Router {
        site(self.shared())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some((_, runtime)) = self.running.take() {
            // Tests have a runtime themselves, which must not wait for another.
            runtime.shutdown_background();
        }
    }
}

/// Does something on a thread of its own, where no test's runtime is: a backup has one itself.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().expect("no panic"))
}

/// A browser, with its cookies.
#[derive(Clone)]
pub struct Browser {
    site: Router,
    cookies: Vec<(String, String)>,
    /// The name of the host that it asks for.
    pub host: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("text"))
    }

    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> String {
        let field = format!("name=\"{name}\" value=\"");
        let (_, rest) = (self.body.split_once(&field))
            .unwrap_or_else(|| panic!("no field {name} in {}", self.body));
        rest.split('"').next().expect("a value").to_owned()
    }

    /// Asserts that a text is in the page.
    pub fn shows(&self, text: &str) -> &Self {
        assert!(self.body.contains(text), "no {text:?} in {}", self.body);
        self
    }
}

impl Browser {
    /// A browser that nobody has logged in with.
    pub fn new(site: &Router) -> Self {
        Self {
            site: site.clone(),
            cookies: Vec::new(),
            host: "localhost:7480".into(),
        }
    }

    /// A browser that `user` has logged in with.
    pub async fn of(site: &Router, user: &str) -> Self {
        let mut browser = Self::new(site);
        let answer = browser.log_in(user, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        browser
    }

    /// Logs in by the form.
    pub async fn log_in(&mut self, user: &str, password: &str) -> Answer {
        let form = self.get("/login").await;
        let word = form.hidden("word");
        let fields = [
            ("user", user),
            ("password", password),
            ("word", word.as_str()),
        ];
        self.post("/login", &fields).await
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut cookies = self.cookies.iter();
        cookies
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// The word that the forms of this login repeat.
    pub async fn word(&mut self) -> String {
        self.get("/").await.hidden("csrf")
    }

    /// Asks for a page.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], String::new()).await
    }

    /// Sends a form as it is.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(path, &[], fields).await
    }

    /// Sends a form with further headers.
    pub async fn post_with(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Answer {
        let fields: Vec<String> = (fields.iter())
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let headers = [headers, &[kind]].concat();
        self.send(Method::POST, path, &headers, fields.join("&"))
            .await
    }

    /// Sends a form of somebody who is logged in, with its word.
    pub async fn act(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let word = self.word().await;
        self.post(path, &[fields, &[("csrf", word.as_str())]].concat())
            .await
    }

    /// Sends a request, and keeps the cookies of the answer.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in &self.cookies {
            request = request.header("cookie", format!("{name}={value}"));
        }
        let mut request = request.body(Body::from(body)).expect("a request");
        let peer = Peer::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        request.extensions_mut().insert(peer);
        let answer = self
            .site
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let (parts, body) = answer.into_parts();
        for cookie in parts.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().expect("text");
            let pair = cookie.split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("a pair");
            self.cookies.retain(|(other, _)| other != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let body = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

/// A value of a form, as browsers send it.
pub fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// Follows a work to its end.
pub async fn work(browser: &mut Browser, answer: &Answer) -> Answer {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    let address = answer.header("location").to_owned();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let page = browser.get(&address).await;
        if !page.body.contains("goes on") {
            return page;
        }
        assert!(Instant::now() < deadline, "{page:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
