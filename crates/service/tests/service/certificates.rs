//! Certificates for tests: an authority, and the certificates that it issues.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ntdsbcli::Fingerprint;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A certification authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key in files.
#[derive(Clone)]
pub struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Issued {
    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.certificate).unwrap()
    }

    /// The SHA-256 of the certificate.
    pub fn fingerprint(&self) -> String {
        Fingerprint::of_certificate(&self.der()).to_string()
    }

    /// The SHA-256 of its public key.
    pub fn pin(&self) -> Fingerprint {
        Fingerprint::of_public_key(&self.der()).unwrap()
    }
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters
            .distinguished_name
            .push(DnType::CommonName, "authority of this test");
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(parameters, key),
            pem,
        }
    }

    /// Its own certificate, in a file.
    pub fn file(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, &self.pem).unwrap();
        path
    }

    /// For the service on this computer.
    pub fn service(&self, folder: &Path, name: &str) -> Issued {
        let mut parameters = parameters(name, ExtendedKeyUsagePurpose::ServerAuth);
        parameters.subject_alt_names = vec![
            rcgen::SanType::DnsName("localhost".try_into().unwrap()),
            rcgen::SanType::IpAddress("127.0.0.1".parse().unwrap()),
        ];
        self.issue(&parameters, folder, name)
    }

    /// For a client whose subject is `CN=name`.
    pub fn client(&self, folder: &Path, name: &str) -> Issued {
        let parameters = parameters(name, ExtendedKeyUsagePurpose::ClientAuth);
        self.issue(&parameters, folder, name)
    }

    /// For a client, expired.
    pub fn expired_client(&self, folder: &Path, name: &str) -> Issued {
        let mut parameters = parameters(name, ExtendedKeyUsagePurpose::ClientAuth);
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
        self.issue(&parameters, folder, name)
    }

    fn issue(&self, parameters: &CertificateParams, folder: &Path, name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let issued = Issued {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&issued.certificate, certificate.pem()).unwrap();
        std::fs::write(&issued.key, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&issued.key, std::fs::Permissions::from_mode(0o600)).unwrap();
        issued
    }
}

fn parameters(name: &str, purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.extended_key_usages = vec![purpose];
    parameters
}
