//! Maps client certificates to callers.
//!
//! A certificate that is mapped by its fingerprint is accepted while it is valid, whoever issued
//! it. One that is mapped by its subject is accepted only if the configured authority issued it for
//! clients.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use contract::{Error, Result, ResultCode};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use wire::tls::{self, Fingerprint};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::name::RdnSequence;

use super::identity::{Identity, Privileges};
use crate::configuration::remote::{ClientConfiguration, RemoteConfiguration};

/// The configured certificates.
pub(crate) struct Mapping {
    by_fingerprint: HashMap<Fingerprint, Arc<Identity>>,
    /// By the subject as RFC 4514 writes it.
    by_subject: HashMap<String, Arc<Identity>>,
    authority: Option<Arc<dyn ClientCertVerifier>>,
}

/// A client without a mapping, as logs name it.
pub(crate) struct Stranger {
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl Mapping {
    /// # Errors
    /// `hrInvalidParam` for an unusable entry or authority.
    pub(crate) fn new(configuration: &RemoteConfiguration) -> Result<Self> {
        let mut mapping = Self {
            by_fingerprint: HashMap::new(),
            by_subject: HashMap::new(),
            authority: None,
        };
        if let Some(file) = &configuration.client_ca {
            let unusable = |reason: String| {
                Error::new(
                    ResultCode::INVALID_PARAM,
                    format!("client_ca = {}: {reason}", file.display()),
                )
            };
            let mut roots = RootCertStore::empty();
            for certificate in tls::read_certificates(file)? {
                roots
                    .add(certificate)
                    .map_err(|error| unusable(error.to_string()))?;
            }
            mapping.authority = Some(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider())
                    .build()
                    .map_err(|error| unusable(error.to_string()))?,
            );
        }
        for client in &configuration.clients {
            mapping.add(client)?;
        }
        Ok(mapping)
    }

    fn add(&mut self, client: &ClientConfiguration) -> Result<()> {
        let refused = |reason: String| {
            Error::new(
                ResultCode::INVALID_PARAM,
                format!("remote client {:?}: {reason}", client.name),
            )
        };
        let identity = Arc::new(Identity {
            name: client.name.clone(),
            privileges: Privileges {
                backup: client.backup,
                restore: client.restore,
            },
        });
        let earlier = match (&client.fingerprint, &client.subject) {
            (Some(fingerprint), None) => {
                let fingerprint = fingerprint
                    .parse()
                    .map_err(|error: Error| refused(format!("fingerprint: {}", error.reason)))?;
                self.by_fingerprint.insert(fingerprint, identity)
            }
            (None, Some(subject)) => {
                if self.authority.is_none() {
                    return Err(refused(
                        "a subject proves nothing without the authority that vouches for it: set \
                         client_ca, or map the certificate by its fingerprint"
                            .into(),
                    ));
                }
                let subject = RdnSequence::from_str(subject)
                    .ok()
                    .filter(|subject| !subject.is_empty())
                    .ok_or_else(|| {
                        refused(format!(
                            "subject {subject:?}: expected such as CN=backup,O=Example"
                        ))
                    })?;
                self.by_subject.insert(subject.to_string(), identity)
            }
            _ => return Err(refused("expected either fingerprint or subject".into())),
        };
        match earlier {
            None => Ok(()),
            Some(earlier) => Err(refused(format!(
                "its certificate is mapped to {:?} too",
                earlier.name
            ))),
        }
    }

    /// The caller behind a client's certificate chain. The client's own certificate comes first;
    /// the handshake has verified possession of its key.
    pub(crate) fn identify(
        &self,
        shown: &[CertificateDer<'_>],
    ) -> std::result::Result<Arc<Identity>, Stranger> {
        let stranger = |name: &str, reason: String| Stranger {
            name: name.to_owned(),
            reason,
        };
        let Some((own, intermediates)) = shown.split_first() else {
            return Err(stranger("unknown", "it showed no certificate".into()));
        };
        let certificate = Certificate::from_der(own).map_err(|error| {
            stranger(
                "unknown",
                format!("its certificate cannot be read: {error}"),
            )
        })?;
        let certificate = &certificate.tbs_certificate;
        let fingerprint = Fingerprint::of_certificate(own);
        let subject = certificate.subject.to_string();
        if let Some(identity) = self.by_fingerprint.get(&fingerprint) {
            let validity = &certificate.validity;
            let now = SystemTime::now();
            return if validity.not_before.to_system_time() <= now
                && now <= validity.not_after.to_system_time()
            {
                Ok(identity.clone())
            } else {
                Err(stranger(
                    &identity.name,
                    format!(
                        "its certificate is valid from {} to {}",
                        validity.not_before, validity.not_after
                    ),
                ))
            };
        }
        let (Some(identity), Some(authority)) = (self.by_subject.get(&subject), &self.authority)
        else {
            return Err(stranger(
                &subject,
                format!("its certificate is not mapped; fingerprint {fingerprint}"),
            ));
        };
        match authority.verify_client_cert(own, intermediates, UnixTime::now()) {
            Ok(_) => Ok(identity.clone()),
            Err(error) => Err(stranger(&subject, error.to_string())),
        }
    }
}
