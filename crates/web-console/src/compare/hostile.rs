//! Tests: differences in objects whose names and values attack whoever looks at them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use comparison::{AttributeChange, Change, Identity, Kind, ObjectChange, ValueChange};
use objects::{Guid, State, Value};

use super::Wanted;
use super::detail::shown;
use super::list::list;
use crate::attacks;
use crate::differences::{Counts, Differences, Row};
use crate::guard::Visitor;
use crate::session::Sessions;
use crate::users::Role;

/// Nothing of it is markup, hides or turns what is shown. What a field holds is not shown.
fn is_harmless(page: &str) {
    let mut parts = page.split(" value=\"");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.filter_map(|part| Some(part.split_once('"')?.1));
    let page = &rest.fold(first, |page, part| page + part);
    for markup in ["<script", "<img", "\u{202e}", "\u{2066}", "\u{0}", "\u{1b}"] {
        assert!(!page.contains(markup), "{markup:?}");
    }
    assert!(page.len() < 300 << 10, "{} bytes", page.len());
}

#[test]
fn a_hostile_object_is_text_in_its_differences() {
    let identity = |dn: String| {
        Some(Identity {
            dn: dn.into(),
            class: Some("<img>".into()),
            sid: None,
            state: State::Live,
            made: None,
            named: None,
            deleted: None,
        })
    };
    let values = || {
        let values = attacks::all().into_iter().map(|text| ValueChange {
            value: Value::Text(text),
            before: None,
            after: None,
        });
        values.cycle().take(150).collect()
    };
    for attack in attacks::all() {
        let schema = attacks::attribute(&attack, 1);
        let change = ObjectChange {
            guid: Guid([1; 16]),
            kind: Kind::Changed,
            before: identity(format!("CN={attack}")),
            after: identity(format!("OU={attack}")),
            is_renamed: true,
            is_moved: false,
            attributes: vec![AttributeChange {
                attribute: Arc::new(schema),
                change: Change::Values {
                    removed: values(),
                    added: values(),
                },
                before: None,
                after: None,
            }],
        };
        is_harmless(&shown(&change).0);
    }
}

#[test]
fn a_list_of_hostile_objects_is_text() {
    let sessions = Sessions::new(Duration::from_secs(60), Duration::from_secs(60));
    let now = Instant::now();
    let cookie = sessions.begin("anna", Role::Operate, now).expect("a login");
    let visitor = Visitor {
        session: sessions.find(&cookie, now).expect("a login"),
    };
    let row = |attack: String| Row {
        guid: Guid([1; 16]).to_string(),
        kind: Kind::Changed,
        is_elsewhere: true,
        dn: format!("CN={attack}"),
        class: attack.clone(),
        attributes: vec![attack; 20],
    };
    let rows: Vec<Row> = attacks::all()
        .into_iter()
        .cycle()
        .take(150)
        .map(row)
        .collect();
    let found = Differences {
        time: "2026-11-20T08:00:00Z".into(),
        objects: [1, 1],
        classes: BTreeMap::from_iter(
            attacks::SHORT.map(|attack| (attack.to_owned(), Counts::default())),
        ),
        total: Counts::default(),
        rows,
    };
    let wanted = Wanted {
        before: "local/\"><img>".into(),
        after: "<script>".into(),
        ..Wanted::default()
    };
    is_harmless(&list(&visitor, &found, &wanted).0);
}
