//! A restore, taken back.

use std::io::Write;
use std::sync::Arc;

use axum::extract::{Extension, Form, Path, State};
use axum::response::Response;
use backup::beside::Beside;
use backup::watched::Watched;
use backup::words::count;
use backup::{Report, Silent};
use jobs::record::StateFolder;
use object_restore::{Local, Records, Undone, undo_beside, words};
use serde::Deserialize;

use super::journals::{self, undone_file};
use crate::console::Console;
use crate::guard::Visitor;
use crate::problem::Problem;
use crate::running::Running;
use crate::settings::ServerSettings;
use crate::work::{Teller, Work};
use crate::work_page::begun;

/// The answer to the question whether a restore shall be taken back.
#[derive(Deserialize)]
pub struct Confirmed {
    name: String,
}

/// Takes a restore back.
///
/// # Errors
/// If there is no such journal, its server's name was not typed, or another work goes on.
pub async fn undo(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Form(form): Form<Confirmed>,
) -> Result<Response, Problem> {
    let journal = console
        .read(move |console| journals::read(console, &name))
        .await?;
    let (server, settings) = journal.confirmed(&console, &form.name)?;
    let settings = settings.clone();
    let title = format!("restore of {} taken back", journal.began());
    let what = format!("journal {} at {server}", journal.name);
    let (shared, told) = (Arc::clone(&console), what.clone());
    let user = visitor.session.user.clone();
    let work = (console.works).begin(title, &visitor.session.user, move |work| {
        work.lead_to(journals::address(&journal.name), "The journal".into());
        let records = &journal.records;
        let done = taken_back(&shared, &settings, records, &journal.name, &user, work);
        shared.audit.ended(&user, "undo", &told, &done);
        done
    })?;
    Ok(begun(&work, what))
}

fn taken_back(
    console: &Console,
    settings: &ServerSettings,
    records: &Records,
    name: &str,
    user: &str,
    work: &Arc<Work>,
) -> Result<String, String> {
    let report = Teller(Arc::clone(work));
    report.note(&format!(
        "{} are taken back",
        count(records.steps.len(), "step")
    ));
    let running = Running::connect(settings).map_err(|problem| problem.text)?;
    let own = running.installation.as_ref();
    let beside = own.map(|own| Beside::new(own, None, &Silent));
    let local = beside.as_ref().map(|beside| beside as &dyn Local);
    let undone = undo_beside(&running.live, records, local, &Watched::silent(&report));
    let undone = undone.map_err(|error| error.to_string())?;
    note(&console.state, name, user).map_err(|problem| problem.text)?;
    outcome(&undone, &report)
}

/// Notes that a restore was taken back.
fn note(state: &StateFolder, name: &str, user: &str) -> Result<(), Problem> {
    let folder = state.journals().map_err(Problem::failed)?;
    let file = platform::private::create(&undone_file(&folder, name));
    let mut file = file.map_err(Problem::failed)?;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    write!(file, "{now}, by {user}").map_err(Problem::failed)
}

fn outcome(undone: &Undone, report: &Teller) -> Result<String, String> {
    for left in &undone.left {
        report.note(&format!("stays: {}", words::left_in_words(left)));
    }
    let text = format!(
        "{} deleted again, {} moved back, {} with their former values{}",
        count(undone.deleted, "object"),
        undone.moved,
        count(undone.attributes, "attribute"),
        match undone.files {
            0 => String::new(),
            files => format!(", files of {files} policies those of before"),
        }
    );
    match undone.left.is_empty() {
        true => Ok(text),
        false => Err(format!("{text}; {} stay as they are", undone.left.len())),
    }
}
