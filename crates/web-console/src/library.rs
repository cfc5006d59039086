//! The repositories of the configuration, opened once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backup::Silent;
use backup::list::{Listed, list};
use jobs::Configuration;
use jobs::configuration::RepositoryConfiguration;
use repository::Repository;

use crate::kept::Kept;
use crate::problem::Problem;

/// How old a list of snapshots may be.
const AGE: Duration = Duration::from_secs(20);

/// The place of a repository. Whoever opens it keeps only those waiting who want the same one.
type Place = Arc<Mutex<Option<Arc<Shelf>>>>;

/// Open repositories, and what they hold.
#[derive(Default)]
pub struct Library {
    places: Mutex<HashMap<String, Place>>,
}

/// An open repository.
pub struct Shelf {
    /// As it was when it was opened.
    configuration: RepositoryConfiguration,
    /// The repository.
    pub repository: Repository,
    list: Kept<Vec<Listed>>,
}

impl Library {
    /// The repository of this name.
    ///
    /// # Errors
    /// If the configuration has none, or it cannot be opened.
    pub fn shelf(&self, configuration: &Configuration, name: &str) -> Result<Arc<Shelf>, Problem> {
        let wanted = (configuration.repositories.get(name))
            .ok_or_else(|| Problem::not_found(format!("there is no repository {name}")))?;
        let place = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.retain(|name, _| configuration.repositories.contains_key(name));
            Arc::clone(places.entry(name.to_owned()).or_default())
        };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = &*place
            && shelf.configuration == *wanted
        {
            return Ok(Arc::clone(shelf));
        }
        let shelf = Arc::new(Shelf {
            configuration: wanted.clone(),
            repository: wanted.open().map_err(Problem::failed)?,
            list: Kept::default(),
        });
        *place = Some(Arc::clone(&shelf));
        Ok(shelf)
    }
}

impl Shelf {
    /// Its snapshots, oldest first.
    ///
    /// # Errors
    /// If the repository cannot be read.
    pub fn list(&self) -> Result<Arc<Vec<Listed>>, Problem> {
        let read = || list(&self.repository, &Silent).map_err(Problem::failed);
        self.list.get(AGE, read)
    }

    /// Forgets the list: something changed it.
    pub fn changed(&self) {
        self.list.forget();
    }

    /// The snapshot with this whole id.
    ///
    /// # Errors
    /// If there is none.
    pub fn listed(&self, id: &str) -> Result<Listed, Problem> {
        let list = self.list()?;
        let found = list.iter().find(|listed| listed.snapshot == id);
        found
            .cloned()
            .ok_or_else(|| Problem::not_found(format!("the repository has no snapshot {id}")))
    }
}
