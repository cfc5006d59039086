//! The locks of a repository on a restic REST server, which rustic's backend lacks.
//!
//! The protocol: <https://restic.readthedocs.io/en/stable/100_references.html#rest-backend>.

use std::collections::BTreeMap;
use std::io;

use reqwest::blocking::{Client, Response};
use reqwest::{Certificate, Identity, Method, StatusCode, Url};
use rustic_core::Id;
use serde::Deserialize;

use crate::store::{Durability, LOCKS, Store};

/// The folder of locks on a REST server.
#[derive(Debug)]
pub(crate) struct RestLocks {
    client: Client,
    folder: Url,
}

/// A listing in version 2 of the protocol.
#[derive(Deserialize)]
struct Entry {
    name: String,
}

impl RestLocks {
    /// `url` is the repository's, without `rest:`. `options` are those of rustic's backend
    /// (`cacert`, `tls-client-cert`).
    pub(crate) fn new(url: &str, options: &BTreeMap<String, String>) -> io::Result<Self> {
        let folder = format!("{}/{LOCKS}/", url.trim_end_matches('/'));
        let folder = Url::parse(&folder).map_err(io::Error::other)?;
        let mut client = Client::builder().user_agent("dsbackup");
        if let Some(file) = options.get("cacert") {
            let pem = std::fs::read(file)?;
            client =
                client.add_root_certificate(Certificate::from_pem(&pem).map_err(io::Error::other)?);
        }
        if let Some(file) = options.get("tls-client-cert") {
            let pem = std::fs::read(file)?;
            client = client.identity(Identity::from_pem(&pem).map_err(io::Error::other)?);
        }
        Ok(Self {
            client: client.build().map_err(io::Error::other)?,
            folder,
        })
    }

    /// Requests a lock, or with an empty name the list of all. `None` if there is none.
    fn ask(&self, method: Method, name: &str, body: Vec<u8>) -> io::Result<Option<Response>> {
        let url = self.folder.join(name).map_err(io::Error::other)?;
        let answer = self
            .client
            .request(method, url)
            .header("Accept", "application/vnd.x.restic.rest.v2")
            .body(body)
            .send()
            .map_err(io::Error::other)?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        answer
            .error_for_status()
            .map(Some)
            .map_err(io::Error::other)
    }
}

impl Store for RestLocks {
    fn list_locks(&self) -> io::Result<Vec<Id>> {
        let Some(answer) = self.ask(Method::GET, "", Vec::new())? else {
            return Ok(Vec::new());
        };
        let entries: Option<Vec<Entry>> =
            serde_json::from_reader(answer).map_err(io::Error::other)?;
        Ok(entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.name.parse().ok())
            .collect())
    }

    fn read_lock(&self, id: &Id) -> io::Result<Option<Vec<u8>>> {
        let answer = self.ask(Method::GET, &id.to_hex(), Vec::new())?;
        let content = answer.map(|answer| answer.bytes()).transpose();
        Ok(content.map_err(io::Error::other)?.map(Vec::from))
    }

    fn write_lock(&self, id: &Id, content: &[u8]) -> io::Result<()> {
        match self.ask(Method::POST, &id.to_hex(), content.to_vec())? {
            Some(_) => Ok(()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    fn remove_lock(&self, id: &Id) -> io::Result<()> {
        self.ask(Method::DELETE, &id.to_hex(), Vec::new()).map(drop)
    }

    fn durability(&self) -> Durability {
        Durability::NotPromised("the protocol of REST servers does not say when files are durable")
    }
}
