//! Writes, noted in the journal and then made: many in one transaction where that can be, else one by
//! one.

use ids::Guid;
use objects::{Lookup, Source, Wanted};

use crate::attempt::{attempt, in_one};
use crate::error::{Error, Result};
use crate::journal::{Journal, Record, Step};
use crate::local::{Failed, Transactions};
use crate::pair::Pair;
use crate::plan::Left;
use crate::watch::Watch;
use crate::writes::{Requests, Write};

/// Writes whose records are made durable at once, and which are one transaction: others wait for it.
pub const AT_ONCE: usize = 200;

/// Objects from which on transactions are worth their beginning.
const MANY: usize = 30;

/// Fewer writes are made one by one.
const FEW: usize = 8;

/// Writes to the server, and knows how that went.
pub struct Writer<'w> {
    /// Every write, durable before it is made.
    pub journal: &'w mut Journal,
    /// Writes that were made.
    pub writes: usize,
    /// What the server refused.
    pub refused: Vec<Left>,
    pair: &'w Pair<'w>,
    watch: &'w dyn Watch,
    transactions: Option<Box<dyn Transactions + 'w>>,
}

/// A write whose record is in the journal.
struct Noted {
    step: u64,
    object: Guid,
    dn: String,
    requests: Requests,
}

impl<'w> Writer<'w> {
    /// For a restore of so many objects.
    pub fn new(
        pair: &'w Pair<'w>,
        journal: &'w mut Journal,
        watch: &'w dyn Watch,
        count: usize,
    ) -> Self {
        let local = pair.local().filter(|_| count >= MANY);
        let begun = local.map(|local| local.transactions(journal.path()));
        let transactions = begun.and_then(|begun| match begun {
            Ok(transactions) => Some(transactions),
            Err(reason) => {
                one_by_one(watch, &reason);
                None
            }
        });
        Self {
            journal,
            writes: 0,
            refused: Vec::new(),
            pair,
            watch,
            transactions,
        }
    }

    /// Notes writes in the journal, makes them, and returns the objects of those that were refused.
    pub fn carry_out(&mut self, mut writes: Vec<Write>) -> Result<Vec<Guid>> {
        let mut refused = Vec::new();
        while !writes.is_empty() {
            let rest = writes.split_off(writes.len().min(AT_ONCE));
            let mut records = Vec::new();
            let mut noted = Vec::new();
            for write in std::mem::replace(&mut writes, rest) {
                let step = self.journal.next_step();
                records.push(Record::Step(Step {
                    step,
                    object: write.object,
                    dn: write.dn.clone(),
                    write: write.effect,
                }));
                noted.push(Noted {
                    step,
                    object: write.object,
                    dn: write.dn,
                    requests: write.requests,
                });
            }
            self.journal.add(&records)?;
            self.make(noted, &mut refused)?;
        }
        Ok(refused)
    }

    /// Makes writes, and notes how they ended.
    fn make(&mut self, mut noted: Vec<Noted>, refused: &mut Vec<Guid>) -> Result<()> {
        if noted.len() >= FEW
            && let Some(transactions) = &mut self.transactions
        {
            let changes: Vec<_> = noted.iter().flat_map(|one| in_one(&one.requests)).collect();
            match transactions.write(&changes) {
                Ok(()) => return self.are_made(&noted),
                // One of them has to be tried in parts.
                Err(Failed::Refused(_)) => {
                    let rest = noted.split_off(noted.len() / 2);
                    self.make(noted, refused)?;
                    return self.make(rest, refused);
                }
                Err(Failed::Unavailable(reason)) => {
                    one_by_one(self.watch, &reason);
                    self.transactions = None;
                }
                Err(Failed::Broken(reason)) => return Err(Error::Transaction(reason)),
            }
        }
        for one in noted {
            let Noted {
                step, object, dn, ..
            } = one;
            let is_other = is_other(&one.requests);
            let record = match attempt(self.pair.live, one.requests)? {
                None => {
                    self.writes += 1;
                    let now = match is_other {
                        true => self.made(object, &dn)?,
                        false => None,
                    };
                    Record::Done { step, now }
                }
                Some(reason) => {
                    refused.push(object);
                    self.refused.push(Left {
                        what: dn,
                        reason: reason.clone(),
                    });
                    Record::Refused { step, reason }
                }
            };
            self.journal.note(&[record])?;
            self.watch.done(1);
        }
        Ok(())
    }

    /// Notes that all of a transaction was made.
    fn are_made(&mut self, noted: &[Noted]) -> Result<()> {
        let mut records = Vec::new();
        for one in noted {
            let now = match is_other(&one.requests) {
                true => self.made(one.object, &one.dn)?,
                false => None,
            };
            records.push(Record::Done {
                step: one.step,
                now,
            });
        }
        self.writes += noted.len();
        self.journal.note(&records)?;
        self.watch.done(noted.len());
        Ok(())
    }

    /// The GUID of an object that was made, where it is another one than before.
    fn made(&self, object: Guid, dn: &str) -> Result<Option<Guid>> {
        for id in self.pair.live.find(&Lookup::Dn(dn))? {
            let found = self.pair.live.entry(id, &Wanted::names())?;
            let Some(now) = found.and_then(|found| found.guid) else {
                continue;
            };
            if now != object {
                self.pair.history.borrow_mut().now.insert(object, now);
                self.pair.expect([now]);
                return Ok(Some(now));
            }
        }
        Ok(None)
    }
}

/// Whether an object is made that gets another GUID than before.
fn is_other(requests: &Requests) -> bool {
    let Requests::Add { keeps_identity, .. } = requests else {
        return false;
    };
    !keeps_identity
}

fn one_by_one(watch: &dyn Watch, reason: &str) {
    watch.note(&format!("objects are written one by one: {reason}"));
}
