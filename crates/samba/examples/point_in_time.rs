//! Pins points in time of the domain controller on this computer and reads them:
//! `point_in_time SMB_CONF SPOOL [TIMES]`.
//! Prints how long commits waited, how long the reading took, and how much was read.
use std::path::Path;
use std::time::{Duration, Instant};

use samba::{Installation, Options, PointInTime};

fn main() -> samba::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let installation = Installation::read(Path::new(&arguments[1]))?;
    let options = Options {
        lock_limit: Duration::from_secs(10),
        spool: arguments[2].clone().into(),
        dbcheck: false,
    };
    let times = arguments
        .get(3)
        .map_or(1, |times| times.parse().expect("a number"));
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..times {
        let begin = Instant::now();
        let point = PointInTime::pin(&installation, &options)?;
        let pinned = begin.elapsed();
        let mut bytes = 0;
        for file in point.files() {
            let mut reader = file.open()?;
            loop {
                match reader.read(&mut buffer)? {
                    0 => break,
                    read => bytes += read,
                }
            }
        }
        println!(
            "pinned in {pinned:?}, commits waited {:?}, {} files, {} MiB read, {:?} in all",
            point.commits_waited,
            point.files().count(),
            bytes >> 20,
            begin.elapsed()
        );
    }
    Ok(())
}
