//! The plan: all that a restore would do, and what it cannot.

use std::sync::Arc;

use ids::Guid;
use objects::schema::AttributeSchema;
use objects::{Entry, Value};

/// What brings objects back.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The objects, parents before their children.
    pub objects: Vec<ObjectPlan>,
    /// Links between objects, written when all objects are there.
    pub links: Vec<LinkChange>,
    /// Objects that are not brought back: their names, and why.
    pub left_out: Vec<Left>,
    /// What must be removed before anything is written.
    pub obstacles: Vec<Obstacle>,
}

/// An object of the backup with its plan.
#[derive(Debug)]
pub struct Planned {
    /// The object as the backup has it.
    pub wanted: Entry,
    /// What becomes of it.
    pub plan: ObjectPlan,
}

/// What becomes of an object.
#[derive(Debug, Clone)]
pub struct ObjectPlan {
    /// The object in the backup.
    pub guid: Guid,
    /// Its name afterwards.
    pub dn: String,
    /// Its most specific class.
    pub class: String,
    /// How it comes to its place.
    pub action: Action,
    /// Whether it was deleted, or comes anew.
    pub comes_back: bool,
    /// Whether somebody logs on with it.
    pub is_account: bool,
    /// What becomes of its password.
    pub password: PasswordPlan,
    /// Attributes that are written.
    pub values: Vec<ValuesChange>,
    /// What of it cannot be brought back.
    pub left: Vec<Left>,
    /// Of a group policy: its files in SYSVOL, where they differ from the backup.
    pub files: Option<PolicyFiles>,
    /// The one attribute of it that changes, in lower case; any where there is none.
    pub only: Option<String>,
}

/// The files of a group policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFiles {
    /// Their folder beneath SYSVOL.
    pub folder: String,
    /// How many files and folders differ.
    pub count: usize,
}

/// How an object comes to its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It is there.
    Stay,
    /// It is moved or renamed.
    Move {
        /// Its present name.
        from: String,
    },
    /// Its tombstone, or the whole object in the Recycle Bin, becomes alive again.
    Reanimate {
        /// Its present name.
        from: String,
        /// Whether the object is whole, with its password.
        is_whole: bool,
    },
    /// The same on a Samba server with a Recycle Bin, where only the system can do it, in steps.
    ReanimateInSteps {
        /// Its present name.
        from: String,
    },
    /// It is made anew.
    Create {
        /// Whether with the GUID and SID of before.
        keeps_identity: bool,
    },
}

/// What becomes of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordPlan {
    /// It is the object's business.
    Untouched,
    /// That of the backup.
    Keep,
    /// The new one.
    Set,
    /// There is none, and the account stays disabled.
    Lost,
}

/// Other values of an attribute.
#[derive(Debug, Clone)]
pub struct ValuesChange {
    /// The attribute.
    pub attribute: Arc<AttributeSchema>,
    /// Values that go.
    pub removed: Vec<Value>,
    /// Values that come.
    pub added: Vec<Value>,
}

/// A link that comes or goes.
#[derive(Debug, Clone)]
pub struct LinkChange {
    /// The object that holds the value.
    pub holder: Guid,
    /// Its name.
    pub holder_dn: Arc<str>,
    /// The attribute there.
    pub attribute: Arc<AttributeSchema>,
    /// The value.
    pub value: Value,
    /// Whether it comes.
    pub comes: bool,
}

/// What is not brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The attribute or object.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// Why the plan must not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The object.
    pub dn: String,
    /// What stands in the way, and what to do.
    pub reason: String,
    /// Whether `--force` removes it.
    pub yields_to_force: bool,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty() && self.objects.iter().all(ObjectPlan::is_empty)
    }
}

impl ObjectPlan {
    /// The name that it has now, where that is another than afterwards.
    pub fn former_name(&self) -> Option<&str> {
        match &self.action {
            Action::Move { from }
            | Action::Reanimate { from, .. }
            | Action::ReanimateInSteps { from } => Some(from),
            Action::Stay | Action::Create { .. } => None,
        }
    }

    /// Whether nothing of the object changes, links apart.
    pub fn is_empty(&self) -> bool {
        let is_set = matches!(self.password, PasswordPlan::Keep | PasswordPlan::Set);
        let changes = !self.values.is_empty() || self.files.is_some() || is_set;
        self.action == Action::Stay && !changes
    }

    /// Whether the object has no password before it gets one.
    pub fn has_no_password(&self) -> bool {
        let is_whole = matches!(self.action, Action::Reanimate { is_whole: true, .. });
        self.is_account
            && self.comes_back
            && !is_whole
            && !matches!(self.action, Action::ReanimateInSteps { .. })
    }
}
