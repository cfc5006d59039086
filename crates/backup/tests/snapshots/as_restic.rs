//! The same policy over the same snapshots: what `restic forget` keeps and for which reasons, ours
//! does.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use backup::retention::{Candidate, Policy, Rule};
use repository::*;

const PASSWORD: &str = "correct horse";

/// Random numbers that are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Nothing but a file.
struct OneFile;

impl Source for OneFile {
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
        Ok(None)
    }

    fn finish(&mut self, _: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
        Ok(vec![NewFile {
            path: "file".into(),
            content: b"content".to_vec(),
        }])
    }
}

/// Snapshots at random times, some with tags, over some three years; their infos in random order.
fn snapshots(path: &Path, random: &mut Random) -> Vec<SnapshotInfo> {
    let location = Location::parse(path.to_str().unwrap()).unwrap();
    let options = InitOptions::default();
    let repository = Repository::init(
        &location,
        &Password::new(PASSWORD),
        &options,
        &BTreeMap::new(),
    )
    .unwrap();
    testkit::cheap_key::replace_key(path, PASSWORD);
    let lock = repository.lock(LockKind::Shared, Duration::ZERO).unwrap();
    let mut now = 1_700_000_000;
    let tags = [
        &["daily"][..],
        &["daily", "before-upgrade"],
        &[],
        &[],
        &["before-upgrade"],
    ];
    let one = |_| {
        now += match random.below(4) {
            0 => random.below(3_000) + 1,
            1 => random.below(20_000) + 1,
            2 => random.below(200_000) + 1,
            _ => random.below(4_000_000) + 1,
        };
        let tags = tags[random.below(tags.len() as u64) as usize];
        let request = BackupRequest {
            host: "dc1".into(),
            path: WHOLE.into(),
            label: String::new(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(now),
            program: "test".into(),
        };
        let backup = repository.backup(&lock, &request, &mut OneFile, &mut |_| ());
        backup.unwrap().snapshot
    };
    (0..60).map(one).collect()
}

/// What restic keeps, with its reasons; none where restic is not installed.
fn by_restic(path: &Path, arguments: &[String]) -> Option<BTreeMap<String, Vec<String>>> {
    let output = Command::new("restic")
        .args([
            "forget",
            "--dry-run",
            "--json",
            "--no-cache",
            "--no-lock",
            "--repo",
        ])
        .arg(path)
        .args(arguments)
        .env("RESTIC_PASSWORD", PASSWORD)
        .env("TZ", "UTC")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let groups: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (keep, reasons) = (&groups[0]["keep"], &groups[0]["reasons"]);
    let kept = keep
        .as_array()
        .into_iter()
        .flatten()
        .zip(reasons.as_array().into_iter().flatten());
    Some(
        kept.map(|(snapshot, reason)| {
            let texts = reason["matches"].as_array().unwrap().iter();
            let mut reasons: Vec<String> = texts
                .map(|text| match text.as_str().unwrap() {
                    tags if tags.contains("tags") => "tags".to_owned(),
                    within if within.starts_with("within") => "within".to_owned(),
                    rule => rule.to_owned(),
                })
                .collect();
            reasons.sort();
            (snapshot["id"].as_str().unwrap().to_owned(), reasons)
        })
        .collect(),
    )
}

fn by_us(policy: &Policy, snapshots: &[SnapshotInfo]) -> BTreeMap<String, Vec<String>> {
    let candidates: Vec<_> = (snapshots.iter())
        .map(|snapshot| Candidate {
            time: snapshot.time.try_into().unwrap(),
            tags: &snapshot.tags,
        })
        .collect();
    let kept = snapshots.iter().zip(policy.apply(&candidates));
    kept.filter(|(_, rules)| !rules.is_empty())
        .map(|(snapshot, rules)| {
            let text = |rule: &Rule| match rule {
                Rule::Tag => "tags".to_owned(),
                Rule::Within => "within".to_owned(),
                Rule::Last => "last snapshot".to_owned(),
                Rule::Hourly => "hourly snapshot".to_owned(),
                Rule::Daily => "daily snapshot".to_owned(),
                Rule::Weekly => "weekly snapshot".to_owned(),
                Rule::Monthly => "monthly snapshot".to_owned(),
                Rule::Yearly => "yearly snapshot".to_owned(),
            };
            let mut reasons: Vec<String> = rules.iter().map(text).collect();
            reasons.sort();
            (snapshot.id.clone(), reasons)
        })
        .collect()
}

#[test]
fn policies_keep_what_restic_keeps() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    let mut random = Random(7);
    let snapshots = snapshots(&path, &mut random);
    for _ in 0..12 {
        let mut count = || match random.below(2) {
            0 => 0,
            _ => random.below(9) as u32,
        };
        let mut policy = Policy {
            last: count(),
            hourly: count(),
            daily: count(),
            weekly: count(),
            monthly: count(),
            yearly: count(),
            ..Policy::default()
        };
        let within = format!("{}d{}h", random.below(400), random.below(30));
        let mut arguments: Vec<String> = Vec::new();
        for (name, value) in [
            ("--keep-last", policy.last),
            ("--keep-hourly", policy.hourly),
            ("--keep-daily", policy.daily),
            ("--keep-weekly", policy.weekly),
            ("--keep-monthly", policy.monthly),
            ("--keep-yearly", policy.yearly),
        ] {
            arguments.extend([name.to_owned(), value.to_string()]);
        }
        if random.below(2) == 0 {
            policy.within = Some(within.parse().unwrap());
            arguments.extend(["--keep-within".to_owned(), within.clone()]);
        }
        if random.below(3) == 0 {
            policy.tags = vec![vec!["daily".to_owned(), "before-upgrade".to_owned()]];
            arguments.extend(["--keep-tag".to_owned(), "daily,before-upgrade".to_owned()]);
        }
        if policy.is_empty() {
            continue;
        }
        let Some(expected) = by_restic(&path, &arguments) else {
            eprintln!("note: restic is not installed; this test is skipped");
            return;
        };
        let found = by_us(&policy, &snapshots);
        assert_eq!(found, expected, "{arguments:?}");
    }
}
