//! The authentication of a server by its certificate.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::tls::{self, Fingerprint};

/// Verifies a server's certificate by authority, key, or both.
#[derive(Debug)]
pub struct KnownServer {
    authority: Option<Arc<WebPkiServerVerifier>>,
    pin: Option<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl KnownServer {
    /// With the certificates of the authority that issued the server's (PEM), the SHA-256 of its
    /// public key, or both. Without either no server is accepted.
    ///
    /// # Errors
    /// `hrInvalidParam` for an unusable file.
    pub fn new(ca_file: Option<&Path>, pin: Option<Fingerprint>) -> Result<Self> {
        let provider = tls::provider();
        let authority = ca_file
            .map(|file| {
                let unusable = |reason: &dyn fmt::Display| {
                    Error::new(
                        ResultCode::INVALID_PARAM,
                        format!("{}: {reason}", file.display()),
                    )
                };
                let mut roots = RootCertStore::empty();
                for certificate in tls::read_certificates(file)? {
                    roots.add(certificate).map_err(|error| unusable(&error))?;
                }
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(|error| unusable(&error))
            })
            .transpose()?;
        Ok(Self {
            authority,
            pin,
            provider,
        })
    }
}

impl ServerCertVerifier for KnownServer {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if let Some(authority) = &self.authority {
            authority.verify_server_cert(certificate, intermediates, name, ocsp, now)?;
        }
        if let Some(pin) = self.pin {
            let found = Fingerprint::of_public_key(certificate)
                .map_err(|_| CertificateError::BadEncoding)?;
            if found != pin {
                return Err(rustls::Error::General(format!(
                    "the server's public key is not the pinned one: expected {pin}, found {found}"
                )));
            }
        }
        if self.authority.is_none() && self.pin.is_none() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
