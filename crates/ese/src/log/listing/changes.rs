//! Details of records that change trees and nodes.

use std::fmt::{self, Write};

use super::words::*;
use crate::log::record::{BeforeImage, DBTIME_NIL, Record, Replace, Split, SplitKind};

pub(super) fn write_tree_details(out: &mut String, record: &Record) -> fmt::Result {
    match record {
        Record::CreateMultipleExtent(create) => {
            let (page, database) = (&create.page, create.page.database);
            write!(
                out,
                " {:x},{:x}:{}({:x},FDP:[{database}:{}],OE:[{database}:{}],AE:[{database}:{}],\
                 FDPParent:[{database}:{}],objid:[{database}:{}],PageFlags:[0x{:x}],{},{}:{})",
                page.dbtime,
                page.transaction,
                page.level,
                page.session,
                page.page,
                create.owned_root,
                create.available_root,
                create.parent_root,
                create.object,
                create.page_flags,
                create.primary_pages,
                unique(page),
                origin(page)
            )?;
        }
        Record::CreateSingleExtent(create) => {
            let (page, database) = (&create.page, create.page.database);
            write!(
                out,
                " {:x},{:x}:{}({:x},[{database}:{}],[{database}:{}],[{}],PageFlags:[0x{:x}]{},\
                 {}:{})",
                page.dbtime,
                page.transaction,
                page.level,
                page.session,
                page.page,
                create.parent_root,
                create.object,
                create.page_flags,
                create.primary_pages,
                unique(page),
                origin(page)
            )?;
        }
        Record::Convert(convert) => {
            let head = convert.head;
            let database = head.page.database;
            write_change(out, &head.page)?;
            write!(
                out,
                "[{database}:{}],[{database}:{}],[{}],+{},[{database}:{}],+{},{}:{})",
                head.page.page,
                head.parent_root,
                head.object,
                head.primary_pages,
                head.secondary_first,
                head.secondary_pages,
                unique(&head.page),
                origin(&head.page)
            )?;
        }
        Record::FreeTree(free) => write!(
            out,
            " {:x}:([{}:{}] ({}))",
            free.transaction,
            free.database,
            free.root,
            if free.kind == 1 { 'T' } else { 'I' }
        )?,
        Record::ExtentFreed(freed) => {
            let head = freed.head;
            let (first, pages) = (head.first_page.get(), head.pages.get());
            write!(
                out,
                " {:x} [{}:{first}+{pages}],[{}{}] ",
                freed.dbtime.unwrap_or(DBTIME_NIL),
                head.database,
                if head.flags & 1 != 0 { "R" } else { "" },
                if head.flags & 2 != 0 { "E" } else { "" }
            )?;
            write_page_list(out, head.database, first, pages.max(0) as u32)?;
        }
        Record::Split(split) => write_split(out, split)?,
        Record::Merge(merge) => {
            let head = merge.head;
            let (page, database) = (&head.page, head.page.database);
            write_change(out, page)?;
            write!(
                out,
                "merge:[{database}:{}:{}],right:{:x},[{database}:{}],left:{:x},[{database}:{}],\
                 parent:{:x},[{database}:{}],{}:{}:{}:{}:{}:{}:{},size:{},maxsize:{},uncfree:{},",
                page.page,
                head.merge_line,
                shown_time(head.right_page.get(), head.right_dbtime_before.get()),
                head.right_page,
                shown_time(head.left_page.get(), head.left_dbtime_before.get()),
                head.left_page,
                shown_time(head.parent_page.get(), head.parent_dbtime_before.get()),
                head.parent_page,
                unique(page),
                space(page),
                origin(page),
                if head.flags & 1 != 0 { "KC" } else { "NKC" },
                if head.flags & 4 != 0 { "EP" } else { "NEP" },
                if head.flags & 2 != 0 { "D" } else { "ND" },
                merge
                    .kind()
                    .map_or("*Unknown*".into(), |kind| format!("{kind:?}")),
                head.size_total.get() as i16,
                head.size_max_total.get() as i16,
                head.uncommitted_free.get() as i16,
            )?;
            write_image(out, merge.image.as_ref())?;
            write_content(out, &[merge.parent_separator])?;
        }
        Record::EmptyTree(empty) => {
            let page = &empty.head.page;
            write_change(out, page)?;
            write!(
                out,
                "[{}:{}],objid:[{}:{}],{}:{}:{},{})",
                page.database,
                page.page,
                page.database,
                empty.head.object,
                unique(page),
                space(page),
                origin(page),
                empty.list.len()
            )?;
            write_content(out, &[empty.list])?;
        }
        Record::PageMove(moved) => {
            let head = moved.head;
            let (page, database) = (&head.page, head.page.database);
            write_change(out, page)?;
            write!(
                out,
                "source:[{database}:{}],destination:[{database}:{}],right:{:x},[{database}:{}],\
                 left:{:x},[{database}:{}],parent:{:x},[{database}:{}:{}],header:{},trailer:{},\
                 objid:[{database}:{}],flags:{:x}, {})",
                page.page,
                head.destination,
                shown_time(head.right_page.get(), head.right_dbtime_before.get()),
                head.right_page,
                shown_time(head.left_page.get(), head.left_dbtime_before.get()),
                head.left_page,
                head.parent_dbtime_before,
                head.parent_page,
                head.parent_line,
                moved.page_header.len(),
                moved.page_trailer.len(),
                head.object,
                head.root_flags,
                origin(page)
            )?;
        }
        Record::RootPageMove(moved) => write!(
            out,
            " {:x},({:x},objid:[{}:{}])",
            moved.dbtime, moved.session, moved.database, moved.object
        )?,
        Record::NewPage(new) => write!(
            out,
            " {:x},({:x},page:[{}:{}],objid:[{}:{}])",
            new.dbtime, new.session, new.database, new.page, new.database, new.object
        )?,
        _ => write_node_details(out, record)?,
    }
    Ok(())
}

fn write_node_details(out: &mut String, record: &Record) -> fmt::Result {
    match record {
        Record::Insert(insert) => {
            write_node(
                out,
                insert.head,
                &[unique, version, deleted, space, origin, concurrent],
            )?;
            write!(
                out,
                "{},{},{},rceid:{},{})",
                insert.prefix.len(),
                insert.suffix.len(),
                insert.data.len(),
                insert.head.version,
                Object(insert.head)
            )?;
            write_content(out, &[insert.prefix, insert.suffix, insert.data])?;
        }
        Record::FlagInsert(insert) => {
            write_node(
                out,
                insert.head,
                &[unique, version, deleted, space, origin, concurrent],
            )?;
            write!(
                out,
                "rceid:{},{})",
                insert.head.version,
                Object(insert.head)
            )?;
        }
        Record::FlagInsertReplace(insert) => {
            write_node(
                out,
                insert.head,
                &[unique, version, space, origin, concurrent],
            )?;
            write!(
                out,
                "{:5},rceidInsert:{},rceidReplace:{},{})",
                insert.key.len() + insert.data.len(),
                insert.head.version,
                insert.replace_version,
                Object(insert.head)
            )?;
            write_content(out, &[insert.key, insert.data])?;
        }
        Record::FlagDelete(head) => {
            write_node(out, head, &[unique, version, space, origin, concurrent])?;
            // The list of flags ends the parenthesis here.
            out.pop();
            write!(out, "),rceid:{},{}", head.version, Object(head))?;
        }
        Record::Replace(replace) | Record::ReplaceDelta(replace) => {
            write_node(
                out,
                replace.head,
                &[unique, version, space, origin, concurrent],
            )?;
            write!(
                out,
                "{:5},{:5},{:5},rceid:{},{})",
                replace.content.len(),
                replace.new_size,
                replace.old_size,
                replace.head.version,
                Object(replace.head)
            )?;
            if matches!(record, Record::Replace(_)) {
                write_content(out, &[replace.content])?;
            }
        }
        Record::Delete(head) => {
            write_node(out, head, &[unique, space, origin])?;
            write!(out, "{})", Object(head))?;
        }
        Record::Delta(delta) => {
            write_node(out, delta.head, &[unique, version, origin, concurrent])?;
            write!(
                out,
                "{},offset:{},rceid:{},{})",
                delta.delta,
                delta.offset,
                delta.head.version,
                Object(delta.head)
            )?;
        }
        Record::Undo(undo) => {
            let page = &undo.head.page;
            write!(
                out,
                " {:x},{:x},{:x}:{}({:x},[{}:{}:{}],{}:{},{},{},rceid:{})",
                page.dbtime,
                page.dbtime_before,
                page.transaction,
                undo.level,
                page.session,
                page.database,
                page.page,
                page.line,
                unique(page),
                origin(page),
                undo.level,
                undo.operation,
                undo.head.version
            )?;
        }
        Record::UndoInfo(info) => {
            let page = &info.head.page;
            write!(
                out,
                " {:x}:{}({:x},[{}:{}],{}:{},{},{},{},rceid:{},{})",
                page.transaction,
                page.level,
                page.session,
                page.database,
                page.page,
                unique(page),
                origin(page),
                info.key.len(),
                info.bookmark_data.len(),
                info.data.len(),
                info.head.version,
                Object(info.head)
            )?;
            write_content(out, &[info.key, info.bookmark_data, info.data])?;
        }
        Record::SetExternalHeader(set) => {
            let page = &set.head.page;
            write_change(out, page)?;
            write!(
                out,
                "[{}:{}],{}:{}:{},{:5})",
                page.database,
                page.page,
                unique(page),
                space(page),
                origin(page),
                set.data.len()
            )?;
            write_content(out, &[set.data])?;
        }
        Record::Scrub(scrub) => {
            let page = &scrub.head.page;
            write_change(out, page)?;
            write!(
                out,
                "[{}:{}],{}:{}:{},{},{},{:5})",
                page.database,
                page.page,
                unique(page),
                space(page),
                origin(page),
                if scrub.unused_page {
                    "unused page"
                } else {
                    "used page"
                },
                scrub.operations,
                scrub.data.len()
            )?;
            write_content(out, &[scrub.data])?;
        }
        _ => {}
    }
    Ok(())
}

fn write_split(out: &mut String, split: &Split) -> fmt::Result {
    let head = split.head;
    let (page, database) = (&head.page, head.page.database);
    if head.new_page == 0 {
        return write!(
            out,
            "  ParentOfSplitPage {:x},{:x},{:x}:{}({:x},parent:{:x},[{database}:{}])",
            page.dbtime,
            page.dbtime_before,
            page.transaction,
            page.level,
            page.session,
            head.parent_dbtime_before,
            page.page
        );
    }
    let last = head.lines.get().wrapping_sub(1);
    let hot =
        head.operation == 1 && head.split_line == head.operation_line && head.split_line == last;
    out.push_str(match split.kind() {
        Some(SplitKind::Vertical) => " SplitVertical",
        Some(SplitKind::Right) if hot => " SplitHotpoint",
        Some(SplitKind::Right) => " SplitRight",
        Some(SplitKind::Append) => " Append",
        None => " *Unknown*",
    });
    write_change(out, page)?;
    let operations = ["None", "Insert", "Replace", "FlagInsertAndReplaceData"];
    write!(
        out,
        "split:[{database}:{}:{}],oper/last:[{}/{last}],new:[{database}:{}],parent:{:x},\
         [{database}:{}],right:{:x},[{database}:{}], objid:[{database}:{}], {}:{}:{}:{}, \
         splitoper:{}, ",
        page.page,
        head.split_line,
        head.operation_line,
        head.new_page,
        shown_time(head.parent_page.get(), head.parent_dbtime_before.get()),
        head.parent_page,
        shown_time(head.right_page.get(), head.right_dbtime_before.get()),
        head.right_page,
        head.object,
        unique(page),
        space(page),
        origin(page),
        concurrent(page),
        operations
            .get(usize::from(head.operation))
            .unwrap_or(&"*Unknown*"),
    )?;
    write_image(out, split.image.as_ref())
}

fn write_image(out: &mut String, image: Option<&BeforeImage>) -> fmt::Result {
    let flag = |flag, name| match image {
        Some(image) if image.has(flag) => name,
        _ => "",
    };
    write!(
        out,
        "beforeImage:{}[{}{}])",
        image.map_or(0, |image| image.bytes.len()),
        flag(BeforeImage::FLAG_DEHYDRATED, "D"),
        flag(BeforeImage::FLAG_XPRESS, "X")
    )
}

/// The differences of a delta replacement, one per line.
pub(super) fn describe_differences(replace: &Replace) -> String {
    let mut out = String::new();
    let _ = write_differences(&mut out, replace);
    out
}

fn write_differences(out: &mut String, replace: &Replace) -> fmt::Result {
    let page = &replace.head.page;
    for difference in replace.differences() {
        write!(out, "\n{:20}ReplDiff ", "")?;
        write_change(out, page)?;
        write!(
            out,
            "[{}:{}:{}],{},",
            page.database,
            page.page,
            page.line,
            Object(replace.head)
        )?;
        let Some(difference) = difference else {
            out.push_str("[ *malformed* ])");
            continue;
        };
        let (old, new) = (difference.old_size, difference.new.len());
        write!(out, "[ Offs:{} ", difference.offset)?;
        match old {
            0 => write!(out, "InsertWithValue ({new}): ")?,
            old if old == new => write!(out, "ReplaceWithSameLength ({new}): ")?,
            old => write!(out, "ReplaceWithNewValue ({old}=>{new}): ")?,
        }
        write_content(out, &[difference.new])?;
        out.push_str("])");
    }
    Ok(())
}
