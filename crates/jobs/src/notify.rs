//! Notifications of jobs: to a command, to a web hook, or by e-mail.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::mail::MailConfiguration;

/// How long a web hook may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest text that is sent, in bytes; services refuse longer ones.
const TEXT_LIMIT: usize = 3500;

/// Who is notified of what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfiguration {
    /// The events.
    #[serde(default = "problems")]
    pub on: Vec<Event>,
    /// A command that gets the message as JSON on standard input.
    pub command: Option<String>,
    /// The address of a web hook.
    pub webhook: Option<String>,
    /// The file whose first line is the address, if that is a secret.
    pub webhook_file: Option<PathBuf>,
    /// A mail server, and who writes to whom.
    pub mail: Option<MailConfiguration>,
    /// The form in which the web hook gets the message.
    #[serde(default)]
    pub format: Format,
}

fn problems() -> Vec<Event> {
    vec![Event::Warning, Event::Failure, Event::Alarm]
}

/// What happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// It begins.
    Start,
    /// All was done, and nothing is damaged.
    Success,
    /// The backup was made, but a drill could not prove it on this computer.
    Warning,
    /// A step failed, or damage was found.
    Failure,
    /// The backup was made, and the directory changed more than expected.
    Alarm,
}

/// The form of a web hook's message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// All fields as JSON.
    #[default]
    Json,
    /// Slack, Mattermost, Rocket.Chat.
    Slack,
    /// Microsoft Teams (a workflow that posts a card).
    Teams,
    /// ntfy: title and priority as headers.
    Ntfy,
}

/// What is told.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    /// What happened.
    pub event: Event,
    /// The job.
    pub job: String,
    /// This computer.
    pub host: String,
    /// When, RFC 3339, UTC.
    pub time: String,
    /// One line.
    pub title: String,
    /// What failed, or what was done, a line for each repository.
    pub text: String,
    /// What to do, if anything.
    pub advice: Option<String>,
}

impl NotifyConfiguration {
    /// Whether it names one receiver.
    ///
    /// # Errors
    /// With the reason.
    pub fn check(&self) -> Result<(), String> {
        let receivers = [
            self.command.is_some(),
            self.webhook.is_some(),
            self.webhook_file.is_some(),
            self.mail.is_some(),
        ];
        if receivers.iter().filter(|named| **named).count() != 1 {
            return Err("exactly one of command, webhook, webhook_file and mail".into());
        }
        match (&self.webhook, &self.mail) {
            (Some(address), _) => check_address(address),
            (None, Some(mail)) => mail.check(),
            (None, None) => Ok(()),
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// If the command fails, or the web hook does not take the message. The error does not contain
    /// the address.
    pub fn send(&self, message: &Message) -> Result<()> {
        if let Some(mail) = &self.mail {
            return mail.send(&message.title, message.in_words());
        }
        if let Some(command) = &self.command {
            return to_command(command, message);
        }
        if let Some(address) = self.address()? {
            to_web_hook(&address, self.format, message)?;
        }
        Ok(())
    }

    /// The address of the web hook, if it is one.
    fn address(&self) -> Result<Option<String>> {
        let Some(file) = &self.webhook_file else {
            return Ok(self.webhook.clone());
        };
        let line = backup::password::line_of(file)?;
        let address = line.trim();
        check_address(address).map_err(Error::Notify)?;
        Ok(Some(address.to_owned()))
    }

    /// Whether the secrets that it names can be read.
    ///
    /// # Errors
    /// If a file is missing, others can read it, or it holds no address.
    pub fn check_secrets(&self) -> Result<()> {
        self.address()?;
        if let Some(file) = self
            .mail
            .as_ref()
            .and_then(|mail| mail.password_file.as_ref())
        {
            backup::password::line_of(file)?;
        }
        Ok(())
    }
}

impl Message {
    /// The text, and what to do.
    fn in_words(&self) -> String {
        let advice = match &self.advice {
            Some(advice) => format!("\nWhat to do: {advice}\n"),
            None => String::new(),
        };
        format!("{}\n{advice}", short(&self.text))
    }
}

fn check_address(address: &str) -> Result<(), String> {
    match address.starts_with("https://") || address.starts_with("http://") {
        true => Ok(()),
        false => Err("the address of the web hook begins with neither https:// nor http://".into()),
    }
}

fn to_command(command: &str, message: &Message) -> Result<()> {
    let failed = |error| Error::io("run", command)(error);
    let json = serde_json::to_vec(message).expect("strings become JSON");
    let mut child = platform::process::shell(command)
        .env("DSBACKUP_JOB", &message.job)
        .env("DSBACKUP_TITLE", &message.title)
        .stdin(Stdio::piped())
        .stdout(std::io::stderr())
        .spawn()
        .map_err(failed)?;
    // A command that does not read is no failure; it decides by its exit code.
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(&json);
    }
    let status = child.wait().map_err(failed)?;
    match status.success() {
        true => Ok(()),
        false => Err(Error::Hook {
            command: command.to_owned(),
            status: status.to_string(),
        }),
    }
}

fn to_web_hook(address: &str, format: Format, message: &Message) -> Result<()> {
    let failed = |error: reqwest::Error| {
        // The address often contains a token.
        Error::Notify(format!("the web hook: {}", error.without_url()))
    };
    let client = reqwest::blocking::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(failed)?;
    let request = client.post(address);
    let request = match format {
        Format::Ntfy => request
            .header("Title", plain(&message.title))
            .header("Priority", priority(message.event))
            .body(message.in_words()),
        format => request
            .header("Content-Type", "application/json")
            .body(body(format, message).to_string()),
    };
    let response = request.send().map_err(failed)?;
    match response.status().is_success() {
        true => Ok(()),
        false => Err(Error::Notify(format!(
            "the web hook answers {}",
            response.status()
        ))),
    }
}

fn body(format: Format, message: &Message) -> Value {
    let (title, text) = (&message.title, message.in_words());
    match format {
        Format::Json | Format::Ntfy => serde_json::to_value(message).expect("strings become JSON"),
        Format::Slack => json!({ "text": format!("*{title}*\n{text}") }),
        Format::Teams => json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": [
                        { "type": "TextBlock", "text": title, "weight": "Bolder", "wrap": true },
                        { "type": "TextBlock", "text": text, "wrap": true },
                    ],
                },
            }],
        }),
    }
}

fn priority(event: Event) -> &'static str {
    match event {
        Event::Failure | Event::Alarm => "high",
        Event::Warning => "default",
        Event::Start | Event::Success => "low",
    }
}

/// A header takes visible ASCII only.
fn plain(text: &str) -> String {
    let visible = |c: char| {
        if c == ' ' || c.is_ascii_graphic() {
            c
        } else {
            '?'
        }
    };
    text.chars().map(visible).collect()
}

fn short(text: &str) -> &str {
    let mut end = text.len().min(TEXT_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
