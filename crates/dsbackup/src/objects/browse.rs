//! `dsbackup browse`: a directory over LDAP, read-only.

use std::sync::Arc;
use std::time::Duration;

use ldap_server::{Limits, Password, Served, Tickets};
use objects::schema::{AttributeSchema, Schema};
use objects::{Entries, Entry, Facts, Ids, Lookup, ObjectId, Reader, Scope, Source, Wanted};
use tokio::net::TcpListener;

use super::source::{Opened, Sources};
use crate::cli::BrowseOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::Report;
use crate::signals;

/// Serves a directory until the process is to end.
///
/// # Errors
/// Fails if the directory is unreadable, the address is unavailable, or TLS is impossible.
pub fn run(options: &BrowseOptions, report: Report) -> Result<Outcome> {
    let tls = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => Some(
            ldap_server::tls(certificate, key)
                .map_err(|error| Failure::refused(error.to_string()))?,
        ),
        _ => None,
    };
    let tickets = match (&options.keytab, &options.principal) {
        (Some(keytab), Some(principal)) => Some(
            Tickets::new(keytab, principal, options.allowed.clone())
                .map_err(|error| Failure::refused(error.to_string()))?,
        ),
        _ => None,
    };
    if tls.is_none() && tickets.is_none() && !options.listen.ip().to_canonical().is_loopback() {
        return Err(Failure::refused(format!(
            "{}: other machines reach this address, and without --certificate and --key, or \
             --keytab, passwords and the directory would cross the network unencrypted",
            options.listen
        )));
    }
    let sources = Sources::new(&options.sources, report);
    let source = sources.open(&options.source)?;
    let password = password()?;
    let failed = |doing| Failure::io(doing, options.listen.to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed("start threads"))?;
    runtime.block_on(async {
        let shutdown = signals::end().map_err(failed("wait for signals"))?;
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(failed("listen on"))?;
        let address = listener.local_addr().map_err(failed("listen on"))?;
        let has_tls = tls.is_some();
        let result = serde_json::json!({
            "address": address.to_string(),
            "password": &password,
            "tls": has_tls,
        });
        report.result(&result, || {
            let kind = if has_tls { "ldaps" } else { "ldap" };
            format!(
                "serving {} at {kind}://{address}, read-only, until interrupted\n\
                 password, for any user name: {password}",
                source.name
            )
        })?;
        let limits = Limits {
            results: options.max_results,
            ..Limits::default()
        };
        let served = Served::new(Arc::new(Directory(source)), Password::new(password), limits)
            .with_tickets(tickets);
        ldap_server::serve(listener, Arc::new(served), tls, shutdown).await;
        Ok::<(), Failure>(())
    })?;
    // The directory is closed when the last search has ended.
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(Outcome::Done)
}

/// A new password of 128 random bits.
fn password() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::io("make a password", "getrandom")(std::io::Error::other(error))
    })?;
    Ok(ids::hex::encode(&bytes))
}

/// The directory, for the threads of the server.
struct Directory(Opened);

impl Source for Directory {
    fn facts(&self) -> &Facts {
        self.0.facts()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn find(&self, what: &Lookup<'_>) -> objects::Result<Vec<ObjectId>> {
        self.0.find(what)
    }

    fn find_in_index(
        &self,
        attribute: &AttributeSchema,
        value: &[u8],
    ) -> objects::Result<Option<Vec<ObjectId>>> {
        self.0.find_in_index(attribute, value)
    }

    fn entry(&self, id: ObjectId, wanted: &Wanted) -> objects::Result<Option<Entry>> {
        self.0.entry(id, wanted)
    }

    fn reader<'s>(&'s self, wanted: &'s Wanted) -> Reader<'s> {
        self.0.reader(wanted)
    }

    fn scan_ids<'s>(
        &'s self,
        base: ObjectId,
        scope: Scope,
        deleted: bool,
    ) -> objects::Result<Option<Ids<'s>>> {
        self.0.scan_ids(base, scope, deleted)
    }

    fn scan_reader<'s>(
        &'s self,
        base: ObjectId,
        scope: Scope,
        wanted: &'s Wanted,
    ) -> objects::Result<Reader<'s>> {
        self.0.scan_reader(base, scope, wanted)
    }

    fn scan<'s>(
        &'s self,
        base: ObjectId,
        scope: Scope,
        wanted: &'s Wanted,
    ) -> objects::Result<Entries<'s>> {
        self.0.scan(base, scope, wanted)
    }

    fn all<'s>(&'s self, wanted: &'s Wanted) -> objects::Result<Entries<'s>> {
        self.0.all(wanted)
    }
}
