//! The TLS parameters of both sides: version 1.3 only, HTTP/2, channel binding, and fingerprints of
//! keys and certificates.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use ids::hex;
use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

/// The default TCP port of the service.
pub const DEFAULT_PORT: u16 = 18390;

/// The ALPN name of the protocol inside TLS: HTTP/2, which carries gRPC.
pub const ALPN: &[u8] = b"h2";

/// The only TLS version.
pub const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The exporter label of the channel binding (RFC 9266).
const EXPORTER: &[u8] = b"EXPORTER-Channel-Binding";

/// The channel binding of a TLS connection (RFC 9266), known only to its two ends. Tickets are
/// bound to it.
///
/// # Errors
/// `hrError` if the handshake is not complete.
pub fn channel_binding<Data>(connection: &rustls::ConnectionCommon<Data>) -> Result<Vec<u8>> {
    let exported = connection
        .export_keying_material([0; 32], EXPORTER, None)
        .map_err(|error| Error::new(ResultCode::ERROR, error.to_string()))?;
    Ok([b"tls-exporter:", exported.as_slice()].concat())
}

/// The crypto provider: ring, which builds for every client platform with just a C compiler.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A SHA-256: of a certificate (its DER form), or of a public key (SubjectPublicKeyInfo in DER).
/// Written in hexadecimal; colons between bytes are read too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate, as `openssl x509 -fingerprint -sha256` shows it.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// Of a certificate's public key, which stays the same when the certificate is renewed with the
    /// same key.
    ///
    /// # Errors
    /// `hrInvalidParam` if the bytes are no certificate.
    pub fn of_public_key(certificate: &CertificateDer<'_>) -> Result<Self> {
        let certificate = webpki::EndEntityCert::try_from(certificate).map_err(|error| {
            Error::new(
                ResultCode::INVALID_PARAM,
                format!("not a usable certificate: {error}"),
            )
        })?;
        Ok(Self(
            Sha256::digest(certificate.subject_public_key_info()).into(),
        ))
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.replace(':', "");
        hex::decode_array(&digits).map(Self).ok_or_else(|| {
            Error::new(
                ResultCode::INVALID_PARAM,
                format!("{text:?}: expected a SHA-256, 64 hexadecimal digits"),
            )
        })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The certificates of a PEM file, in its order; at least one.
///
/// # Errors
/// `hrInvalidParam` naming the file.
pub fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| unusable(file, &error))?;
    if certificates.is_empty() {
        return Err(unusable(file, &"there is no certificate in it"));
    }
    Ok(certificates)
}

/// The private key of a PEM file (PKCS#8, or the older forms).
///
/// # Errors
/// `hrInvalidParam` naming the file; the key itself is never shown.
pub fn read_private_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    refuse_open_to_others(file)?;
    PrivateKeyDer::from_pem_file(file).map_err(|error| unusable(file, &error))
}

/// Refuses a private key that users other than its owner and group may access.
#[cfg(unix)]
fn refuse_open_to_others(file: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(file).map_err(|error| unusable(file, &error))?;
    if metadata.mode() & 0o007 != 0 {
        return Err(unusable(
            file,
            &"other users may access this private key; revoke that (chmod o= FILE)",
        ));
    }
    Ok(())
}

#[cfg(windows)]
fn refuse_open_to_others(file: &Path) -> Result<()> {
    let open = std::fs::File::open(file);
    let others = open.and_then(|open| platform::access::too_open_for_a_secret(&open, file));
    match others.map_err(|error| unusable(file, &error))? {
        Some(reason) => Err(unusable(file, &format!("this private key {reason}"))),
        None => Ok(()),
    }
}

fn unusable(file: &Path, reason: &dyn fmt::Display) -> Error {
    Error::new(
        ResultCode::INVALID_PARAM,
        format!("{}: {reason}", file.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_openssl_writes_them() {
        let plain = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let fingerprint: Fingerprint = plain.parse().unwrap();
        assert_eq!(fingerprint.to_string(), plain);
        let pairs: Vec<String> = (0..32)
            .map(|index| plain[2 * index..][..2].to_uppercase())
            .collect();
        assert_eq!(pairs.join(":").parse(), Ok(fingerprint));
        for wrong in ["", "00", &plain[1..], &plain.replace('a', "g")] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}
