//! A service on another computer, as far as the library can tell: over TLS, on this computer's own
//! network address.

use std::net::TcpListener;
use std::path::Path;

use ntdsbcli::Fingerprint;
use rcgen::{CertificateParams, KeyPair};

use crate::lab::Service;

/// The library's environment variables.
const VARIABLES: [&str; 3] = [
    "DSBACKUP_PIN",
    "DSBACKUP_CLIENT_CERTIFICATE",
    "DSBACKUP_CLIENT_KEY",
];

/// A directory under a service on the network, and who may call it.
pub struct Remote {
    _folder: tempfile::TempDir,
    _service: Service,
    /// The server's name for the functions.
    pub name: &'static str,
    pin: String,
    client: [String; 2],
    stranger: [String; 2],
}

impl Remote {
    /// Hosts a directory; `arguments` are the service's.
    pub fn start(arguments: &[&str]) -> Self {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let folder = scratch.path().canonicalize().expect("the folder");
        testkit::find("sample-forest/clean")
            .expect("a shipped fixture")
            .unpack_into(&folder.join("directory"));
        let [service, client, stranger] =
            ["service", "client", "stranger"].map(|name| Certificate::new(&folder, name));
        // Free a moment ago; no other program on this machine takes ports of this range by number.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let configuration = folder.join("service.toml");
        let text = format!(
            "[directory]\ndatabase_folder = {:?}\n\
             [remote]\nlisten = [\"127.0.0.1:{port}\"]\ncertificate = {:?}\nkey = {:?}\n\
             [[remote.client]]\nname = \"conformance\"\nfingerprint = \"{}\"\n\
             backup = true\nrestore = true\n",
            folder.join("directory"),
            service.files[0],
            service.files[1],
            client.fingerprint
        );
        std::fs::write(&configuration, text).expect("write the configuration");
        let configuration = configuration.display().to_string();
        let arguments = [&["--config", &configuration], arguments].concat();
        Self {
            _service: Service::start(
                &folder.join("directory"),
                &folder.join("socket"),
                &arguments,
            ),
            name: Box::leak(format!("\\\\localhost:{port}").into_boxed_str()),
            pin: service.pin,
            client: client.files,
            stranger: stranger.files,
            _folder: scratch,
        }
    }

    /// A call that trusts the service, with a known certificate.
    pub fn trusted<T>(&self, call: impl FnOnce() -> T) -> T {
        with_environment([&self.pin, &self.client[0], &self.client[1]], call)
    }

    /// A call that pins another key of the service.
    pub fn mistaken<T>(&self, call: impl FnOnce() -> T) -> T {
        let other = "ab".repeat(32);
        with_environment([&other, &self.client[0], &self.client[1]], call)
    }

    /// A call with a certificate that the service does not know.
    pub fn unknown<T>(&self, call: impl FnOnce() -> T) -> T {
        with_environment([&self.pin, &self.stranger[0], &self.stranger[1]], call)
    }
}

/// A self-signed certificate and its key.
struct Certificate {
    files: [String; 2],
    fingerprint: String,
    pin: String,
}

impl Certificate {
    fn new(folder: &Path, name: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec!["localhost".into()])
            .and_then(|parameters| parameters.self_signed(&key))
            .expect("a certificate");
        let files = ["pem", "key"].map(|suffix| folder.join(format!("{name}.{suffix}")));
        std::fs::write(&files[0], certificate.pem()).expect("write the certificate");
        std::fs::write(&files[1], key.serialize_pem()).expect("write the key");
        std::fs::set_permissions(&files[1], std::fs::Permissions::from_mode(0o600))
            .expect("a private file");
        Self {
            files: files.map(|file| file.display().to_string()),
            fingerprint: Fingerprint::of_certificate(certificate.der()).to_string(),
            pin: Fingerprint::of_public_key(certificate.der())
                .expect("a public key")
                .to_string(),
        }
    }
}

fn with_environment<T>(values: [&String; 3], call: impl FnOnce() -> T) -> T {
    for (variable, value) in VARIABLES.iter().zip(values) {
        // SAFETY: rows run one after the other, and no thread of the library reads the environment
        // between calls.
        unsafe { std::env::set_var(variable, value) };
    }
    let result = call();
    for variable in VARIABLES {
        // SAFETY: as above.
        unsafe { std::env::remove_var(variable) };
    }
    result
}
