//! The text that names the files of a disk.

use crate::error::{Error, Result};

/// The most extents: a disk of 62 TiB in extents of 2 GiB has 31,744.
const MOST_EXTENTS: usize = 1 << 15;
/// The most sectors of an extent: 62 TiB.
const MOST_SECTORS: u64 = 62 << 31;

/// What a descriptor says.
#[derive(Debug)]
pub(super) struct Descriptor {
    pub(super) extents: Vec<Extent>,
    /// Of a disk that differs from another one: the name of its file, where it is said.
    pub(super) parent: Option<Option<String>>,
}

/// Consecutive sectors of the disk.
#[derive(Debug)]
pub(super) struct Extent {
    pub(super) sectors: u64,
    pub(super) kind: ExtentKind,
}

/// Where an extent is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ExtentKind {
    /// In a file as it is, from this sector on.
    Flat { file: String, start: u64 },
    /// In a file with grains.
    Sparse { file: String },
    /// Nowhere.
    Zero,
}

impl Descriptor {
    /// Reads the descriptor of the file `name`. Zeros may follow it.
    pub(super) fn parse(name: &str, text: &[u8]) -> Result<Self> {
        let end = text.iter().position(|byte| *byte == 0);
        let text = String::from_utf8_lossy(&text[..end.unwrap_or(text.len())]);
        let mut extents = Vec::new();
        let (mut is_child, mut hint) = (false, None);
        for line in text.lines().map(str::trim) {
            if let Some((key, value)) = line.split_once('=') {
                let value = value.trim().trim_matches('"');
                match key.trim().to_ascii_lowercase().as_str() {
                    "parentcid" => is_child = !value.eq_ignore_ascii_case("ffffffff"),
                    "parentfilenamehint" => hint = Some(value.to_owned()),
                    _ => {}
                }
            }
            let access = line.split_whitespace().next();
            if matches!(access, Some("RW" | "RDONLY" | "NOACCESS")) {
                if extents.len() >= MOST_EXTENTS {
                    let expected = format!("at most {MOST_EXTENTS} extents");
                    let structure = "VMDK descriptor";
                    return Err(Error::damaged(name, structure, 0, expected, "more"));
                }
                extents.push(Extent::parse(name, line)?);
            }
        }
        Ok(Self {
            extents,
            parent: is_child.then_some(hint),
        })
    }
}

impl Extent {
    /// Reads a line such as `RW 4096 FLAT "disk-flat.vmdk" 0`.
    fn parse(name: &str, line: &str) -> Result<Self> {
        let damaged = || {
            let expected = "an extent, such as RW 4096 FLAT \"disk-flat.vmdk\" 0";
            Error::damaged(name, "VMDK descriptor", 0, expected, line)
        };
        // The name may have spaces.
        let (start, rest) = line.split_once('"').unwrap_or((line, ""));
        let (file, behind) = rest.split_once('"').unwrap_or((rest, ""));
        let mut words = start.split_whitespace().skip(1);
        let sectors = words.next().and_then(|word| word.parse::<u64>().ok());
        let sectors = sectors.filter(|sectors| (1..=MOST_SECTORS).contains(sectors));
        let (Some(sectors), Some(kind)) = (sectors, words.next()) else {
            return Err(damaged());
        };
        let named = || match file.is_empty() {
            true => Err(damaged()),
            false => Ok(file.to_owned()),
        };
        let kind = match kind.to_ascii_uppercase().as_str() {
            "ZERO" => ExtentKind::Zero,
            "FLAT" | "VMFS" => ExtentKind::Flat {
                file: named()?,
                start: match behind.split_whitespace().next() {
                    Some(word) => word.parse().map_err(|_| damaged())?,
                    None => 0,
                },
            },
            "SPARSE" => ExtentKind::Sparse { file: named()? },
            other => {
                return Err(Error::refused(
                    name,
                    format_args!("an extent of the kind {other}"),
                    "clone the disk with vmkfstools -i SOURCE TARGET -d thin, or consolidate the \
                     snapshots of the virtual machine, and name the result",
                ));
            }
        };
        Ok(Self { sectors, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_with_spaces_zeros_and_a_start() {
        let text = b"# Disk DescriptorFile\nparentCID=ffffffff\n\
            RW 63 FLAT \"a b-f001.vmdk\" 7\nRW 5 SPARSE \"x.vmdk\"\nRW 9 ZERO\n\0\0junk";
        let found = Descriptor::parse("x", text).unwrap();
        let kinds: Vec<_> = found.extents.iter().map(|extent| &extent.kind).collect();
        let (file, start) = ("a b-f001.vmdk".into(), 7);
        assert_eq!(*kinds[0], ExtentKind::Flat { file, start });
        let file = "x.vmdk".into();
        assert_eq!(*kinds[1], ExtentKind::Sparse { file });
        assert_eq!(*kinds[2], ExtentKind::Zero);
        assert!(found.parent.is_none());
    }

    #[test]
    fn what_is_no_extent_is_named() {
        for line in [
            "RW x FLAT \"a\"",
            "RW 1",
            "RW 99999999999999 ZERO",
            "RW 1 FLAT",
        ] {
            let text = format!("# Disk DescriptorFile\n{line}\n");
            let error = Descriptor::parse("disk.vmdk", text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(line), "{error}");
        }
        let error = Descriptor::parse("disk.vmdk", b"RW 1 SESPARSE \"a\"").unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }
}
