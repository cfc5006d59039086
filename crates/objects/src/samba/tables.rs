//! The files of the directory, with what they hold.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ::samba::DatabaseKind;
use ::samba::ldb::Record;

use super::index::Index;
use crate::{Lookup, Result};

/// A partition of the directory in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The name of its head.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// The format of the file.
    pub format: DatabaseKind,
    /// Objects, deleted ones included.
    pub objects: u64,
    /// Records of indices: one for each value that an index knows.
    pub index_records: u64,
    /// The attributes with an index.
    pub indices: BTreeSet<String>,
}

/// Lists the partitions.
pub fn list(index: &Index) -> Result<Vec<Partition>> {
    let mut tables = Vec::new();
    for ((path, file), partition) in index.files().iter().zip(index.partitions()) {
        let head = index.find(&Lookup::Dn(partition)).first().copied();
        let head = head.and_then(|head| index.get(head));
        let mut table = Partition {
            name: head.map_or_else(|| partition.clone(), |head| head.dn.to_string()),
            file: path.clone(),
            format: file.kind(),
            objects: 0,
            index_records: 0,
            indices: BTreeSet::new(),
        };
        file.visit(|key, value, _| -> Result<()> {
            let special = key.strip_prefix(b"DN=@");
            match special {
                None => table.objects += 1,
                Some(name) if name.starts_with(b"INDEX:") => table.index_records += 1,
                Some(name) if name.strip_suffix(b"\0").unwrap_or(name) == b"INDEXLIST" => {
                    let record = Record::parse(value);
                    let values = record.iter().flat_map(|record| record.values("@IDXATTR"));
                    let names = values.map(|name| String::from_utf8_lossy(name).into_owned());
                    table.indices = names.collect();
                }
                Some(_) => {}
            }
            Ok(())
        })?;
        tables.push(table);
    }
    Ok(tables)
}
