//! The local users that may back up and restore: root, the service's own user, and the members of a
//! configured group.

use std::ffi::CString;

use contract::{Error, Result, ResultCode};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// The rule, fixed when the service starts.
#[derive(Debug, Clone)]
pub(crate) struct LocalRule {
    own_uid: u32,
    group: Option<Gid>,
}

impl LocalRule {
    /// The rule for the service's own user and, if configured, a group.
    ///
    /// # Errors
    /// `hrInvalidParam` if the group does not exist.
    pub(crate) fn new(group: Option<&str>) -> Result<Self> {
        let group = group
            .map(|name| match Group::from_name(name) {
                Ok(Some(group)) => Ok(group.gid),
                Ok(None) => Err(unusable_group(name, "there is no such group")),
                Err(error) => Err(unusable_group(name, error.desc())),
            })
            .transpose()?;
        Ok(Self {
            own_uid: nix::unistd::geteuid().as_raw(),
            group,
        })
    }

    /// The name of this process's user.
    pub(crate) fn own_name() -> String {
        Self::name_of(nix::unistd::geteuid().as_raw())
    }

    /// The user's name, or its number if it has none. May query the user database.
    pub(crate) fn name_of(uid: u32) -> String {
        match User::from_uid(Uid::from_raw(uid)) {
            Ok(Some(user)) => user.name,
            _ => format!("uid {uid}"),
        }
    }

    /// The configured group's number.
    pub(crate) fn group(&self) -> Option<u32> {
        self.group.map(Gid::as_raw)
    }

    /// Whether a process of this user and primary group may back up and restore. Membership in the
    /// configured group is by primary group or by the user database. May query the user database,
    /// and so blocks.
    pub(crate) fn admits(&self, uid: u32, gid: u32) -> bool {
        if uid == 0 || uid == self.own_uid {
            return true;
        }
        self.group
            .is_some_and(|group| gid == group.as_raw() || is_member(uid, group))
    }
}

/// Whether the user database lists the user as a member of the group. A user that cannot be looked
/// up is no member.
fn is_member(uid: u32, group: Gid) -> bool {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) else {
        return false;
    };
    let Ok(name) = CString::new(user.name) else {
        return false;
    };
    getgrouplist(&name, user.gid).is_ok_and(|groups| groups.contains(&group))
}

fn unusable_group(name: &str, reason: &str) -> Error {
    Error::new(
        ResultCode::INVALID_PARAM,
        format!("group = {name:?}: {reason}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: u32 = 65534;

    #[test]
    fn root_and_the_own_user_hold_them() {
        let rule = LocalRule {
            own_uid: 1234,
            group: None,
        };
        assert!(rule.admits(0, 0));
        assert!(rule.admits(1234, 1));
        assert!(!rule.admits(NOBODY, 0));
    }

    #[test]
    fn a_group_adds_its_members() {
        let rule = LocalRule {
            own_uid: 0,
            group: Some(Gid::from_raw(4321)),
        };
        assert!(rule.admits(NOBODY, 4321));
        assert!(!rule.admits(NOBODY, NOBODY));
        // The user nobody belongs to nogroup by the user database, whatever group the process has.
        let nogroup = LocalRule {
            own_uid: 0,
            group: Some(Gid::from_raw(NOBODY)),
        };
        assert!(nogroup.admits(NOBODY, 4321));
        // An unknown user is no member.
        assert!(!nogroup.admits(3_999_999, 4321));
    }

    #[test]
    fn an_unknown_group_is_refused() {
        let error = LocalRule::new(Some("no such group here")).unwrap_err();
        assert_eq!(error.code, ResultCode::INVALID_PARAM);
    }
}
