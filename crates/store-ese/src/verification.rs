//! Verifies a file's content on its way to the client.

use std::path::{Path, PathBuf};

use contract::{Error, Result, ResultCode};
use ese::header::Checkpoint;
use ese::log::{LogKind, LogStream, Tail};
use ese::log_set::LogName;
use ese::verify::{Finding, PageVerifier};
use model::Damage;

use crate::layout::Role;

/// The most damages that are described; the others are only counted.
const TOLD: usize = 20;
/// A checkpoint is two copies of 4096 bytes; of a longer file only these are kept for the check.
const CHECKPOINT_SIZE: usize = 8192;

/// Checks one file, fed in pieces from its start.
pub(crate) struct Verification {
    path: PathBuf,
    allow_corrupt: bool,
    check: Check,
    damage: Damage,
}

enum Check {
    Pages(Box<PageVerifier>),
    Log {
        /// `None` once damage was found: the rest of the log cannot be verified.
        stream: Option<Box<LogStream>>,
        name: LogName,
    },
    Checkpoint(Vec<u8>),
    /// The file has no data that a restore needs, or none of a known form.
    Nothing,
}

impl Verification {
    pub(crate) fn new(path: &Path, role: Role, allow_corrupt: bool) -> Self {
        let log = |kind, name| Check::Log {
            stream: Some(Box::new(LogStream::new(path, kind))),
            name,
        };
        let check = match role {
            Role::Database => Check::Pages(Box::default()),
            Role::Log(name @ LogName::Numbered { .. }) => log(LogKind::Numbered, name),
            Role::Log(name @ LogName::Current) => log(LogKind::Current, name),
            Role::Checkpoint => Check::Checkpoint(Vec::new()),
            Role::Log(LogName::Temporary | LogName::Reserved { .. })
            | Role::Patch
            | Role::FlushMap => Check::Nothing,
        };
        Self {
            path: path.to_path_buf(),
            allow_corrupt,
            check,
            damage: Damage::default(),
        }
    }

    /// Verifies the file's next bytes.
    ///
    /// # Errors
    /// For damage that is not allowed: `hrReadVerifyFailure`, `hrLogFileCorrupt`, or an unknown
    /// version's code.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Result<()> {
        match &mut self.check {
            Check::Pages(verifier) => {
                let findings = verifier.feed(piece);
                self.found_in_pages(&findings)
            }
            Check::Log { stream, .. } => match stream.as_mut().map(|stream| stream.feed(piece)) {
                Some(Err(damage)) => {
                    *stream = None;
                    self.found(ResultCode::LOG_FILE_CORRUPT, &damage)
                }
                _ => Ok(()),
            },
            Check::Checkpoint(start) => {
                let room = CHECKPOINT_SIZE.saturating_sub(start.len()).min(piece.len());
                start.extend_from_slice(&piece[..room]);
                Ok(())
            }
            Check::Nothing => Ok(()),
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// As [`Verification::feed`], and `hrCheckpointCorrupt`.
    pub(crate) fn finish(mut self) -> Result<Damage> {
        match std::mem::replace(&mut self.check, Check::Nothing) {
            Check::Pages(verifier) => {
                let (findings, summary) = verifier.finish();
                self.found_in_pages(&findings)?;
                if summary.lacks_patch() {
                    let damage = self.damaged(
                        summary.bytes,
                        "end of the file",
                        "the last page of a streaming backup",
                        "none: the copy was cut short",
                    );
                    self.found(ResultCode::READ_VERIFY_FAILURE, &damage)?;
                }
            }
            Check::Log {
                stream: Some(stream),
                name,
            } => match stream.finish() {
                Ok(sound) => self.finish_log(&sound.identity, sound.tail, name)?,
                Err(damage) => self.found(ResultCode::LOG_FILE_CORRUPT, &damage)?,
            },
            Check::Log { stream: None, .. } | Check::Nothing => {}
            Check::Checkpoint(start) => {
                if let Err(fault) = Checkpoint::parse(&start) {
                    self.found(ResultCode::CHECKPOINT_CORRUPT, &fault.in_file(&self.path))?;
                }
            }
        }
        Ok(self.damage)
    }

    fn finish_log(
        &mut self,
        identity: &ese::log::LogIdentity,
        tail: Tail,
        name: LogName,
    ) -> Result<()> {
        if let LogName::Numbered { generation, .. } = name
            && identity.generation != generation
        {
            let damage = self.damaged(
                4,
                "log file header",
                format!("generation {generation:#x}, as in the file's name"),
                format!("generation {:#x}", identity.generation),
            );
            return self.found(ResultCode::LOG_FILE_CORRUPT, &damage);
        }
        if let Tail::Torn { sector } = tail {
            tracing::warn!(
                log = %self.path.display(),
                sector,
                "the last write to the log was torn, as by a crash; recovery handles that"
            );
        }
        Ok(())
    }

    fn found_in_pages(&mut self, findings: &[Finding]) -> Result<()> {
        for finding in findings {
            let damage = finding.in_file(&self.path);
            self.found(ResultCode::READ_VERIFY_FAILURE, &damage)?;
        }
        Ok(())
    }

    /// Counts an allowed damage, or fails.
    fn found(&mut self, code: ResultCode, damage: &ese::Error) -> Result<()> {
        if !self.allow_corrupt {
            return Err(refusal(code, damage));
        }
        if self.damage.first.len() < TOLD {
            self.damage.first.push(damage.to_string());
        }
        self.damage.count = self.damage.count.saturating_add(1);
        tracing::warn!(%damage, "backed up all the same, as was asked for");
        Ok(())
    }

    fn damaged(
        &self,
        offset: u64,
        structure: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> ese::Error {
        ese::Error::Damaged {
            file: self.path.clone(),
            offset,
            structure: structure.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

fn refusal(code: ResultCode, damage: &ese::Error) -> Error {
    let code = match damage {
        ese::Error::Unsupported { .. } if code == ResultCode::LOG_FILE_CORRUPT => {
            ResultCode::BAD_LOG_VERSION
        }
        ese::Error::Io { .. } => ResultCode::DISK_IO,
        _ => code,
    };
    Error::new(
        code,
        format!(
            "{damage}; the backup stops. Check the disk and the memory of this machine, and keep \
             older backups; to back up the damaged file as it is, allow corrupt files"
        ),
    )
}
