//! A random history: sessions at work on some trees, pages written now and then, starts and stops, until the power is cut.

use ese::header::Lgpos;
use ese::page::PageSize;

use super::disk::Disk;
use super::engine::{COUNTER, Engine, PowerCut, Result};
use super::log::{Style, signature};
use super::page::{INDEX, NON_UNIQUE};
use super::random::Random;

/// Sessions of applications, and one of the engine's own.
const SESSIONS: [u16; 4] = [5, 6, 7, 8];
const SYSTEM: u16 = 3;

/// The engine when the power is cut.
pub fn until_power_cut(seed: u64) -> Engine {
    let mut random = Random::new(seed);
    let bytes = random.pick(&[4096, 4096, 4096, 8192, 8192, 16384, 32768]);
    let size = PageSize::new(bytes).expect("a page size");
    let version = random.pick(&[(4, 3), (70, 160), (130, 280)]);
    let style = Style {
        page_size: bytes,
        version,
        sectors: random.between(24, 64) as u16,
        signature: signature(seed as u32 ^ 0x1234),
        digits: random.pick(&[5, 8]),
    };
    let format = random.pick(&[(20, 0), (160, 360), (290, 600)]);
    let disk = Disk::new(size, signature(seed as u32), style.signature, format);
    let generation = random.between(1, 40) as u32;
    let power = random.between(1, 1200);
    let mut engine = Engine::new(random, size, style, disk, generation);
    engine.notes_new_pages = version.0 > 4;
    prepare(&mut engine);
    engine.power = power;
    let cut = live(&mut engine);
    assert!(matches!(cut, Err(PowerCut)), "it ends with that only");
    engine
}

/// The database as it was shut down before the logs begin.
fn prepare(engine: &mut Engine) {
    let consistent = Lgpos::new(engine.first_generation, 1, 0x200);
    engine.make_database(64);
    let made = (|| -> Result {
        engine.begin(SYSTEM, 1)?;
        for tree in 0..3 {
            new_tree(engine, SYSTEM, tree == 2)?;
        }
        engine.commit(SYSTEM)?;
        engine.begin(SESSIONS[0], 1)?;
        for _ in 0..engine.random.between(0, 60) {
            work_on_a_node(engine, SESSIONS[0])?;
        }
        engine.commit(SESSIONS[0])?;
        engine.settle()
    })();
    made.expect("there is power");
    engine.sessions.clear();
    engine.log.logs.clear();
    engine.records.clear();
    engine.disk.settle(engine.pages.values());
    engine.disk.header.consistent = consistent;
    engine.disk.header.dbtime = engine.dbtime;
    engine.disk.header.last_object = engine.objects;
}

fn live(engine: &mut Engine) -> Result {
    engine.start()?;
    engine.attach()?;
    loop {
        step(engine)?;
    }
}

fn step(engine: &mut Engine) -> Result {
    match engine.random.below(1000) {
        0..750 => work(engine),
        750..870 => {
            let dirty: Vec<u32> = (engine.pages.keys().copied())
                .filter(|page| engine.disk.is_dirty(*page))
                .collect();
            for _ in 0..engine.random.between(1, 3) {
                if let Some(page) = dirty.get(engine.random.below(dirty.len())) {
                    engine.flush(*page)?;
                }
            }
            Ok(())
        }
        870..975 => {
            engine.begin(SYSTEM, 1)?;
            let tree = engine.random.below(engine.trees.len());
            match engine.random.below(10) {
                0..6 => {
                    engine.clean_up(SYSTEM, tree)?;
                }
                6..8 => {
                    engine.merge(SYSTEM, tree)?;
                }
                8 => {
                    engine.move_leaf(SYSTEM, tree)?;
                }
                _ => engine.scrub(SYSTEM, tree)?,
            }
            engine.commit(SYSTEM)
        }
        975..980 => {
            engine.begin(SYSTEM, 1)?;
            let non_unique = engine.random.once_in(2);
            new_tree(engine, SYSTEM, non_unique)?;
            engine.commit(SYSTEM)
        }
        980..984 => engine.roll(),
        984..992 => restart(engine),
        _ => match engine.random.once_in(2) {
            true => engine.recover(),
            false => engine.flush_all(),
        },
    }
}

fn new_tree(engine: &mut Engine, session: u16, non_unique: bool) -> Result {
    let pages = engine.random.between(4, 20) as u32;
    let flags = if non_unique { INDEX | NON_UNIQUE } else { 0 };
    engine.create_tree(session, pages, !non_unique, flags)
}

/// All transactions end, and the database goes out of use and comes back, with the engine or without it.
fn restart(engine: &mut Engine) -> Result {
    let open: Vec<u16> = engine.sessions.keys().copied().collect();
    for session in open {
        while engine.sessions[&session].level > 0 {
            end_level(engine, session)?;
        }
    }
    engine.detach()?;
    if engine.random.once_in(2) {
        engine.stop()?;
        engine.start()?;
    }
    engine.attach()
}

fn end_level(engine: &mut Engine, session: u16) -> Result {
    match engine.random.once_in(4) {
        true => engine.roll_back(session),
        false => engine.commit(session),
    }
}

/// A step of an application.
fn work(engine: &mut Engine) -> Result {
    let session = engine.random.pick(&SESSIONS);
    let level = engine
        .sessions
        .get(&session)
        .map_or(0, |session| session.level);
    match (level, engine.random.below(20)) {
        (0, _) => {
            let levels = engine.random.between(1, 2) as u8;
            engine.begin(session, levels)
        }
        (_, 0..3) => end_level(engine, session),
        (1..4, 3) => engine.begin(session, 1),
        _ => work_on_a_node(engine, session),
    }
}

fn work_on_a_node(engine: &mut Engine, session: u16) -> Result {
    let tree = engine.random.below(engine.trees.len());
    let number = engine.random.below(150) as u32;
    if !engine.trees[tree].unique {
        let key = index_key(number % 9);
        let data = row_key(number);
        match engine.random.below(3) {
            0 => engine.delete(session, tree, &key, &data)?,
            _ => engine.insert(session, tree, &key, &data)?,
        };
        return Ok(());
    }
    let key = row_key(number);
    let longest = engine.area() / 8;
    let len = match engine.random.once_in(3) {
        true => engine.random.below(longest),
        false => engine.random.below(longest / 4),
    };
    let fill = engine.random.next() as u8;
    let counter = engine.random.below(100) as u32;
    match engine.random.below(8) {
        0..4 => engine.insert(session, tree, &key, &row(number, counter, fill, len))?,
        4 => engine.delete(session, tree, &key, &[])?,
        5 | 6 => engine.replace(session, tree, &key, &row(number, counter, fill, len))?,
        _ => engine.add(session, tree, &key, counter as i32 - 50)?,
    };
    Ok(())
}

/// A number as the key of a row: not NULL, the greatest first byte first.
fn row_key(number: u32) -> Vec<u8> {
    [&[0x7f][..], &(number ^ 0x8000_0000).to_be_bytes()].concat()
}

fn index_key(number: u32) -> Vec<u8> {
    // Long enough for a prefix to pay.
    [&row_key(number)[..], &[b'k'; 6]].concat()
}

/// A row: two fixed columns, the second one a counter, and a variable one.
fn row(number: u32, counter: u32, fill: u8, len: usize) -> Vec<u8> {
    let end_of_fixed = (COUNTER + 4 + 1) as u16;
    let mut row = vec![2, 128];
    row.extend(end_of_fixed.to_le_bytes());
    row.extend(number.to_le_bytes());
    row.extend(counter.to_le_bytes());
    row.push(0);
    row.extend((len as u16).to_le_bytes());
    row.resize(row.len() + len, fill);
    row
}
