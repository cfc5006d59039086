//! The steps of a plan.

use serde::Serialize;

use crate::evidence::Usable;
use crate::model::{Controller, Domain, Forest};

/// Steps that belong together, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// What they achieve.
    pub title: String,
    /// The steps.
    pub steps: Vec<Step>,
}

/// A step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What to do.
    pub text: String,
    /// The commands to type, names filled in.
    pub commands: Vec<String>,
    /// Whether nobody of dsbackup's authors has tried it: it follows documentation only.
    pub untried: bool,
}

impl Step {
    /// A step without commands.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// With one more command.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    /// With more commands.
    #[must_use]
    pub fn commands(mut self, commands: impl IntoIterator<Item = String>) -> Self {
        self.commands.extend(commands);
        self
    }

    /// Known from documentation only.
    #[must_use]
    pub fn untried(mut self) -> Self {
        self.untried = true;
        self
    }
}

/// The recovery of a domain's first controller.
pub struct First<'f> {
    /// The forest.
    pub forest: &'f Forest,
    /// The domain.
    pub domain: &'f Domain,
    /// Its first controller.
    pub controller: &'f Controller,
    /// The snapshot of that controller.
    pub snapshot: &'f Usable,
    /// The server, as the snapshot names it.
    pub server: &'f str,
}

impl First<'_> {
    /// The controllers of the domain that are not restored.
    pub fn others(&self) -> impl Iterator<Item = &Controller> {
        (self.forest.controllers_of(&self.domain.dn))
            .filter(|controller| controller.dn != self.controller.dn)
    }

    /// The restored controller's DNS name, or its name.
    pub fn host(&self) -> &str {
        self.controller
            .dns_name
            .as_deref()
            .unwrap_or(&self.controller.name)
    }
}

/// `a, b and c`.
pub fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => "none".into(),
        [one] => (*one).into(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_in_words() {
        assert_eq!(listed(["a"]), "a");
        assert_eq!(listed(["a", "b", "c"]), "a, b and c");
    }
}
