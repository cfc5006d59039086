//! The service's certificate and key. Both are read again when their files change, so that a
//! renewed certificate applies to the next connection.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use contract::{Error, Result, ResultCode};
use platform::file;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use wire::tls::{self, Fingerprint};

/// The certificate and key that the service presents.
pub(crate) struct Credentials {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    /// The files' states at the last check, usable or not.
    state: [FileState; 2],
    configuration: Arc<ServerConfig>,
    pin: Fingerprint,
}

/// Identity, size, and times of change (of content, mode or name); `None` for a missing file.
type FileState = Option<(file::Identity, u64, [i128; 2])>;

impl Credentials {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// `hrInvalidParam` with the file: it is unreadable, the key is readable for others, or key and
    /// certificate do not match.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self> {
        let state = states(certificate, key);
        let (configuration, pin) = configure(certificate, key)?;
        Ok(Self {
            certificate: certificate.to_path_buf(),
            key: key.to_path_buf(),
            current: Mutex::new(Current {
                state,
                configuration,
                pin,
            }),
        })
    }

    /// The SHA-256 of the public key, for clients that pin it.
    pub(crate) fn pin(&self) -> Fingerprint {
        self.lock().pin
    }

    /// The configuration of the next connection. While changed files are unusable, the earlier ones
    /// stay in use.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        let mut current = self.lock();
        let state = states(&self.certificate, &self.key);
        if state != current.state {
            current.state = state;
            match configure(&self.certificate, &self.key) {
                Ok((configuration, pin)) => {
                    tracing::info!(
                        public_key_sha256 = %pin,
                        "read the changed certificate and key"
                    );
                    (current.configuration, current.pin) = (configuration, pin);
                }
                Err(error) => tracing::warn!(
                    %error,
                    "the changed certificate and key cannot be used; the earlier ones stay in use"
                ),
            }
        }
        current.configuration.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn states(certificate: &Path, key: &Path) -> [FileState; 2] {
    [certificate, key].map(|path| {
        // Of one open file: at the path there may be another one a moment later.
        let open = file::open_without_waiting(path).ok()?;
        let (metadata, identity) = (open.metadata().ok()?, file::Identity::of(&open).ok()?);
        Some((identity, metadata.len(), file::changed(&metadata)))
    })
}

fn configure(certificate: &Path, key: &Path) -> Result<(Arc<ServerConfig>, Fingerprint)> {
    let unusable = |error: &dyn fmt::Display| {
        Error::new(
            ResultCode::INVALID_PARAM,
            format!("{} and {}: {error}", certificate.display(), key.display()),
        )
    };
    let chain = tls::read_certificates(certificate)?;
    let own = chain.first().ok_or_else(|| unusable(&"no certificate"))?;
    let pin = Fingerprint::of_public_key(own)?;
    let key = tls::read_private_key(key)?;
    let mut configuration = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(tls::VERSIONS)
        .map_err(|error| unusable(&error))?
        .with_client_cert_verifier(Arc::new(AskForCertificate::default()))
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&error))?;
    configuration.alpn_protocols = vec![tls::ALPN.to_vec()];
    // No session is resumed: each connection authenticates.
    configuration.session_storage = Arc::new(NoServerSessionStorage {});
    configuration.send_tls13_tickets = 0;
    Ok((Arc::new(configuration), pin))
}

/// Requests a client certificate and verifies possession of its key. The certificate is mapped to a
/// caller after the handshake, so that a refusal is an ERROR_ACCESS_DENIED and is logged with the
/// caller's name.
#[derive(Debug)]
pub struct AskForCertificate(Arc<CryptoProvider>);

impl Default for AskForCertificate {
    fn default() -> Self {
        Self(tls::provider())
    }
}

impl ClientCertVerifier for AskForCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> std::result::Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
