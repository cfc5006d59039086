//! Which attributes can be written, when, and why others cannot.
//!
//! Source: trials on Samba 4.17 and 4.22; for Windows \[MS-ADTS\] 3.1.1.5.

/// When an attribute is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// With most others.
    First,
    /// When all else is complete.
    Last,
    /// After the object became a member of the group.
    PrimaryGroup,
    /// Along with the password.
    WithPassword,
    /// Not at all: the server keeps it by itself.
    OfServer,
    /// Not at all, for a reason that people should know.
    Never(&'static str),
}

/// Who writes to which object.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    /// The system itself, over its own socket.
    pub is_privileged: bool,
    /// To a server of Samba's.
    pub is_samba: bool,
}

/// The attribute of security descriptors, which are written in ways of their own.
pub const DESCRIPTOR: &str = "nTSecurityDescriptor";

/// Attributes that a server keeps by itself, in lower case.
const OF_SERVER: [&str; 12] = [
    "distinguishedname",
    "instancetype",
    "isdeleted",
    "isrecycled",
    "lockouttime",
    "msds-lastknownrdn",
    "objectcategory",
    "objectclass",
    "objectguid",
    "objectsid",
    "samaccounttype",
    "structuralobjectclass",
];

/// Attributes that are of the system only, in lower case: a server takes them from nobody over LDAP.
/// Source: `systemOnly` in the schema of Windows Server 2016.
const OF_SYSTEM: [&str; 8] = [
    "ms-ds-creatorsid",
    "msds-failedinteractivelogoncount",
    "msds-failedinteractivelogoncountatlastsuccessfullogon",
    "msds-generationid",
    "msds-lastfailedinteractivelogontime",
    "msds-lastsuccessfulinteractivelogontime",
    "msds-managedpasswordid",
    "msds-managedpasswordpreviousid",
];

/// What becomes of an attribute (in lower case).
pub fn fate(name: &str, writer: Writer, is_new: bool) -> Fate {
    match name {
        "ntsecuritydescriptor" | "useraccountcontrol" => Fate::Last,
        "primarygroupid" => Fate::PrimaryGroup,
        "pwdlastset" => Fate::WithPassword,
        "sidhistory" if !writer.is_privileged => {
            Fate::Never("a server takes former SIDs from nobody over LDAP")
        }
        "systemflags" | "iscriticalsystemobject" => {
            Fate::Never("only the system sets it, when it makes an object")
        }
        "whencreated" if writer.is_privileged && is_new => Fate::First,
        "whencreated" => Fate::OfServer,
        // So that the last change of a deleted object comes last: see `order`.
        "lastknownparent" if writer.is_samba => Fate::Last,
        "lastknownparent" => Fate::OfServer,
        name if OF_SERVER.contains(&name) => Fate::OfServer,
        name if !writer.is_privileged && OF_SYSTEM.contains(&name) => Fate::OfServer,
        _ => Fate::First,
    }
}

/// Whether the values of an attribute (in lower case) are one state, so that those of the backup take
/// the place of newer ones: each change of a DNS record makes another value of it.
pub fn is_one_state(name: &str) -> bool {
    matches!(name, "dnsrecord" | "dnstombstoned")
}

/// Whether accounts and groups have at most one value of an attribute (in lower case), whatever the
/// schema says. Source: \[MS-ADTS\] 3.1.1.5.3.2; Samba's `samldb`.
pub fn is_single_for_accounts(name: &str) -> bool {
    name == "description"
}

/// Why an object of this class (in lower case) is not brought back; `None` where it is.
pub fn left_out(class: &str) -> Option<&'static str> {
    Some(match class {
        "trusteddomain" | "secret" => "trusts and secrets of the LSA cannot be written over LDAP",
        "attributeschema" | "classschema" | "dmd" => "the schema is not brought back",
        "configuration"
        | "crossref"
        | "crossrefcontainer"
        | "domaindns"
        | "infrastructureupdate"
        | "ntdsconnection"
        | "ntdsdsa"
        | "ntdsdsaro"
        | "ridmanager"
        | "ridset"
        | "server" => "it is part of the forest's topology, which must not go back in time",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_write_what() {
        let system = Writer {
            is_privileged: true,
            is_samba: true,
        };
        let windows = Writer {
            is_privileged: false,
            is_samba: false,
        };
        assert_eq!(fate("description", windows, false), Fate::First);
        assert_eq!(fate("useraccountcontrol", windows, false), Fate::Last);
        assert_eq!(fate("sidhistory", system, false), Fate::First);
        assert!(matches!(fate("sidhistory", windows, true), Fate::Never(_)));
        assert_eq!(fate("whencreated", system, true), Fate::First);
        assert_eq!(fate("whencreated", system, false), Fate::OfServer);
        assert_eq!(fate("lastknownparent", windows, false), Fate::OfServer);
        assert_eq!(fate("objectguid", system, true), Fate::OfServer);
        assert!(left_out("crossref").is_some());
        assert!(left_out("dnsnode").is_none());
        assert!(left_out("user").is_none());
    }
}
