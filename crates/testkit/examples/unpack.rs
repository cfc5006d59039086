//! Unpacks a fixture: `unpack NAME FOLDER`. Scripts use it, so that they need no zstd of the system's.

use std::path::Path;

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = &arguments[..] else {
        return Err("usage: unpack NAME FOLDER".to_string());
    };
    let fixture = testkit::find(name).ok_or(format!("there is no fixture {name}"))?;
    fixture.unpack_into(Path::new(folder));
    Ok(())
}
