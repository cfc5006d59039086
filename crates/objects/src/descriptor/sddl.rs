//! Security descriptors as text (\[MS-DTYP\] 2.5.1).

use ids::Sid;

use super::{Ace, Acl, Descriptor};

/// The domains whose accounts have abbreviations in the text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Domains<'s> {
    /// The object's domain.
    pub domain: Option<&'s Sid>,
    /// The root of the forest.
    pub root: Option<&'s Sid>,
}

const WELL_KNOWN: [(&str, &str); 43] = [
    ("S-1-1-0", "WD"),
    ("S-1-3-0", "CO"),
    ("S-1-3-1", "CG"),
    ("S-1-3-4", "OW"),
    ("S-1-5-2", "NU"),
    ("S-1-5-4", "IU"),
    ("S-1-5-6", "SU"),
    ("S-1-5-7", "AN"),
    ("S-1-5-9", "ED"),
    ("S-1-5-10", "PS"),
    ("S-1-5-11", "AU"),
    ("S-1-5-12", "RC"),
    ("S-1-5-18", "SY"),
    ("S-1-5-19", "LS"),
    ("S-1-5-20", "NS"),
    ("S-1-5-33", "WR"),
    ("S-1-5-32-544", "BA"),
    ("S-1-5-32-545", "BU"),
    ("S-1-5-32-546", "BG"),
    ("S-1-5-32-547", "PU"),
    ("S-1-5-32-548", "AO"),
    ("S-1-5-32-549", "SO"),
    ("S-1-5-32-550", "PO"),
    ("S-1-5-32-551", "BO"),
    ("S-1-5-32-552", "RE"),
    ("S-1-5-32-554", "RU"),
    ("S-1-5-32-555", "RD"),
    ("S-1-5-32-556", "NO"),
    ("S-1-5-32-558", "MU"),
    ("S-1-5-32-559", "LU"),
    ("S-1-5-32-568", "IS"),
    ("S-1-5-32-569", "CY"),
    ("S-1-5-32-573", "ER"),
    ("S-1-5-32-574", "CD"),
    ("S-1-5-32-575", "RA"),
    ("S-1-5-32-576", "ES"),
    ("S-1-5-32-577", "MS"),
    ("S-1-5-32-578", "HA"),
    ("S-1-5-32-579", "AA"),
    ("S-1-5-32-580", "RM"),
    ("S-1-16-4096", "LW"),
    ("S-1-16-8192", "ME"),
    ("S-1-16-12288", "HI"),
];

/// Relative identifiers in the domain.
const OF_DOMAIN: [(u32, &str); 12] = [
    (500, "LA"),
    (501, "LG"),
    (512, "DA"),
    (513, "DU"),
    (514, "DG"),
    (515, "DC"),
    (516, "DD"),
    (517, "CA"),
    (520, "PA"),
    (522, "CN"),
    (525, "AP"),
    (553, "RS"),
];

/// Relative identifiers in the root of the forest.
const OF_ROOT: [(u32, &str); 3] = [(498, "RO"), (518, "SA"), (519, "EA")];

const RIGHTS: [(u32, &str); 17] = [
    (0x1, "CC"),
    (0x2, "DC"),
    (0x4, "LC"),
    (0x8, "SW"),
    (0x10, "RP"),
    (0x20, "WP"),
    (0x40, "DT"),
    (0x80, "LO"),
    (0x100, "CR"),
    (0x1_0000, "SD"),
    (0x2_0000, "RC"),
    (0x4_0000, "WD"),
    (0x8_0000, "WO"),
    (0x1000_0000, "GA"),
    (0x2000_0000, "GX"),
    (0x4000_0000, "GW"),
    (0x8000_0000, "GR"),
];

const FLAGS: [(u32, &str); 8] = [
    (0x01, "OI"),
    (0x02, "CI"),
    (0x04, "NP"),
    (0x08, "IO"),
    (0x10, "ID"),
    (0x20, "CR"),
    (0x40, "SA"),
    (0x80, "FA"),
];

const KINDS: [(u8, &str); 17] = [
    (0, "A"),
    (1, "D"),
    (2, "AU"),
    (3, "AL"),
    (5, "OA"),
    (6, "OD"),
    (7, "OU"),
    (8, "OL"),
    (9, "XA"),
    (10, "XD"),
    (11, "ZA"),
    (13, "XU"),
    (17, "ML"),
    (18, "RA"),
    (19, "SP"),
    (20, "TL"),
    (21, "FL"),
];

const PROTECTED: [u16; 2] = [0x1000, 0x2000];
const AUTO_INHERIT_REQUIRED: [u16; 2] = [0x0100, 0x0200];
const AUTO_INHERITED: [u16; 2] = [0x0400, 0x0800];

impl Descriptor {
    /// The descriptor as text, with rights in the order of their bits. Data after the SID of an
    /// entry, such as a condition, is a seventh field in hexadecimal digits.
    pub fn to_sddl(&self, domains: Domains<'_>) -> String {
        let mut text = String::new();
        for (letter, sid) in [("O:", &self.owner), ("G:", &self.group)] {
            if let Some(sid) = sid {
                text.push_str(letter);
                text.push_str(&domains.name(sid));
            }
        }
        if self.has_dacl() {
            text.push_str("D:");
            text.push_str(&self.control_of(0));
            match &self.dacl {
                Some(acl) => acl.write(domains, &mut text),
                None => text.push_str("NO_ACCESS_CONTROL"),
            }
        }
        if let Some(acl) = &self.sacl {
            text.push_str("S:");
            text.push_str(&self.control_of(1));
            acl.write(domains, &mut text);
        }
        text
    }

    /// The control flags of the DACL (0) or SACL (1).
    fn control_of(&self, list: usize) -> String {
        let flags = [
            (PROTECTED, "P"),
            (AUTO_INHERIT_REQUIRED, "AR"),
            (AUTO_INHERITED, "AI"),
        ];
        let set = flags
            .iter()
            .filter(|(bits, _)| bits.get(list).is_some_and(|bit| self.control & bit != 0));
        set.map(|(_, letters)| *letters).collect()
    }
}

impl Domains<'_> {
    fn name(self, sid: &Sid) -> String {
        let text = sid.to_string();
        let known = WELL_KNOWN.iter().find(|(written, _)| *written == text);
        if let Some((_, short)) = known {
            return (*short).to_owned();
        }
        for (domain, list) in [(self.domain, &OF_DOMAIN[..]), (self.root, &OF_ROOT[..])] {
            let Some(domain) = domain else { continue };
            let found = list
                .iter()
                .find(|(relative, _)| domain.with(*relative).as_ref() == Some(sid));
            if let Some((_, short)) = found {
                return (*short).to_owned();
            }
        }
        text
    }
}

impl Acl {
    fn write(&self, domains: Domains<'_>, text: &mut String) {
        for entry in &self.entries {
            text.push('(');
            text.push_str(&entry.to_sddl(domains));
            text.push(')');
        }
    }
}

impl Ace {
    /// The entry as text, without parentheses.
    pub fn to_sddl(&self, domains: Domains<'_>) -> String {
        let kind = KINDS.iter().find(|(number, _)| *number == self.kind);
        let kind = kind.map_or_else(|| format!("{:#x}", self.kind), |(_, kind)| (*kind).into());
        let guid = |guid: Option<ids::Guid>| guid.map(|guid| guid.to_string()).unwrap_or_default();
        let mut text = format!(
            "{kind};{};{};{};{};{}",
            letters(u32::from(self.flags), &FLAGS),
            letters(self.mask, &RIGHTS),
            guid(self.object),
            guid(self.inherited_object),
            self.sid
                .as_ref()
                .map(|sid| domains.name(sid))
                .unwrap_or_default(),
        );
        if !self.data.is_empty() {
            text.push(';');
            text.push_str(&ids::hex::encode(&self.data));
        }
        text
    }
}

/// The letters of a number's bits; the number itself if a bit has none.
fn letters(number: u32, names: &[(u32, &str)]) -> String {
    let known = names.iter().fold(0, |known, (bit, _)| known | bit);
    if number & !known != 0 {
        return format!("{number:#x}");
    }
    let set = names.iter().filter(|(bit, _)| number & bit != 0);
    set.map(|(_, letters)| *letters).collect()
}
