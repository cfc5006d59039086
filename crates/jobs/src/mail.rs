//! E-mail: a notification by SMTP.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use serde::Deserialize;

use crate::error::{Error, Result};

/// How long a mail server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A mail server, and who writes to whom.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfiguration {
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
    /// The mail server.
    pub server: String,
    /// Its port; that of `tls` if absent.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default)]
    pub tls: MailTls,
    /// A PEM file with the certificate authority of the server, if the system does not trust it.
    pub ca_file: Option<PathBuf>,
    /// The account on the server.
    pub user: Option<String>,
    /// The file whose first line is its password.
    pub password_file: Option<PathBuf>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// After STARTTLS, port 587; a server that does not offer it gets no mail.
    #[default]
    Starttls,
    /// From the beginning, port 465.
    Tls,
    /// Not at all, port 25: for a server on this computer.
    None,
}

impl MailConfiguration {
    /// Whether its parts fit together.
    ///
    /// # Errors
    /// With the reason.
    pub fn check(&self) -> Result<(), String> {
        mailbox(&self.from)?;
        if self.to.is_empty() {
            return Err("mail.to is empty".into());
        }
        for receiver in &self.to {
            mailbox(receiver)?;
        }
        if self.user.is_some() != self.password_file.is_some() {
            return Err("mail.user and mail.password_file belong together".into());
        }
        if self.tls == MailTls::None && !is_here(&self.server) {
            return Err(format!(
                "mail.tls = \"none\" is for a mail server on this computer, not for {}",
                self.server
            ));
        }
        if self.ca_file.is_some() && self.tls == MailTls::None {
            return Err("mail.ca_file is of no use without TLS".into());
        }
        Ok(())
    }

    /// Sends a text.
    ///
    /// # Errors
    /// If the password or certificate cannot be read, or the server does not take the mail.
    pub fn send(&self, subject: &str, text: String) -> Result<()> {
        let failed = |doing: &str, error: &dyn std::fmt::Display| {
            Error::Notify(format!("mail to {}: {doing}: {error}", self.server))
        };
        let mut message = lettre::Message::builder()
            .from(mailbox(&self.from).map_err(Error::Notify)?)
            .subject(subject)
            // No answer of a machine comes back.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".into(),
            ));
        for receiver in &self.to {
            message = message.to(mailbox(receiver).map_err(Error::Notify)?);
        }
        let message = message
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|error| failed("write the message", &error))?;
        let mut transport = SmtpTransport::builder_dangerous(&self.server)
            .port(self.port.unwrap_or(self.tls.port()))
            .timeout(Some(PATIENCE))
            .tls(self.encryption()?);
        if let (Some(user), Some(file)) = (&self.user, &self.password_file) {
            let password = backup::password::line_of(file)?;
            transport = transport.credentials(Credentials::new(user.clone(), password.to_string()));
        }
        let sent = transport.build().send(&message);
        sent.map_err(|error| failed("send", &in_full(&error)))?;
        Ok(())
    }

    fn encryption(&self) -> Result<Tls> {
        let parameters = || -> Result<TlsParameters> {
            let wrong = |error: lettre::transport::smtp::Error| {
                Error::Notify(format!("mail to {}: {}", self.server, in_full(&error)))
            };
            let mut parameters = TlsParameters::builder(self.server.clone());
            if let Some(file) = &self.ca_file {
                let pem = std::fs::read(file).map_err(Error::io("read", file))?;
                parameters =
                    parameters.add_root_certificate(Certificate::from_pem(&pem).map_err(wrong)?);
            }
            parameters.build_rustls().map_err(wrong)
        };
        Ok(match self.tls {
            MailTls::Starttls => Tls::Required(parameters()?),
            MailTls::Tls => Tls::Wrapper(parameters()?),
            MailTls::None => Tls::None,
        })
    }
}

impl MailTls {
    fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

fn mailbox(address: &str) -> Result<Mailbox, String> {
    let parsed = address.parse::<Mailbox>();
    parsed.map_err(|error| format!("{address:?} is no mail address: {error}"))
}

fn is_here(server: &str) -> bool {
    let address = server.parse::<IpAddr>();
    server == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// An error with what caused it.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_together_is_named() {
        let mail = |text: &str| -> MailConfiguration {
            let common = "server = \"mail.example.com\"\nfrom = \"a@example.com\"\n";
            let to = "to = [\"DC admins <b@example.com>\"]\n";
            toml::from_str(&format!("{common}{to}{text}")).expect("keys")
        };
        assert_eq!(mail("").check(), Ok(()));
        assert_eq!(mail("").tls.port(), 587);
        for (text, words) in [
            ("user = \"a\"", "belong together"),
            ("tls = \"none\"", "on this computer"),
        ] {
            let error = mail(text).check().expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
        let nobody = MailConfiguration {
            to: vec!["nobody".into()],
            ..mail("")
        };
        assert!(nobody.check().expect_err("no address").contains("nobody"));
    }
}
