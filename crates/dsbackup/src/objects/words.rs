//! Values for people, and times of this computer.

use jiff::Timestamp;
use jiff::tz::TimeZone;
pub use objects::words::{guid, printable, state, value};

/// The local time, with its zone.
pub fn local_time(time: Timestamp) -> String {
    let local = time.to_zoned(TimeZone::system());
    local.strftime("%Y-%m-%d %H:%M %Z").to_string()
}
