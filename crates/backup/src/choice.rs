//! Which snapshots a repository may lose: a policy, or ids, and what stays whatever they say.
//!
//! Pure: snapshots with what is known of them go in, a decision on each comes out, with its
//! reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::lineage::{Lineage, Link};
use crate::retention::{Candidate, Policy, Rule};

/// A snapshot, as far as the choice must know it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its whole id.
    pub id: String,
    /// The id of the snapshot that it is a copy of.
    pub original: Option<String>,
    /// The server that it is of.
    pub server: String,
    /// When the data was as it is stored.
    pub time: Timestamp,
    /// The words to find it by.
    pub tags: Vec<String>,
    /// What it holds.
    pub content: Content,
}

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A backup of a directory.
    Backup(Backup),
    /// What another program stored.
    Foreign,
    /// Something of dsbackup's that cannot be read now, with the reason.
    Unreadable(String),
}

/// A backup of a directory, as far as the choice must know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backup {
    /// Whether the newest drill proved it.
    pub proven: bool,
    /// Whether damage was stored because the backup allowed it.
    pub damaged: bool,
    /// Of logs alone: the id of the backup that they continue, or of the copy of that.
    pub continues: Option<String>,
    /// Whether they were stored while the directory was in use, between its backups.
    pub shipped: bool,
}

/// What is to be removed.
#[derive(Debug, Clone)]
pub enum Wish {
    /// What the policy does not keep, of these servers; of all where none is named.
    Policy(Policy, Vec<String>),
    /// These snapshots, by their whole ids.
    Ids(BTreeSet<String>),
}

/// What becomes of a snapshot, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether it stays.
    pub keep: bool,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Why a snapshot stays or goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A rule of the policy keeps it.
    Rule(Rule),
    /// Its server has no newer one.
    Newest,
    /// Its server has no newer one without damage.
    NewestUndamaged,
    /// Its server has no newer one that a drill has proven.
    NewestProven,
    /// A later backup of the logs alone cannot be restored without it.
    Continued,
    /// Logs that were shipped stay as long as the backup before them.
    Follows,
    /// What it continues is gone, and nothing older of its server can be restored instead. Another
    /// repository may still have it.
    Orphan,
    /// It is not of a server that was named, or its id was not.
    NotMeant,
    /// Another program made it.
    Foreign,
    /// It cannot be read, so nobody knows what it is worth.
    Unreadable(String),
    /// No rule keeps it.
    NoRule,
    /// Its id was given.
    Named,
}

impl Reason {
    /// Whether it keeps a snapshot even against its id.
    pub fn protects(&self) -> bool {
        matches!(
            self,
            Self::Newest | Self::NewestUndamaged | Self::NewestProven | Self::Continued
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rule(Rule::Tag) => "tag",
            Self::Rule(Rule::Within) => "within",
            Self::Rule(Rule::Last) => "last",
            Self::Rule(Rule::Hourly) => "hourly",
            Self::Rule(Rule::Daily) => "daily",
            Self::Rule(Rule::Weekly) => "weekly",
            Self::Rule(Rule::Monthly) => "monthly",
            Self::Rule(Rule::Yearly) => "yearly",
            Self::Newest => "newest of its server",
            Self::NewestUndamaged => "newest without damage",
            Self::NewestProven => "newest proven",
            Self::Continued => "a later backup of logs continues it",
            Self::Follows => "logs since a backup that stays",
            Self::Orphan => "what it continues is gone, and nothing replaces it",
            Self::NotMeant => "not asked for",
            Self::Foreign => "made by another program",
            Self::Unreadable(reason) => return write!(f, "cannot be read: {reason}"),
            Self::NoRule => "no rule keeps it",
            Self::Named => "named",
        })
    }
}

/// Decides on each of `subjects`, in their order. With `even_the_last`, ids go before what protects
/// a snapshot.
pub fn decide(subjects: &[Subject], wish: &Wish, even_the_last: bool) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = match wish {
        Wish::Policy(policy, servers) => by_policy(subjects, policy, servers),
        Wish::Ids(ids) => subjects.iter().map(|subject| by_id(subject, ids)).collect(),
    };
    let by_id = matches!(wish, Wish::Ids(_));
    if !(by_id && even_the_last) {
        for server in servers(subjects).values() {
            protect(subjects, server, &mut decisions);
        }
    }
    decisions
}

/// The backups of each server, by their position, oldest first.
fn servers(subjects: &[Subject]) -> BTreeMap<String, Vec<(usize, &Backup)>> {
    let mut servers: BTreeMap<String, Vec<(usize, &Backup)>> = BTreeMap::new();
    for (index, subject) in subjects.iter().enumerate() {
        if let Content::Backup(backup) = &subject.content {
            let server = subject.server.to_lowercase();
            servers.entry(server).or_default().push((index, backup));
        }
    }
    for backups in servers.values_mut() {
        backups.sort_by_key(|(index, _)| subjects[*index].time);
    }
    servers
}

fn keep(reason: Reason) -> Decision {
    Decision {
        keep: true,
        reasons: vec![reason],
    }
}

fn remove(reason: Reason) -> Decision {
    Decision {
        keep: false,
        reasons: vec![reason],
    }
}

fn by_id(subject: &Subject, ids: &BTreeSet<String>) -> Decision {
    match ids.contains(&subject.id) {
        true => remove(Reason::Named),
        false => keep(Reason::NotMeant),
    }
}

fn by_policy(subjects: &[Subject], policy: &Policy, wanted: &[String]) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = subjects
        .iter()
        .map(|subject| match &subject.content {
            Content::Foreign => keep(Reason::Foreign),
            Content::Unreadable(reason) => keep(Reason::Unreadable(reason.clone())),
            Content::Backup(_) => keep(Reason::NotMeant),
        })
        .collect();
    for (server, backups) in servers(subjects) {
        if !wanted.is_empty() && !wanted.iter().any(|name| name.to_lowercase() == server) {
            continue;
        }
        let lineage = lineage(subjects, &backups);
        // What was shipped follows the backup that it continues: rules count backups, and the logs
        // between them are the points in time in between. What cannot be restored, because something
        // of its chain is gone, follows what can be restored instead.
        let mut whole = None;
        let anchors: Vec<Anchor> = (0..backups.len())
            .map(|position| match lineage.gap(position) {
                Some(_) => Anchor::Orphan(whole),
                None if backups[position].1.shipped => {
                    let mut chain = lineage.chain(position);
                    let anchor = chain.find(|earlier| !backups[*earlier].1.shipped);
                    anchor.map_or(Anchor::Own, Anchor::Of)
                }
                None => {
                    whole = Some(position);
                    Anchor::Own
                }
            })
            .collect();
        let counted: Vec<usize> = (0..backups.len())
            .filter(|position| matches!(anchors[*position], Anchor::Own))
            .collect();
        let candidates: Vec<_> = (counted.iter())
            .map(|position| &subjects[backups[*position].0])
            .map(|subject| Candidate {
                time: subject.time,
                tags: &subject.tags,
            })
            .collect();
        for (position, rules) in counted.iter().zip(policy.apply(&candidates)) {
            decisions[backups[*position].0] = match rules.is_empty() {
                true => remove(Reason::NoRule),
                false => Decision {
                    keep: true,
                    reasons: rules.into_iter().map(Reason::Rule).collect(),
                },
            };
        }
        for (position, anchor) in anchors.iter().enumerate() {
            let follows = match anchor {
                Anchor::Own => continue,
                Anchor::Orphan(None) => keep(Reason::Orphan),
                Anchor::Of(other) | Anchor::Orphan(Some(other)) => {
                    match decisions[backups[*other].0].keep {
                        true => keep(Reason::Follows),
                        false => remove(Reason::NoRule),
                    }
                }
            };
            decisions[backups[position].0] = follows;
        }
    }
    decisions
}

/// What decides about a backup, by position.
enum Anchor {
    /// The rules.
    Own,
    /// What becomes of this backup.
    Of(usize),
    /// Its chain is broken: what becomes of the newest backup before it that can be restored.
    Orphan(Option<usize>),
}

/// Keeps what one server must not lose. `backups` are in the order of time.
fn protect(subjects: &[Subject], backups: &[(usize, &Backup)], decisions: &mut [Decision]) {
    let lineage = lineage(subjects, backups);
    let restorable = |position: usize| lineage.gap(position).is_none();
    let sound = |position: usize| {
        let mut chain = lineage.chain(position);
        chain.all(|part| !backups[part].1.damaged)
    };
    // Without one that can be restored, one that cannot is better than none.
    let newest = |wanted: &dyn Fn(usize) -> bool| {
        let newest_of = |also: &dyn Fn(usize) -> bool| {
            let mut found = (0..backups.len()).rev();
            found.find(|position| wanted(*position) && also(*position))
        };
        let position = newest_of(&restorable).or_else(|| newest_of(&|_| true))?;
        Some(backups[position].0)
    };
    for (index, reason) in [
        (newest(&|_| true), Reason::Newest),
        (newest(&sound), Reason::NewestUndamaged),
        (
            newest(&|position| backups[position].1.proven),
            Reason::NewestProven,
        ),
    ] {
        if let Some(index) = index {
            insist(&mut decisions[index], reason);
        }
    }
    // What a kept backup of logs continues is kept, and what that continues in turn.
    for position in 0..backups.len() {
        if !decisions[backups[position].0].keep {
            continue;
        }
        for earlier in lineage.chain(position).skip(1) {
            let decision = &mut decisions[backups[earlier].0];
            if decision.reasons.contains(&Reason::Continued) {
                break;
            }
            insist(decision, Reason::Continued);
        }
    }
}

/// What backups, such as those of a server, continue.
fn lineage(subjects: &[Subject], backups: &[(usize, &Backup)]) -> Lineage {
    Lineage::of(backups.iter().map(|(index, backup)| Link {
        id: &subjects[*index].id,
        original: subjects[*index].original.as_deref(),
        continues: backup.continues.as_deref(),
    }))
}

/// The logs whose chain is broken, so that they cannot be restored, each with the id of the snapshot
/// that is gone.
pub fn orphans(subjects: &[Subject]) -> Vec<(&Subject, &str)> {
    let backups: Vec<(usize, &Backup)> = (subjects.iter().enumerate())
        .filter_map(|(index, subject)| match &subject.content {
            Content::Backup(backup) => Some((index, backup)),
            _ => None,
        })
        .collect();
    let lineage = lineage(subjects, &backups);
    let orphans = backups
        .iter()
        .enumerate()
        .filter_map(|(position, (index, _))| {
            let gap = backups[lineage.gap(position)?].1;
            Some((&subjects[*index], gap.continues.as_deref()?))
        });
    orphans.collect()
}

/// Adds what keeps a snapshot, in place of what does not.
fn insist(decision: &mut Decision, reason: Reason) {
    if !decision.keep {
        decision.reasons.clear();
        decision.keep = true;
    }
    decision.reasons.push(reason);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn backup() -> impl Strategy<Value = Content> {
        let continues = proptest::option::of(0..25usize);
        (any::<bool>(), any::<bool>(), continues, any::<bool>()).prop_map(
            |(proven, damaged, continues, shipped)| {
                Content::Backup(Backup {
                    proven,
                    damaged,
                    shipped: shipped && continues.is_some(),
                    continues: continues.map(|id| id.to_string()),
                })
            },
        )
    }

    fn content() -> impl Strategy<Value = Content> {
        prop_oneof![
            8 => backup(),
            1 => Just(Content::Foreign),
            1 => Just(Content::Unreadable("it is empty".to_owned())),
        ]
    }

    fn subjects() -> impl Strategy<Value = Vec<Subject>> {
        let subject = (0..2u8, 0..100i64, content());
        proptest::collection::vec(subject, 0..25).prop_map(|subjects| {
            let subjects = subjects.into_iter().enumerate();
            subjects
                .map(|(index, (server, hours, content))| Subject {
                    id: index.to_string(),
                    original: None,
                    server: format!("DC{server}"),
                    time: Timestamp::from_second(1_700_000_000 + hours * 7_200 + index as i64)
                        .unwrap(),
                    tags: Vec::new(),
                    content,
                })
                .collect()
        })
    }

    fn policy() -> impl Strategy<Value = Policy> {
        (0..4u32, 0..4u32).prop_map(|(last, daily)| Policy {
            last,
            daily,
            ..Policy::default()
        })
    }

    fn of(subject: &Subject) -> Option<&Backup> {
        match &subject.content {
            Content::Backup(backup) => Some(backup),
            _ => None,
        }
    }

    /// Whether nothing of a backup's chain is missing, and whether all of it is undamaged: by walking
    /// it.
    fn walk(subjects: &[Subject], start: &Subject) -> (bool, bool) {
        let (mut next, mut sound) = (start, true);
        for _ in 0..=subjects.len() {
            let backup = of(next).expect("a backup");
            sound &= !backup.damaged;
            let Some(continued) = &backup.continues else {
                return (true, sound);
            };
            let found = subjects.iter().find(|other| {
                of(other).is_some() && other.server == start.server && other.id == *continued
            });
            let Some(found) = found else { break };
            next = found;
        }
        (false, sound)
    }

    /// What must hold whatever was wished for.
    fn nothing_vital_goes(subjects: &[Subject], decisions: &[Decision]) {
        let backups = || {
            subjects
                .iter()
                .zip(decisions)
                .filter_map(|(subject, decision)| Some((subject, of(subject)?, decision)))
        };
        for server in ["DC0", "DC1"] {
            for wanted in [
                |_: &Backup, _: bool| true,
                |backup: &Backup, _: bool| backup.proven,
                |_: &Backup, sound: bool| sound,
            ] {
                let mine = |whole: bool| {
                    backups().filter(move |(subject, backup, _)| {
                        let (is_whole, sound) = walk(subjects, subject);
                        let fits = subject.server == server && wanted(backup, sound);
                        fits && (is_whole || !whole)
                    })
                };
                // One that can be restored, if there is any.
                let whole = mine(true).next().is_some();
                let newest = mine(whole).map(|(subject, _, _)| subject.time).max();
                let kept = mine(whole)
                    .any(|(subject, _, decision)| Some(subject.time) == newest && decision.keep);
                assert!(newest.is_none() || kept, "{server}");
            }
        }
        // What a kept backup of logs continues is there, unless it never was.
        for (logs, backup, _) in backups().filter(|(_, _, decision)| decision.keep) {
            let kept = backups().all(|(subject, _, decision)| {
                let continued = Some(&subject.id) == backup.continues.as_ref();
                !continued || subject.server != logs.server || decision.keep
            });
            assert!(kept, "{}", logs.id);
        }
    }

    /// A backup of one server, taken `id` minutes after another point in time.
    fn subject(id: usize, continues: Option<usize>, backup: Backup) -> Subject {
        Subject {
            id: id.to_string(),
            original: None,
            server: "DC1".into(),
            time: Timestamp::from_second(1_700_000_000 + id as i64 * 60).unwrap(),
            tags: Vec::new(),
            content: Content::Backup(Backup {
                continues: continues.map(|id| id.to_string()),
                ..backup
            }),
        }
    }

    fn keep_last(last: u32) -> Wish {
        let policy = Policy {
            last,
            ..Policy::default()
        };
        Wish::Policy(policy, Vec::new())
    }

    #[test]
    fn shipped_logs_are_no_backups_of_their_own_and_stay_with_theirs() {
        let backup = |id, continues, shipped| {
            let backup = Backup {
                shipped,
                ..Backup::default()
            };
            subject(id, continues, backup)
        };
        // Three whole directories; logs after each. Snapshot 6 continues the second although the
        // third, which was read meanwhile, is older.
        let subjects = [
            backup(0, None, false),
            backup(1, Some(0), true),
            backup(2, Some(1), true),
            backup(3, None, false),
            backup(4, Some(3), true),
            backup(5, None, false),
            backup(6, Some(4), true),
            backup(7, Some(5), true),
        ];
        for (last, kept) in [(1, &[5, 7][..]), (2, &[3, 4, 5, 6, 7])] {
            let decisions = decide(&subjects, &keep_last(last), false);
            let keeps = (0..8).filter(|index| decisions[*index].keep);
            assert_eq!(keeps.collect::<Vec<_>>(), kept, "--keep-last {last}");
        }
    }

    /// The newest logs cannot be restored, and the backup before them is all there is.
    #[test]
    fn logs_over_a_gap_are_no_backup() {
        let backup = |id, continues, damaged| {
            let backup = Backup {
                damaged,
                ..Backup::default()
            };
            subject(id, continues, backup)
        };
        let subjects = [
            backup(0, None, false),
            backup(2, Some(1), false),
            backup(3, Some(2), false),
        ];
        let decisions = decide(&subjects, &keep_last(1), false);
        assert!(decisions[0].keep, "{decisions:?}");
        assert!(
            decisions[0].reasons.contains(&Reason::Newest),
            "{decisions:?}"
        );
        assert_eq!(
            decisions[2].reasons,
            [Reason::Follows],
            "another repository may have the rest"
        );

        // They go with what can be restored instead of them, and stay where nothing can.
        let later = [&subjects[..], &[backup(4, None, false)]].concat();
        let kept: Vec<bool> = (decide(&later, &keep_last(1), false).iter())
            .map(|decision| decision.keep)
            .collect();
        assert_eq!(kept, [false, false, false, true]);
        let decisions = decide(&subjects[1..], &keep_last(1), false);
        assert!(
            decisions.iter().all(|decision| decision.keep),
            "{decisions:?}"
        );

        // Damage anywhere in a chain is damage of what ends it.
        let subjects = [
            backup(0, None, false),
            backup(1, None, true),
            backup(2, Some(1), false),
        ];
        let decisions = decide(&subjects, &keep_last(1), false);
        assert!(
            decisions[0].reasons.contains(&Reason::NewestUndamaged),
            "{decisions:?}"
        );
    }

    proptest! {
        #[test]
        fn no_policy_takes_the_last(
            subjects in subjects(),
            policy in policy(),
            one in any::<bool>(),
        ) {
            let servers = if one { vec!["dc1".to_owned()] } else { Vec::new() };
            let decisions = decide(&subjects, &Wish::Policy(policy, servers), true);
            nothing_vital_goes(&subjects, &decisions);
            for (subject, decision) in subjects.iter().zip(&decisions) {
                prop_assert!(!decision.reasons.is_empty());
                prop_assert!(decision.keep || of(subject).is_some(), "only our own are counted");
                prop_assert!(decision.keep || !one || subject.server == "DC1");
            }
        }

        #[test]
        fn ids_take_what_they_name_and_the_last_only_when_told_so(
            subjects in subjects(),
            ids in proptest::collection::btree_set(0..25usize, 0..25),
        ) {
            let ids: BTreeSet<String> = ids.into_iter().map(|id| id.to_string()).collect();
            let wish = Wish::Ids(ids.clone());
            nothing_vital_goes(&subjects, &decide(&subjects, &wish, false));
            for (subject, decision) in subjects.iter().zip(decide(&subjects, &wish, true)) {
                prop_assert_eq!(decision.keep, !ids.contains(&subject.id));
            }
        }
    }
}
