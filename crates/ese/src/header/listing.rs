//! Headers in the form that administrators know: the fields of `esentutl /mh`, `/ml` and `/mk`,
//! with the same names, order and notation.

use super::{
    BackupInfo, BackupKind, Checkpoint, DatabaseHeader, EngineParameters, FlushMapHeader, Lgpos,
    LogHeader, PatchHeader,
};
use crate::checksum::NEW_CHECKSUM_FLAG;
use zerocopy::little_endian::U32;

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The heading above the line, such as `Previous Full Backup`; empty for the lines of the main
    /// part.
    pub section: &'static str,
    /// The name, such as `Log Required`.
    pub name: &'static str,
    /// The value, such as `1-4 (0x1-0x4) [Min. Req. Pre-Redo: 0 (0x0)]`.
    pub value: String,
}

/// Collects the lines of one listing.
struct Listing {
    fields: Vec<Field>,
    section: &'static str,
}

impl Listing {
    fn new() -> Listing {
        Listing {
            fields: Vec::new(),
            section: "",
        }
    }

    fn add(&mut self, name: &'static str, value: impl ToString) {
        self.fields.push(Field {
            section: self.section,
            name,
            value: value.to_string(),
        });
    }

    fn add_backup(&mut self, section: &'static str, backup: &BackupInfo, kind: BackupKind) {
        self.section = section;
        let kind = match kind {
            BackupKind::STREAMING => "",
            BackupKind::OS_SNAPSHOT => " - OSSnapshot",
            BackupKind::SNAPSHOT => " - Snapshot",
            _ => " - UNKNOWN",
        };
        self.add("Log Gen", range(backup.low, backup.high) + kind);
        self.add("Mark", backup.mark);
        self.add("Mark", backup.mark_time);
        self.section = "";
    }

    fn add_parameters(&mut self, parameters: &EngineParameters) {
        let circular = if parameters.is_circular() {
            "on"
        } else {
            "off"
        };
        self.add(
            "Env (CircLog,Session,Opentbl,VerPage,Cursors,LogBufs,LogFile,Buffers)",
            format!(
                "({:>7},{:>7},{:>7},{:>7},{:>7},{:>7},{:>7},{:>7})",
                circular,
                parameters.sessions.get(),
                parameters.open_tables.get(),
                parameters.version_pages.get(),
                parameters.cursors.get(),
                parameters.log_buffers.get(),
                parameters.log_sectors.get(),
                parameters.cache_size.get(),
            ),
        );
    }
}

/// `7 (0x7)`
fn both(number: U32) -> String {
    let number = number.get();
    format!("{number} ({number:#x})")
}

/// `1-7 (0x1-0x7)`
fn range(low: U32, high: U32) -> String {
    let (low, high) = (low.get(), high.get());
    format!("{low}-{high} ({low:#x}-{high:#x})")
}

/// `none`, or `found (3)`
fn found(count: U32) -> String {
    match count.get() {
        0 => "none".into(),
        count => format!("found ({count})"),
    }
}

fn on(flag: bool) -> &'static str {
    if flag { "on" } else { "off" }
}

impl DatabaseHeader {
    /// The fields of `esentutl /mh`. `patch` is the last page of a streaming backup, if the file
    /// has one.
    pub fn listing(&self, patch: Option<&PatchHeader>) -> Vec<Field> {
        let mut list = Listing::new();
        self.list_identity(&mut list);
        self.list_log_needs(&mut list);
        self.list_history(&mut list);
        self.list_backups(&mut list);
        self.list_upkeep(&mut list);
        if let Some(patch) = patch {
            patch.list(&mut list);
        }
        list.add(
            "Database Header Flush Signature",
            self.header_flush_signature,
        );
        list.add(
            "Flush Map Header Flush Signature",
            self.flush_map_flush_signature,
        );
        list.add(
            "RBS Header Flush Signature",
            self.revert_snapshot_flush_signature,
        );
        self.list_reverts(&mut list);
        list.fields
    }

    fn list_identity(&self, list: &mut Listing) {
        list.add(
            "File Type",
            if self.attributes == 0 {
                "Database"
            } else {
                "UNKNOWN"
            },
        );
        list.add("Checksum", format!("{:#x}", self.checksum));
        list.add("Format ulMagic", format!("{:#x}", self.magic));
        let (major, minor) = (self.update_major, self.update_minor);
        let by = self.newest_engine_format;
        let version = format!("{:#x},{major},{minor}  (attached by {by})", self.version);
        list.add("Format ulVersion", version);
        let created = format!(
            "{:#x},{}",
            self.created_version,
            self.created_update.get() as i16
        );
        list.add("Created ulVersion", created);
        list.add("DB Signature", self.database_signature);
        list.add("cbDbPage", self.page_size_field);
        list.add("dbtime", self.dbtime);
        list.add("State", self.state());
    }

    fn list_log_needs(&self, list: &mut Listing) {
        let required = range(self.min_required, self.max_required);
        let before = both(self.min_required_before_redo);
        list.add(
            "Log Required",
            format!("{required} [Min. Req. Pre-Redo: {before}]"),
        );
        list.add("Gen. Max. Req. Creation Time", self.max_required_time);
        list.add("Log Committed", range(U32::ZERO, self.max_committed));
        list.add("Gen. Max. Com. Creation Time", self.max_committed_time);
        let consistent = both(self.min_consistent);
        let before = both(self.min_consistent_before_redo);
        list.add(
            "Log Consistent",
            format!("{consistent} [Pre-Redo: {before}]"),
        );
        list.add("Log Recovering", both(self.recovering));
    }

    fn list_history(&self, list: &mut Listing) {
        list.add("Shadowed", if self.is_shadowed() { "Yes" } else { "No" });
        list.add("Last Objid", self.last_object_id);
        list.add("Scrub Dbtime", self.scrub_dbtime);
        list.add("Scrub Date", self.scrub_time);
        list.add("Repair Count", self.repair_count);
        list.add("Repair Date", self.repair_time);
        list.add("Old Repair Count", self.old_repair_count);
        let moment = |position, time| format!("{position}  {time}");
        list.add(
            "Last Consistent",
            moment(self.last_consistent, self.last_consistent_time),
        );
        list.add(
            "Last Attach",
            moment(self.last_attach, self.last_attach_time),
        );
        list.add(
            "Last Detach",
            moment(self.last_detach, self.last_detach_time),
        );
        list.add(
            "Last ReAttach",
            moment(self.last_reattach, self.last_reattach_time),
        );
        list.add("Dbid", self.database_id.get() as i16);
        list.add("Log Signature", self.log_signature);
        let (high, low) = (
            (self.sort_version.get() >> 32),
            self.sort_version.get() as u32,
        );
        list.add(
            "OS Version",
            format!(
                "({}.{}.{} SP {} NLS {high:x}.{low:x})",
                self.os_major, self.os_minor, self.os_build, self.os_service_pack
            ),
        );
        let reseeds = [self.reseed_count, self.old_reseed_count];
        let patches = [self.page_patch_count, self.old_page_patch_count];
        if [reseeds, patches] != [[U32::ZERO; 2]; 2] {
            list.add("Reseed Count", self.reseed_count);
            list.add("Reseed Date", self.reseed_time);
            list.add("Old Reseed Count", self.old_reseed_count);
            list.add("Patch Count", self.page_patch_count);
            list.add("Patch Date", self.page_patch_time);
            list.add("Old Patch Count", self.old_page_patch_count);
        }
    }

    fn list_backups(&self, list: &mut Listing) {
        for (section, backup, kind) in [
            (
                "Previous Full Backup",
                self.previous_full_backup,
                self.previous_full_backup_kind,
            ),
            (
                "Previous Incremental Backup",
                self.previous_incremental_backup,
                self.previous_incremental_backup_kind,
            ),
            (
                "Previous Copy Backup",
                self.previous_copy_backup,
                self.previous_copy_backup_kind,
            ),
            (
                "Previous Differential Backup",
                self.previous_differential_backup,
                self.previous_differential_backup_kind,
            ),
            (
                "Current Full Backup",
                self.current_full_backup,
                BackupKind::STREAMING,
            ),
            (
                "Current Shadow copy backup",
                self.current_shadow_copy,
                BackupKind::STREAMING,
            ),
        ] {
            list.add_backup(section, &backup, kind);
        }
    }

    fn list_upkeep(&self, list: &mut Listing) {
        list.add("cpgUpgrade55Format", self.upgrade_55_format.get() as i32);
        list.add("cpgUpgradeFreePages", self.upgrade_free_pages.get() as i32);
        list.add(
            "cpgUpgradeSpaceMapPages",
            self.upgrade_space_map_pages.get() as i32,
        );
        let none_since = |position: Lgpos| match position {
            _ if position == self.last_attach => "(Matches \"Last Attach\", no subsequent resize)",
            _ if position == self.last_consistent => {
                "(Matches \"Last Consistent\", no subsequent resize)"
            }
            _ => "",
        };
        let resize = format!("{}  {}", self.last_resize, none_since(self.last_resize));
        list.add("Last Resize", resize.trim_end());
        list.add("Extend Count", self.extend_count);
        list.add("Extend Date", self.extend_time);
        list.add("Shrink Count", self.shrink_count);
        list.add("Shrink Date", self.shrink_time);
        list.add("Trim Count", self.trim_count);
        if self.file_type != 1 {
            return;
        }
        list.add("ECC Fix Success Count", found(self.ecc_fix_success_count));
        if self.ecc_fix_success_count != 0 {
            list.add("Last ECC Fix Success Date", self.ecc_fix_success_time);
        }
        list.add(
            "Old ECC Fix Success Count",
            found(self.old_ecc_fix_success_count),
        );
        list.add("ECC Fix Error Count", found(self.ecc_fix_error_count));
        if self.ecc_fix_error_count != 0 {
            list.add("Last ECC Fix Error Date", self.ecc_fix_error_time);
        }
        list.add(
            "Old ECC Fix Error Count",
            found(self.old_ecc_fix_error_count),
        );
        list.add("Bad Checksum Error Count", found(self.bad_checksum_count));
        if self.bad_checksum_count != 0 {
            list.add("Last Bad Checksum Error Date", self.bad_checksum_time);
        }
        list.add(
            "Old bad Checksum Error Count",
            found(self.old_bad_checksum_count),
        );
        list.add(
            "Last Database Maintenance Finish Date",
            self.maintenance_finish_time,
        );
        list.add(
            "Current Database Maintenance Start Date",
            self.maintenance_start_time,
        );
        list.add(
            "Highest Continuous Database Maintenance Page",
            self.highest_continuous_maintenance_page,
        );
        list.add(
            "Highest Database Maintenance Page",
            self.highest_maintenance_page,
        );
    }

    fn list_reverts(&self, list: &mut Listing) {
        if self.revert_count == 0 && self.revert_page_count == 0 {
            return;
        }
        list.add("Revert Count", self.revert_count);
        list.add("Revert From Date", self.revert_from_time);
        list.add("Revert To Date", self.revert_to_time);
        list.add("Revert Page Count", self.revert_page_count);
        list.add("Last Commit Before Revert", self.commit_before_revert);
    }
}

impl PatchHeader {
    fn list(&self, list: &mut Listing) {
        const SECTION: &str = "Patch Current Full Backup";
        list.add_backup(SECTION, &self.backup, BackupKind::STREAMING);
        let generations = [self.min_required, self.max_required, self.max_committed];
        let is_old = generations == [U32::ZERO; 3]
            && !self.max_required_time.is_set()
            && !self.max_committed_time.is_set();
        if is_old {
            return;
        }
        list.section = SECTION;
        list.add("Log Required", range(self.min_required, self.max_required));
        list.add("Gen. Max. Req. Creation Time", self.max_required_time);
        list.add("Log Committed", both(self.max_committed));
        list.add("Gen. Max. Com. Creation Time", self.max_committed_time);
        list.section = "";
    }
}

impl LogHeader {
    /// The header's fields of `esentutl /ml`.
    pub fn listing(&self) -> Vec<Field> {
        let mut list = Listing::new();
        let generation = self.generation.get();
        list.add("lGeneration", format!("{generation} ({generation:#X})"));
        list.add("creation time", self.created);
        list.add("prev gen time", self.previous_created);
        list.add(
            "prev gen accumulated segment checksum",
            format!("{:#018x}", self.previous_segments_checksum.get()),
        );
        let version = format!("({}) (generated by {})", self.version(), self.engine_format);
        list.add("Format LGVersion", version);
        list.add("Signature", self.log_signature);
        list.add("Env SystemPath", self.parameters.system_path());
        list.add("Env LogFilePath", self.parameters.log_path());
        let disk = match self.disk_sector_mismatch {
            0 => "legacy, unknown actual",
            1 => "matches",
            2 => "actual @ log gen 512",
            3 => "actual @ log gen 1024",
            4 => "actual @ log gen 2048",
            5 => "actual @ log gen 4096",
            _ => "actual @ log gen NON-STANDARD",
        };
        list.add("Env Log Sec size", format!("{} ({disk})", self.sector_size));
        list.add_parameters(&self.parameters);
        list.add("Using Reserved Log File", self.flags & 1 != 0);
        list.add(
            "Circular Logging Flag (current file)",
            on(self.flags & 2 != 0),
        );
        list.add(
            "Circular Logging Flag (past files)",
            on(self.flags & 4 != 0),
        );
        list.add("Checkpoint at log creation time", self.checkpoint);
        list.fields
    }
}

impl Checkpoint {
    /// The fields of `esentutl /mk`.
    pub fn listing(&self) -> Vec<Field> {
        let mut list = Listing::new();
        list.add("LastFullBackupCheckpoint", self.last_full_backup_checkpoint);
        list.add("Checkpoint", self.checkpoint);
        list.add("DbConsistency", self.database_consistency);
        list.add("FullBackup", self.full_backup);
        list.add("FullBackup time", self.full_backup_time);
        list.add("IncBackup", self.incremental_backup);
        list.add("IncBackup time", self.incremental_backup_time);
        list.add("Signature", self.log_signature);
        list.add_parameters(&self.parameters);
        list.fields
    }
}

impl FlushMapHeader {
    /// The fields of the engine's dump of a flush map.
    pub fn listing(&self) -> Vec<Field> {
        let mut list = Listing::new();
        let yes = |flag: bool| if flag { "Yes" } else { "No" };
        list.add("Version", self.version());
        let flags = self.flags.get();
        let (clean, new) = (yes(self.is_clean()), yes(flags & NEW_CHECKSUM_FLAG != 0));
        let flags = format!("{flags:#010x} (Clean:{clean}, NewChecksumFormat:{new})");
        list.add("Flags", flags);
        list.add("File Type", self.file_type);
        list.add("Flush Map Creation", self.created);
        list.add("Last Flush Map Attach", self.attached);
        list.add("Last Flush Map Detach", self.detached);
        list.add("Log Required Min.", both(self.min_required));
        list.add("Log Required Min. (Next)", both(self.next_min_required));
        list.add("Last Flush Map Full Flush Started", self.flush_started);
        list.add("Last Flush Map Full Flush Completed", self.flush_completed);
        list.add("DB Header Flush Signature", self.database_flush_signature);
        list.add(
            "Flush Map Header Flush Signature",
            self.flush_map_flush_signature,
        );
        list.fields
    }
}
