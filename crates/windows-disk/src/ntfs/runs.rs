//! Where the clusters of a value are.

use disk_image::{Error, Result};

/// The most runs of a value that are kept: a file in more pieces cannot be described by NTFS.
const MOST: usize = 4 << 20;

/// Consecutive clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The first cluster of the value.
    pub(super) first: u64,
    pub(super) count: u64,
    /// The first cluster of the volume; `None` for a hole.
    pub(super) place: Option<u64>,
}

/// The runs of a value, without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs {
    runs: Vec<Run>,
}

impl Runs {
    /// The number of clusters.
    pub(super) fn end(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.first + run.count)
    }

    /// The run with a cluster.
    pub(super) fn at(&self, cluster: u64) -> Option<Run> {
        let after = self.runs.partition_point(|run| run.first <= cluster);
        let run = self.runs.get(after.checked_sub(1)?)?;
        (cluster - run.first < run.count).then_some(*run)
    }

    /// Adds stored runs: a byte with the lengths of two numbers, the number of clusters, and the
    /// distance of the place from that before, which a hole lacks. `clusters` are those of the volume.
    ///
    /// # Errors
    /// For what is no list of runs, and for runs outside the volume.
    pub(super) fn add(
        &mut self,
        pairs: &[u8],
        clusters: u64,
        volume: &str,
        position: u64,
    ) -> Result<()> {
        let damaged = |expected: &str, actual: String| {
            Error::damaged(volume, "runs of a file", position, expected, actual)
        };
        let ends = || damaged("a list of runs", "its end in a number".into());
        let mut place = 0i64;
        let mut rest = pairs;
        while let [header, behind @ ..] = rest {
            let (count_length, place_length) = (usize::from(header & 15), usize::from(header >> 4));
            if *header == 0 {
                return Ok(());
            }
            if count_length > 8 || place_length > 8 {
                return Err(damaged(
                    "numbers of up to 8 bytes",
                    format!("{header:#04x}"),
                ));
            }
            let numbers = behind.get(..count_length + place_length).ok_or_else(ends)?;
            let count = number(&numbers[..count_length]);
            let distance = number(&numbers[count_length..]);
            rest = &behind[numbers.len()..];
            let first = self.end();
            // A file is smaller than 2^63 bytes, a cluster has up to 2^21.
            let is_sound = count > 0
                && first
                    .checked_add(count as u64)
                    .is_some_and(|end| end < 1 << 42);
            if !is_sound {
                return Err(damaged("a number of clusters", count.to_string()));
            }
            let count = count as u64;
            let mut run = Run {
                first,
                count,
                place: None,
            };
            if place_length > 0 {
                place = place.wrapping_add(distance);
                let start = u64::try_from(place).ok();
                run.place = start.filter(|start| {
                    let end = start.checked_add(count);
                    end.is_some_and(|end| end <= clusters)
                });
                if run.place.is_none() {
                    let actual = format!("{count} from {place} on");
                    return Err(damaged(&format!("clusters below {clusters}"), actual));
                }
            }
            if self.runs.len() >= MOST {
                return Err(damaged(&format!("at most {MOST} runs"), "more".into()));
            }
            self.runs.push(run);
        }
        // The list may end with the attribute.
        Ok(())
    }
}

/// A signed number of up to 8 bytes.
fn number(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = [if negative { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(pairs: &[u8]) -> Result<Runs> {
        let mut runs = Runs::default();
        runs.add(pairs, 1000, "x", 0)?;
        Ok(runs)
    }

    #[test]
    fn places_are_relative_and_a_hole_has_none() {
        let found = runs(&[0x21, 3, 0x2c, 0x01, 0x01, 5, 0x11, 2, 0xf6, 0, 0xff]).unwrap();
        let places: Vec<_> = [0, 2, 3, 7, 8, 9].map(|at| found.at(at).unwrap()).into();
        let places: Vec<_> = places.iter().map(|run| (run.first, run.place)).collect();
        let (start, hole, last) = ((0, Some(300)), (3, None), (8, Some(290)));
        assert_eq!(places, [start, start, hole, hole, last, last]);
        assert_eq!(found.at(10), None);
        assert_eq!(found.end(), 10);
    }

    #[test]
    fn runs_outside_the_volume_are_refused() {
        for pairs in [
            &[0x21, 3, 0xe6, 0x03][..],
            &[0x11, 1, 0xff],
            &[0x11, 0, 1],
            &[0x11, 0xff, 1],
            &[0x18, 1],
            &[0x19, 1],
        ] {
            assert!(runs(pairs).is_err(), "{pairs:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_runs_within_the_volume_or_refused(pairs: Vec<u8>) {
            if let Ok(found) = runs(&pairs) {
                let mut end = 0;
                for run in &found.runs {
                    assert_eq!(run.first, end);
                    end += run.count;
                    assert!(run.place.is_none_or(|place| place + run.count <= 1000));
                    assert_eq!(found.at(end - 1), Some(*run));
                }
            }
        }
    }
}
