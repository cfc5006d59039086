//! The journal: every write, durable before it is made, so that a restore can go on after a crash
//! and be taken back.
//!
//! A line is a record in JSON. Passwords and hashes are never in it, only how many bytes they have.
//! The last line may be cut short.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ids::Guid;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::pair::History;
use crate::request::Request;

/// How long a process that was killed may have left work behind: a transaction of the server's database.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest last line of a journal that has ended, in bytes, and more.
const LAST: u64 = 4 << 10;

/// The form of the records.
const FORMAT: u32 = 1;

/// The longest line that is read: an object with all its values.
const LONGEST: u64 = 256 << 20;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The first one.
    Restore(Begin),
    /// Another run goes on.
    Resumed,
    /// A write that is about to be made.
    Step(Step),
    /// It was made.
    Done {
        /// Its number.
        step: u64,
        /// The objectGUID of an object that was made anew.
        #[serde(skip_serializing_if = "Option::is_none")]
        now: Option<Guid>,
    },
    /// The server refused it, in whole or in part.
    Refused {
        /// Its number.
        step: u64,
        /// The server's words.
        reason: String,
    },
    /// The run came to its end, and was checked.
    Ended {
        /// What the server refused.
        refused: usize,
        /// What differs from the backup all the same.
        differing: usize,
    },
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The form of the records: 1.
    pub format: u32,
    /// The backup.
    pub source: String,
    /// The server.
    pub target: String,
    /// What of it is brought back.
    pub request: Request,
}

/// A write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its number, from 1.
    pub step: u64,
    /// The object in the backup; of a link the one that holds it.
    pub object: Guid,
    /// Its name.
    pub dn: String,
    /// What is written.
    #[serde(flatten)]
    pub write: Effect,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "write", rename_all = "snake_case")]
pub enum Effect {
    /// A deleted object comes back.
    Reanimate {
        /// From this name.
        from: String,
        /// With these values, where the server takes them along.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changes: Vec<Change>,
    },
    /// An object is made anew.
    Create,
    /// An object is moved or renamed.
    Move {
        /// From this name.
        from: String,
    },
    /// Files of a group policy are put back.
    Files {
        /// Their folder beneath SYSVOL.
        folder: String,
        /// The name under which those of before are kept.
        aside: String,
    },
    /// Values change.
    Modify {
        /// The attributes.
        changes: Vec<Change>,
    },
}

/// Other values of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The attribute.
    pub attribute: String,
    /// Values that go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Octets>,
    /// Values that come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Octets>,
    /// Of a password or key: how many bytes come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<usize>,
}

/// A value: text where it is such.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Octets(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Base64 { base64: String },
}

impl From<Octets> for Written {
    fn from(octets: Octets) -> Self {
        match String::from_utf8(octets.0) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Base64 {
                base64: STANDARD.encode(error.as_bytes()),
            },
        }
    }
}

impl From<Written> for Octets {
    fn from(written: Written) -> Self {
        match written {
            Written::Text(text) => Self(text.into_bytes()),
            Written::Base64 { base64 } => Self(STANDARD.decode(base64).unwrap_or_default()),
        }
    }
}

/// A journal that is written.
pub struct Journal {
    path: PathBuf,
    file: File,
    last: u64,
}

impl Journal {
    /// Begins a journal in a new file that only its owner may read.
    ///
    /// # Errors
    /// Where there is such a file already, or it cannot be written.
    pub fn begin(path: &Path, begin: Begin) -> Result<Self> {
        let file = platform::private::create_new(path).map_err(failed(path, "create"))?;
        file.lock_shared().map_err(failed(path, "lock"))?;
        let mut journal = Self {
            path: path.to_path_buf(),
            file,
            last: 0,
        };
        journal.add(&[Record::Restore(begin)])?;
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let folder = folder.unwrap_or(Path::new("."));
        let synced = platform::file::sync_folder(folder);
        synced.map_err(failed(folder, "make the journal durable in"))?;
        Ok(journal)
    }

    /// Goes on with a journal.
    ///
    /// # Errors
    /// Where it cannot be written, or somebody else goes on with it.
    pub fn resume(path: &Path, records: &Records) -> Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = (options.write(true).open(path)).map_err(failed(path, "open"))?;
        lock(&file, path, Duration::ZERO)?;
        // What writes on behalf of this run holds it as well, and longer if the run is killed.
        file.lock_shared().map_err(failed(path, "lock"))?;
        // A line that was cut short was not durable: its write was not made.
        let whole = file.set_len(records.bytes);
        whole.map_err(failed(path, "cut its last line off"))?;
        file.seek(SeekFrom::End(0)).map_err(failed(path, "write"))?;
        let steps = records.steps.iter().map(|(step, _)| step.step);
        let mut journal = Self {
            path: path.to_path_buf(),
            file,
            last: steps.max().unwrap_or(0),
        };
        journal.add(&[Record::Resumed])?;
        Ok(journal)
    }

    /// The number for the next step.
    pub fn next_step(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds records, and returns when they are durable.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn add(&mut self, records: &[Record]) -> Result<()> {
        self.note(records)?;
        self.file.sync_data().map_err(failed(&self.path, "sync"))
    }

    /// Adds records that may be lost in a crash.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn note(&mut self, records: &[Record]) -> Result<()> {
        let mut bytes = Vec::new();
        for record in records {
            serde_json::to_writer(&mut bytes, record)
                .map_err(|error| failed(&self.path, "write")(error.into()))?;
            bytes.push(b'\n');
        }
        self.file
            .write_all(&bytes)
            .map_err(failed(&self.path, "write"))
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Locks a journal that nobody else uses, and waits so long for that.
fn lock(file: &File, path: &Path, patience: Duration) -> Result<()> {
    let begin = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begin.elapsed() >= patience => {
                return Err(Error::Refused(format!(
                    "{}: another process still writes with this journal: wait until it ends",
                    path.display()
                )));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(error)) => return Err(failed(path, "lock")(error)),
        }
    }
}

fn failed(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io {
        path,
        doing,
        source,
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nobody knows: the run ended first.
    Unknown,
    /// It was made.
    Done,
    /// The server refused it, in whole or in part.
    Refused,
}

/// A journal that was read.
#[derive(Debug, Clone)]
pub struct Records {
    /// What was asked for.
    pub begin: Begin,
    /// The steps and how they ended, in order.
    pub steps: Vec<(Step, End)>,
    /// The GUIDs of objects that were made anew, by those of the backup.
    pub now: Vec<(Guid, Guid)>,
    /// Whether the last run came to its end.
    pub has_ended: bool,
    /// The bytes of all whole lines.
    pub bytes: u64,
}

/// Whether the last run of a journal came to its end. Only the end of the file is read. Journals of
/// earlier versions do not tell, and seem not to have ended.
///
/// # Errors
/// Where it cannot be read.
pub fn has_ended(path: &Path) -> Result<bool> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST)))?;
        let mut end = Vec::new();
        file.take(LAST).read_to_end(&mut end)?;
        Ok(end)
    };
    let end = read().map_err(failed(path, "read"))?;
    let last = end
        .strip_suffix(b"\n")
        .and_then(|end| end.rsplit(|byte| *byte == b'\n').next());
    let record = last.and_then(|last| serde_json::from_slice::<Record>(last).ok());
    Ok(matches!(record, Some(Record::Ended { .. })))
}

impl Records {
    /// Reads a journal when nobody writes to it any more, nor to the server on its behalf.
    ///
    /// # Errors
    /// As [`Self::read`], and where somebody writes for minutes.
    pub fn of_the_past(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(failed(path, "open"))?;
        lock(&file, path, PATIENCE)?;
        Self::read(path)
    }

    /// Reads a journal.
    ///
    /// # Errors
    /// Where it cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(failed(path, "open"))?;
        Self::parse(file).map_err(|error| match error {
            Malformed::Io(source) => failed(path, "read")(source),
            Malformed::Line(line, found) => Error::Journal {
                path: path.to_path_buf(),
                line,
                found,
            },
        })
    }

    /// Reads the lines of a journal.
    pub fn parse(bytes: impl Read) -> Result<Self, Malformed> {
        let mut reader = BufReader::new(bytes);
        let mut found: Option<Self> = None;
        let mut total = 0u64;
        for number in 1usize.. {
            let mut line = Vec::new();
            let read = Read::by_ref(&mut reader)
                .take(LONGEST)
                .read_until(b'\n', &mut line)
                .map_err(Malformed::Io)?;
            if line.last() != Some(&b'\n') {
                if read as u64 == LONGEST {
                    return Err(Malformed::Line(number, "a line without end".into()));
                }
                // Cut short by a crash: its write was not made.
                break;
            }
            total += read as u64;
            let record: Record = serde_json::from_slice(&line)
                .map_err(|error| Malformed::Line(number, error.to_string()))?;
            match (record, &mut found) {
                (Record::Restore(begin), None) if begin.format == FORMAT => {
                    found = Some(Self {
                        begin,
                        steps: Vec::new(),
                        now: Vec::new(),
                        has_ended: false,
                        bytes: 0,
                    });
                }
                (Record::Restore(begin), None) => {
                    let found = format!("format {}, not {FORMAT}", begin.format);
                    return Err(Malformed::Line(number, found));
                }
                (_, None) => return Err(Malformed::Line(number, "no beginning".into())),
                (Record::Restore(_), Some(_)) => {
                    return Err(Malformed::Line(number, "a second beginning".into()));
                }
                (Record::Resumed, Some(found)) => found.has_ended = false,
                (Record::Ended { .. }, Some(found)) => found.has_ended = true,
                (Record::Step(step), Some(found)) => found.steps.push((step, End::Unknown)),
                (Record::Done { step, now }, Some(found)) => {
                    let object = found.end(step, End::Done);
                    found.now.extend(object.zip(now));
                }
                (Record::Refused { step, .. }, Some(found)) => {
                    found.end(step, End::Refused);
                }
            }
        }
        let mut found = found.ok_or_else(|| Malformed::Line(1, "nothing".into()))?;
        found.bytes = total;
        Ok(found)
    }

    /// Notes how a step ended, and returns its object.
    fn end(&mut self, number: u64, end: End) -> Option<Guid> {
        let mut steps = self.steps.iter_mut().rev();
        let (step, found) = steps.find(|(step, _)| step.step == number)?;
        *found = end;
        Some(step.object)
    }

    /// What a run that goes on has to know.
    pub fn history(&self) -> History {
        let mut history = History {
            now: self.now.iter().copied().collect(),
            ..History::default()
        };
        for (step, end) in &self.steps {
            let comes = matches!(step.write, Effect::Reanimate { .. } | Effect::Create);
            if comes && *end != End::Refused {
                history.came_back.insert(step.object);
            }
            if step.write == Effect::Create && *end == End::Unknown {
                history.perhaps_made.insert(step.object, step.dn.clone());
            }
        }
        history
    }
}

/// Why bytes are no journal.
#[derive(Debug)]
pub enum Malformed {
    /// They could not be read.
    Io(io::Error),
    /// A line, by its number, and what is there.
    Line(usize, String),
}

/// A beginning.
pub fn begin(source: String, target: String, request: Request) -> Begin {
    Begin {
        format: FORMAT,
        source,
        target,
        request,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::request::{Newer, Password};

    fn request() -> Request {
        Request {
            objects: vec![Guid([7; 16])],
            subtree: true,
            attributes: BTreeSet::new(),
            newer: Newer::Merge,
            links: true,
            password: Password::KeepOfDeleted,
            rename_on_conflict: false,
            into: None,
            force: false,
            privileged: true,
        }
    }

    fn step(number: u64, write: Effect) -> Record {
        Record::Step(Step {
            step: number,
            object: Guid([number as u8; 16]),
            dn: "CN=a,DC=b".into(),
            write,
        })
    }

    #[test]
    fn what_was_noted_is_read_again_without_a_line_that_was_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::begin(&path, begin("s".into(), "t".into(), request())).unwrap();
        let change = Change {
            attribute: "jpegPhoto".into(),
            removed: vec![Octets(b"text".to_vec())],
            added: vec![Octets(vec![0xff, 0])],
            withheld: None,
        };
        let from = String::from("CN=x");
        let steps = [
            step(
                1,
                Effect::Reanimate {
                    from,
                    changes: Vec::new(),
                },
            ),
            step(2, Effect::Create),
            step(
                3,
                Effect::Modify {
                    changes: vec![change.clone()],
                },
            ),
        ];
        journal.add(&steps).unwrap();
        let now = Some(Guid([9; 16]));
        journal.note(&[Record::Done { step: 2, now }]).unwrap();
        drop(journal);
        let mode = std::os::unix::fs::MetadataExt::mode(&path.metadata().unwrap());
        assert_eq!(mode & 0o777, 0o600);
        assert!(Journal::begin(&path, begin("s".into(), "t".into(), request())).is_err());

        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"record\":\"st"].concat()).unwrap();
        let records = Records::read(&path).unwrap();
        assert_eq!(records.begin.request, request());
        assert_eq!(records.bytes as usize, whole.len());
        let ends: Vec<&End> = records.steps.iter().map(|(_, end)| end).collect();
        assert_eq!(ends, [&End::Unknown, &End::Done, &End::Unknown]);
        let expected = Effect::Modify {
            changes: vec![change],
        };
        assert_eq!(records.steps[2].0.write, expected);
        let history = records.history();
        assert_eq!(history.now[&Guid([2; 16])], Guid([9; 16]));
        assert!(history.came_back.contains(&Guid([1; 16])));
        assert!(history.perhaps_made.is_empty());

        assert!(!records.has_ended && !has_ended(&path).unwrap());
        let mut journal = Journal::resume(&path, &records).unwrap();
        assert_eq!(journal.next_step(), 4);
        let ended = Record::Ended {
            refused: 0,
            differing: 1,
        };
        journal.add(&[ended]).unwrap();
        drop(journal);
        let records = Records::read(&path).unwrap();
        assert!(records.has_ended && has_ended(&path).unwrap());
        // Whoever goes on has not ended yet.
        drop(Journal::resume(&path, &records).unwrap());
        assert!(!Records::read(&path).unwrap().has_ended);
        assert!(!has_ended(&path).unwrap());
    }

    #[test]
    fn a_journal_is_gone_on_with_when_nobody_writes_on_its_behalf_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = Journal::begin(&path, begin("s".into(), "t".into(), request())).unwrap();
        // The transactions of a run that was killed.
        let left_behind = File::open(&path).unwrap();
        left_behind.lock_shared().unwrap();
        drop(journal);
        let records = Records::read(&path).unwrap();
        let Err(Error::Refused(reason)) = Journal::resume(&path, &records) else {
            panic!("it is resumed while another one writes");
        };
        assert!(reason.contains("another process"), "{reason}");
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || Records::of_the_past(&path).unwrap()
        });
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        drop(left_behind);
        assert_eq!(waiting.join().unwrap().bytes, records.bytes);
        Journal::resume(&path, &records).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_journal_or_an_error(bytes: Vec<u8>) {
            let _ = Records::parse(&bytes[..]);
        }

        #[test]
        fn any_value_is_read_as_it_was_written(bytes: Vec<u8>) {
            let text = serde_json::to_string(&Octets(bytes.clone())).unwrap();
            let read: Octets = serde_json::from_str(&text).unwrap();
            proptest::prop_assert_eq!(read.0, bytes);
        }
    }
}
