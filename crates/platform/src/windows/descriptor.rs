//! Access lists in the text form of security descriptors (SDDL): whom they let read, and whom write.

/// The rights by which somebody may replace files in a folder: to add files and folders, to delete
/// children, to change the list or the owner, and the generic ones that include these.
const WRITES: u32 = 0x2 | 0x4 | 0x40 | 0x4_0000 | 0x8_0000 | 1 << 30 | 1 << 28;
/// The right to add folders to a folder.
const ADDS_FOLDERS: u32 = 0x4;
/// The account to which Windows gives that right on the folder of NTDS, under both its names.
const LOCAL_SERVICE: [&str; 2] = ["LS", "S-1-5-19"];
/// The right to read data, and the generic ones that include it.
const READS: u32 = 0x1 | 1 << 31 | 1 << 28;
/// All rights: for a word that is not known.
const ALL: u32 = u32::MAX;

/// Accounts that may do everything on the computer anyway, by alias and by number: the system, the
/// administrators of the computer, of the domain and of the forest, the installer of Windows; and
/// those that stand for the file's owner.
const TRUSTED: [&str; 13] = [
    "SY",
    "BA",
    "LA",
    "DA",
    "EA",
    "CO",
    "OW",
    "S-1-5-18",
    "S-1-5-32-544",
    "S-1-3-0",
    "S-1-3-4",
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
    "S-1-5-80-0",
];

/// A descriptor: its owner, and what its list allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) owner: String,
    /// `None` where there is no list: then everybody may do everything.
    allowed: Option<Vec<Allowed>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowed {
    account: String,
    rights: u32,
}

impl Descriptor {
    /// Parses the text form, as Windows writes it. What is not understood counts as a right.
    pub(crate) fn parse(text: &str) -> Self {
        let owner = match text.strip_prefix("O:") {
            Some(rest) => rest.split(['G', 'D']).next().unwrap_or_default(),
            None => "",
        };
        // The alias of an owner may have these letters.
        let owner = match text.get(2..4) {
            Some(alias) if owner.len() < 2 && text.starts_with("O:") => alias,
            _ => owner,
        };
        Self {
            owner: owner.to_owned(),
            allowed: text.split_once("D:").and_then(|(_, list)| allowed(list)),
        }
    }

    /// Whether the owner is the account `own`, or one that may do everything anyway.
    pub(crate) fn is_owner_trusted(&self, own: &str) -> bool {
        is_trusted(&self.owner, own)
    }

    /// The first account but `own` and trusted ones that may replace files in the folder. What Windows
    /// lets LOCAL SERVICE do in the folder of NTDS replaces none.
    pub(crate) fn writer(&self, own: &str) -> Option<&str> {
        self.first(own, |entry| {
            let is_of_windows = LOCAL_SERVICE.contains(&entry.account.as_str());
            entry.rights & WRITES & !(if is_of_windows { ADDS_FOLDERS } else { 0 }) != 0
        })
    }

    /// The first account but `own` and trusted ones that may read or write.
    pub(crate) fn reader(&self, own: &str) -> Option<&str> {
        self.first(own, |entry| entry.rights & (READS | WRITES) != 0)
    }

    fn first(&self, own: &str, may: impl Fn(&Allowed) -> bool) -> Option<&str> {
        let Some(allowed) = &self.allowed else {
            return Some("everybody");
        };
        let found = allowed
            .iter()
            .find(|entry| may(entry) && !is_trusted(&entry.account, own));
        found.map(|entry| entry.account.as_str())
    }
}

fn is_trusted(account: &str, own: &str) -> bool {
    account == own || TRUSTED.contains(&account)
}

/// The entries that allow something on the folder itself. `None` where everything is allowed.
fn allowed(list: &str) -> Option<Vec<Allowed>> {
    if list.starts_with("NO_ACCESS_CONTROL") {
        return None;
    }
    // What follows is the list for auditing.
    let list = list.split("S:").next().unwrap_or_default();
    let entries = list.split('(').skip(1).filter_map(|entry| {
        let entry = entry.split(')').next().unwrap_or_default();
        let mut fields = entry.split(';');
        let kind = fields.next().unwrap_or_default();
        let flags = fields.next().unwrap_or_default();
        let rights = fields.next().unwrap_or_default();
        let account = fields.nth(2).unwrap_or_default();
        let is_only_inherited = pairs(flags).any(|flag| flag == "IO");
        let denies = matches!(kind, "D" | "OD" | "XD" | "ZD");
        (!denies && !is_only_inherited).then(|| Allowed {
            account: account.to_owned(),
            rights: number_of(rights),
        })
    });
    Some(entries.collect())
}

fn pairs(text: &str) -> impl Iterator<Item = &str> {
    (0..text.len())
        .step_by(2)
        .map(|at| text.get(at..at + 2).unwrap_or("?"))
}

/// The rights, from a number or from words of two letters.
fn number_of(rights: &str) -> u32 {
    if let Some(number) = rights.strip_prefix("0x") {
        return u32::from_str_radix(number, 16).unwrap_or(ALL);
    }
    pairs(rights).fold(0, |sum, word| {
        sum | match word {
            "FA" => 0x1f_01ff,
            "FR" => 0x12_0089,
            "FW" => 0x12_0116,
            "FX" => 0x12_00a0,
            "GX" => 1 << 29,
            "GR" => 1 << 31,
            "RC" => 0x2_0000,
            "SD" => 0x1_0000,
            "CC" => 0x1,
            "DC" => 0x2,
            "LC" => 0x4,
            "SW" => 0x8,
            "RP" => 0x10,
            "WP" => 0x20,
            "DT" => 0x40,
            "LO" => 0x80,
            "CR" => 0x100,
            // WD, WO, GW and GA write; another word may.
            _ => ALL,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "S-1-5-21-1-2-3-1000";

    fn found(text: &str) -> (bool, Option<String>, Option<String>) {
        let descriptor = Descriptor::parse(text);
        (
            descriptor.is_owner_trusted(OWN),
            descriptor.writer(OWN).map(str::to_owned),
            descriptor.reader(OWN).map(str::to_owned),
        )
    }

    #[test]
    fn what_others_may_do_is_found_in_the_list() {
        let some = |account: &str| Some(account.to_owned());
        // A private folder of ours.
        let private = format!("O:{OWN}G:DUD:P(A;OICI;FA;;;{OWN})(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)");
        assert_eq!(found(&private), (true, None, None));
        // A new folder of C:\, as Windows makes it.
        let usual = "O:BAG:DUD:(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;OICIID;0x1200a9;;;BU)\
                     (A;ID;0x1301bf;;;AU)(A;OICIIOID;SDGXGWGR;;;AU)";
        assert_eq!(found(usual), (true, some("AU"), some("BU")));
        // A folder that all may read, and in which what all may write is inherited only.
        let read = "O:SYG:SYD:AI(A;OICIIO;GA;;;WD)(A;;0x1200a9;;;WD)(A;;FA;;;SY)S:(AU;;FA;;;WD)";
        assert_eq!(found(read), (true, None, some("WD")));
        // Somebody else's; a denial allows nothing; no list allows all; an unknown word is a right.
        assert_eq!(
            found("O:S-1-5-21-9-9-9-500D:(D;;FA;;;WD)"),
            (false, None, None)
        );
        assert_eq!(found("O:BA").1, some("everybody"));
        assert_eq!(found("O:BAD:NO_ACCESS_CONTROL").1, some("everybody"));
        assert_eq!(found("O:BAD:(A;;XX;;;WD)").1, some("WD"));
        assert_eq!(found("O:BAD:(A;;0xzz;;;WD)").1, some("WD"));
        assert_eq!(found("O:DAG:DUD:(A;;FA;;;DA)"), (true, None, None));
        // The folder of NTDS, as Windows makes it; more than that LOCAL SERVICE may not have.
        let ntds = "O:BAG:SYD:PAI(A;OICIIO;GA;;;CO)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;CI;LC;;;LS)";
        assert_eq!(found(ntds).1, None);
        assert_eq!(found(&ntds.replace(";LC;", ";0x4;")).1, None);
        assert_eq!(found(&ntds.replace(";LC;", ";DCLC;")).1, some("LS"));
        assert_eq!(found(&ntds.replace("LS", "BU")).1, some("BU"));
        // An empty list lets nobody in.
        assert_eq!(found("O:BAD:P"), (true, None, None));
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in [
            "",
            "O",
            "O:",
            "D:",
            "D:(",
            "D:(;",
            "O:ÄÖD:(A;Ä;Ö;;;ß",
            "D:(A;;;;;)",
        ] {
            let _ = found(text);
        }
    }
}
