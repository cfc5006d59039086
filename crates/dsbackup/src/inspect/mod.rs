//! `dsbackup inspect`: what is this file, and what does it need?

mod fields;
mod logs;
mod records;

use std::path::Path;

use ese::flush_map::FlushMap;
use ese::header::{
    Attachment, Checkpoint, DatabaseHeaders, Field, FileKind, HeaderCopies, LogHeader, PatchHeader,
};
use ese::log::{LogKind, Tail};
use ese::log_set::{LogName, base_names};
use serde::Serialize;

use crate::cli::InspectOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{Report, bytes};
use crate::samba_file;
use fields::Fields;
use logs::LogNeeds;

/// What is known of a file, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Inspection {
    file: String,
    kind: String,
    size: u64,
    /// What to make of it, in a sentence.
    verdict: String,
    /// Whether damage was found in what was looked at.
    damaged: bool,
    #[serde(skip_serializing_if = "Fields::is_empty")]
    fields: Fields,
    /// Databases that a log or checkpoint names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attached: Vec<Attached>,
    /// The logs that a database needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<LogNeeds>,
    /// What else is to be known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Attached {
    id: u8,
    path: String,
    signature: String,
}

/// Inspects one file.
///
/// # Errors
/// Where it cannot be read, or is no file of the engine.
pub fn run(options: &InspectOptions, report: Report) -> Result<Outcome> {
    let path = &options.file;
    // First of all, since this refuses pipes and devices.
    let kind = FileKind::of_file(path)?;
    if let Some(kind) = samba::DatabaseKind::of_file(path)?
        && !options.records
    {
        return samba_file::inspect(path, kind, report);
    }
    if options.records {
        return match kind {
            FileKind::Log => records::run(path, report),
            kind => Err(Failure::NotFound(format!(
                "{}: --records wants a log, and this is a {kind}",
                path.display()
            ))),
        };
    }
    let mut found = Inspection::new(path, kind)?;
    match kind {
        FileKind::Database => found.database(path, options.logs.as_deref())?,
        FileKind::Log => found.log(path)?,
        FileKind::Checkpoint => found.checkpoint(path)?,
        FileKind::FlushMap => found.flush_map(path)?,
        FileKind::ReservedLog => {
            found.verdict =
                "keeps space for a full disk; it holds nothing, and a backup does without it"
                    .into();
        }
        FileKind::TemporaryLog => {
            found.verdict =
                "the next log being made; it holds nothing yet, and a backup does without it"
                    .into();
        }
        FileKind::PatchFile => {
            found.verdict = "pages that old engines set aside while a streaming backup ran; newer \
                             ones end the \
                             database's copy with a patch page instead"
                .into();
        }
        FileKind::Unknown => {
            return Err(Failure::no_engine_file(path));
        }
    }
    report.result(&found, || found.in_words())?;
    Ok(match found.damaged {
        true => Outcome::DamageFound,
        false => Outcome::Done,
    })
}

/// What the name of a log makes of it: the one in use may end in a torn write, a finished one must
/// be whole.
fn kind_of_log(path: &Path) -> LogKind {
    let name = path.file_name().and_then(|name| name.to_str());
    let base = name.and_then(|name| base_names(name).into_iter().next());
    match name
        .zip(base)
        .and_then(|(name, base)| LogName::parse(name, &base))
    {
        Some(LogName::Current) => LogKind::Current,
        _ => LogKind::Numbered,
    }
}

impl Inspection {
    fn new(path: &Path, kind: FileKind) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(Failure::io("inspect", path))?;
        Ok(Self {
            file: path.display().to_string(),
            kind: kind.to_string(),
            size: metadata.len(),
            verdict: String::new(),
            damaged: false,
            fields: Fields::default(),
            attached: Vec::new(),
            logs: None,
            notes: Vec::new(),
        })
    }

    fn database(&mut self, path: &Path, logs: Option<&Path>) -> Result<()> {
        let headers = DatabaseHeaders::read(path)?;
        let patch = match headers.header.awaits_patch() {
            true => self.patch_page(path, &headers)?,
            false => None,
        };
        self.fields = Fields(headers.header.listing(patch.as_ref()));
        match headers.copies {
            HeaderCopies::Identical => {}
            HeaderCopies::Differ => self.notes.push(
                "the two copies of the header differ: the engine was stopped between the two \
                 writes, or a backup stamped the first; the first counts"
                    .into(),
            ),
            HeaderCopies::ShadowBad | HeaderCopies::PrimaryBad => {
                self.damaged = true;
                let which = match headers.copies {
                    HeaderCopies::PrimaryBad => {
                        "the first copy of the header is damaged, its shadow counts"
                    }
                    _ => "the shadow copy of the header is damaged",
                };
                let fault = headers.fault.as_ref().map(|fault| format!(": {fault}"));
                self.notes
                    .push(format!("{which}{}", fault.unwrap_or_default()));
            }
        }
        let header = &headers.header;
        self.notes.extend(header.newer_format());
        if header.is_temporary() {
            self.verdict = format!(
                "{}: a temporary database of the engine, which throws it away when it starts; \
                 nothing to recover",
                header.state()
            );
            return Ok(());
        }
        let needs = LogNeeds::of(path, header, patch.as_ref(), logs)?;
        self.verdict = match &needs {
            _ if header.bad_state().is_some() => header.bad_state().unwrap_or_default(),
            None => format!("{}: whole without any log", headers.header.state()),
            Some(needs) => needs.verdict(&headers.header.state().to_string()),
        };
        self.logs = needs;
        Ok(())
    }

    /// The page that ends a streaming backup.
    fn patch_page(
        &mut self,
        path: &Path,
        headers: &DatabaseHeaders,
    ) -> Result<Option<PatchHeader>> {
        use std::io::{Read, Seek, SeekFrom};
        let io = |source| Failure::io("read the last page", path)(source);
        let page_size = headers.header.page_size().bytes();
        let mut page = vec![0; page_size];
        let start = self.size.saturating_sub(page_size as u64);
        let mut file = std::fs::File::open(path).map_err(io)?;
        file.seek(SeekFrom::Start(start)).map_err(io)?;
        file.read_exact(&mut page).map_err(io)?;
        let patch = PatchHeader::parse(&page)
            .and_then(|patch| patch.check_belongs_to(&headers.header).map(|()| patch));
        match patch {
            Ok(patch) => Ok(Some(patch)),
            Err(fault) => {
                self.damaged = true;
                self.notes.push(format!(
                    "this is the copy of a streaming backup, and the page that must end it is not \
                     there ({fault}): the copy was cut short"
                ));
                Ok(None)
            }
        }
    }

    fn log(&mut self, path: &Path) -> Result<()> {
        let header = LogHeader::read(path)?;
        self.fields = Fields(header.listing());
        self.attached = attached(&header.attachments());
        let file = std::fs::File::open(path).map_err(Failure::io("read the log", path))?;
        match ese::log::verify(path, kind_of_log(path), file) {
            Ok(sound) => {
                self.field("Last Lgpos", sound.end.to_string());
                let checksum = format!("{:#018x}", sound.segments_checksum);
                self.field("Accumulated segment checksum", checksum);
                self.verdict = match sound.tail {
                    Tail::Complete => "sound, written to its end".into(),
                    Tail::Unwritten { sector } => {
                        format!("sound, written up to segment {sector:#x}")
                    }
                    Tail::Torn { sector } => format!(
                        "sound; the last write, of segment {sector:#x}, was torn by a crash, \
                         which recovery mends"
                    ),
                };
            }
            Err(error @ ese::Error::Damaged { .. }) => {
                self.damaged = true;
                self.verdict = format!("DAMAGED: {error}");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn checkpoint(&mut self, path: &Path) -> Result<()> {
        let checkpoint = Checkpoint::read(path)?;
        self.fields = Fields(checkpoint.listing());
        self.attached = attached(&checkpoint.attachments());
        self.verdict = format!(
            "recovery may start at {}: older logs are not needed for it",
            checkpoint.checkpoint
        );
        Ok(())
    }

    fn flush_map(&mut self, path: &Path) -> Result<()> {
        let map = FlushMap::read(path)?;
        self.fields = Fields(map.header().listing());
        self.damaged = !map.findings().is_empty();
        self.notes
            .extend(map.findings().iter().map(ToString::to_string));
        self.verdict = match (self.damaged, map.header().is_clean()) {
            (true, _) => {
                "DAMAGED: it says nothing of the pages that it names in these places".into()
            }
            (_, true) => "sound and closed".into(),
            (_, false) => {
                "sound, but not closed, as after a crash: it says nothing of the database".into()
            }
        };
        Ok(())
    }

    fn field(&mut self, name: &'static str, value: String) {
        self.fields.0.push(Field {
            section: "",
            name,
            value,
        });
    }

    fn in_words(&self) -> String {
        let mut text = format!("{}: {}, {}\n", self.file, self.kind, bytes(self.size));
        text += &self.fields.in_words();
        if !self.attached.is_empty() {
            text += "\nAttached databases:\n";
            for database in &self.attached {
                text += &format!(
                    "    {} {}  {}\n",
                    database.id, database.path, database.signature
                );
            }
        }
        if let Some(logs) = &self.logs {
            text += &logs.in_words();
        }
        text.push('\n');
        for note in &self.notes {
            text += &format!("note: {note}\n");
        }
        text + &self.verdict
    }
}

fn attached(attachments: &[Attachment]) -> Vec<Attached> {
    let attached = |attachment: &Attachment| Attached {
        id: attachment.database_id,
        path: attachment.path.clone(),
        signature: attachment.database_signature.to_string(),
    };
    attachments.iter().map(attached).collect()
}
