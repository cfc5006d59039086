//! Disks as a Windows server has them: partitions, volumes, registry. Without the tools that make
//! them the tests say that they are skipped.

mod files;
mod finding;
mod made;
mod refused;
