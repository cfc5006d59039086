//! Recovery: whatever the crash left, the database is what the engine would have made of it, or the
//! error says why not.

mod attach;
mod attempt;
mod common;
mod cuts;
mod damage;
#[cfg(target_os = "linux")]
mod disk;
mod engine;
mod flips;
mod formats;
mod kill;
mod moves;
mod names;
mod newer;
mod rare;

mod scene;
mod stop;
