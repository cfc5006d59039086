//! The server's certificate and its key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The reason why TLS is not possible.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file has no certificate, or no key.
    #[error("{}: expected {expected} in PEM: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The expected content.
        expected: &'static str,
        /// The failure.
        reason: rustls::pki_types::pem::Error,
    },
    /// The certificate and the key do not belong together, or are of an unknown kind.
    #[error("{}: {reason}", file.display())]
    Pair {
        /// The file of the certificate.
        file: PathBuf,
        /// The failure.
        reason: rustls::Error,
    },
}

/// TLS with a certificate, its chain, and its key, all PEM. Clients need no certificate.
///
/// # Errors
/// Fails if a file is unreadable, or if they do not belong together.
pub fn tls(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let wrong = |file: &Path, expected| {
        let file = file.to_path_buf();
        move |reason| TlsError::File {
            file,
            expected,
            reason,
        }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(wrong(certificate, "a certificate"))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(wrong(key, "a private key"))?;
    let pair = |reason| TlsError::Pair {
        file: certificate.to_path_buf(),
        reason,
    };
    let configuration = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    Ok(Arc::new(configuration))
}
