//! A random history: sessions work on some trees, pages are written, the engine starts and stops,
//! until the power is cut.

use ese::header::Lgpos;
use ese::page::PageSize;

use super::disk::Disk;
use super::engine::{Engine, PowerCut, Result};
use super::log::{Style, signature};
use super::random::Random;

/// The sessions of applications, and one of the engine's own.
const SESSIONS: [u16; 4] = [5, 6, 7, 8];
const SYSTEM: u16 = 3;

/// Histories from this seed on also abort macros and set external headers. Those of lower seeds
/// stay the same as when some of them found a fault.
const FIRST_OF_MORE: u64 = 1_000_000;

/// The engine at the power cut.
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
    let most = random.pick(&[300, 1500, 6000]);
    let power = random.between(1, most);
    let mut engine = Engine::new(random, size, style, disk, generation);
    engine.notes_new_pages = version.0 > 4;
    engine.rows = engine.random.pick(&[40, 150, 600]);
    engine.grows = !engine.random.once_in(4);
    engine.in_order = engine.random.once_in(2);
    engine.knows_more = seed >= FIRST_OF_MORE;
    prepare(&mut engine);
    engine.power = power;
    let cut = live(&mut engine);
    assert!(matches!(cut, Err(PowerCut)), "it ends with that only");
    engine
}

/// Makes the database in its state of the shutdown before the logs begin.
fn prepare(engine: &mut Engine) {
    let consistent = Lgpos::new(engine.first_generation, 1, 0x200);
    engine.make_database(64);
    let made = (|| -> Result {
        engine.begin(SYSTEM, 1)?;
        engine.create_catalog(SYSTEM)?;
        for _ in 0..2 {
            engine.create_table(SYSTEM)?;
        }
        engine.commit(SYSTEM)?;
        engine.begin(SESSIONS[0], 1)?;
        for _ in 0..engine.random.between(0, 100) {
            engine.work_on_row(SESSIONS[0])?;
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
            let trees: Vec<usize> = (0..engine.trees.len())
                .filter(|tree| !engine.trees[*tree].is_dropped)
                .collect();
            let tree = engine.random.pick(&trees);
            engine.begin(SYSTEM, 1)?;
            match engine.random.below(10) {
                0..5 => {
                    if engine.knows_more && engine.random.once_in(4) {
                        engine.set_external_header(SYSTEM, tree)?;
                    }
                    let most = engine.random.between(1, 12);
                    let mut left = 0..most;
                    while left.next().is_some() && engine.clean_up(SYSTEM, tree)? {}
                }
                5..8 => {
                    let mut tries = 0..4;
                    while tries.next().is_some() && !engine.merge(SYSTEM, tree)? {}
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
            match engine.random.below(4) {
                0 | 1 => {
                    engine.shrink(SYSTEM)?;
                }
                2 => engine.grow(SYSTEM)?,
                _ => engine.create_table(SYSTEM)?,
            }
            engine.commit(SYSTEM)
        }
        980 => engine.drop_table(SYSTEM).map(|_| ()),
        981 => {
            engine.grows = !engine.grows;
            Ok(())
        }
        982..984 => engine.roll(),
        984..992 => restart(engine),
        _ => match engine.random.once_in(2) {
            true => engine.recover(),
            false => engine.flush_all(),
        },
    }
}

/// Ends all transactions, detaches the database and attaches it again, with or without a restart of
/// the engine.
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

/// Does a step of an application.
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
        _ => engine.work_on_row(session),
    }
}
