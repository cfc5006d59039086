//! Changes made at several places of several databases: the verification must find each.

use std::time::{Duration, Instant};

use ese::Database;
use ese::page::{PageKind, Pgno};
use ese::structure::{Finding, Severity, Summary, verify_structure};

use crate::patient::Patient;

/// Number of places in a database at which each change is tried.
const PLACES: usize = 6;

/// Databases of small and large pages.
pub fn patients() -> Vec<Patient> {
    [
        "sample-forest/clean",
        "ese/p4096-clean",
        "ese/p16384-timer",
        "ese/efv8920-clean",
    ]
    .iter()
    .filter_map(|name| Patient::of(name))
    .collect()
}

pub fn verify(patient: &Patient) -> (Vec<Finding>, Summary) {
    let start = Instant::now();
    let database = Database::over(patient.bytes.clone(), "patient").expect("the header is sound");
    let mut findings = Vec::new();
    let summary =
        verify_structure(&database, &mut |finding| findings.push(finding)).expect("readable");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "the verification ends"
    );
    assert!(
        findings.len() < 100_000,
        "a small damage has few consequences"
    );
    for finding in &findings {
        let text = format!("{} {}", finding.fault.expected(), finding.fault.found());
        assert!(!shows_bytes(&text), "keys and values are not shown: {text}");
    }
    (findings, summary)
}

/// Whether a text holds bytes in hexadecimal. Checksums, flags and maps are prefixed with 0x or 0b,
/// other numbers are decimal.
fn shows_bytes(text: &str) -> bool {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .filter(|word| !word.starts_with("0b"))
        .any(|word| word.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

/// Makes the change at several of the pages that fit, each time in a sound database, and checks
/// that the damage is found. `change` returns `false` if the page has no place for it.
pub fn each_is_found(
    what: &str,
    fits: impl Fn(&Patient, Pgno) -> bool,
    change: impl Fn(&mut Patient, Pgno) -> bool,
) -> usize {
    each_is_found_as(what, Severity::Damage, fits, change)
}

pub fn each_is_found_as(
    what: &str,
    severity: Severity,
    fits: impl Fn(&Patient, Pgno) -> bool,
    change: impl Fn(&mut Patient, Pgno) -> bool,
) -> usize {
    let mut tried = 0;
    for patient in patients() {
        let pages: Vec<Pgno> = patient
            .pages()
            .filter(|page| fits(&patient, *page))
            .collect();
        // Spread over the file.
        let step = pages.len().div_ceil(PLACES).max(1);
        for page in pages.iter().step_by(step) {
            let mut changed = patient.clone();
            if !change(&mut changed, *page) {
                continue;
            }
            tried += 1;
            let (findings, _) = verify(&changed);
            let object = patient.object(*page);
            let place = format!("page {page}");
            let named = findings.iter().any(|finding| {
                let text = finding.to_string();
                finding.severity >= severity && (text.contains(object) || text.contains(&place))
            });
            assert!(
                named,
                "{what}: {} page {page} (object {object}) is not among {:?}",
                patient.name,
                findings.iter().map(ToString::to_string).collect::<Vec<_>>()
            );
        }
    }
    println!("{what}: {tried} found");
    assert!(tried > 0, "{what}: no place to try it at");
    tried
}

pub fn leaf(patient: &Patient, page: Pgno) -> bool {
    let view = patient.view(page);
    view.flags().is_leaf()
        && view.node_count() > 0
        && !view.flags().is_empty()
        && patient.is_used(page)
}

pub fn branch(patient: &Patient, page: Pgno) -> bool {
    let view = patient.view(page);
    !view.flags().is_leaf() && view.node_count() > 1 && patient.is_used(page)
}

pub fn kind(patient: &Patient, page: Pgno, kind: PageKind) -> bool {
    leaf(patient, page) && patient.view(page).flags().kind() == kind
}
