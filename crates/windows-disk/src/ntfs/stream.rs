//! The bytes of a file.

use std::sync::Arc;

use disk_image::{Error, ReadAt, Result, check_range};

use super::runs::Runs;

/// The bytes of a file.
pub struct Stream {
    pub(crate) name: String,
    pub(super) size: u64,
    pub(super) content: Content,
}

/// Where the bytes are.
pub(super) enum Content {
    /// In its record.
    Here(Vec<u8>),
    /// On the volume.
    Runs {
        volume: Arc<dyn ReadAt>,
        /// Bytes of a cluster.
        cluster: u64,
        runs: Runs,
        /// Bytes that were ever written. What the clusters hold behind is other files' past.
        initialized: u64,
    },
}

impl ReadAt for Stream {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, mut position: u64, buffer: &mut [u8]) -> Result<()> {
        check_range(self, position, buffer.len())?;
        let (volume, cluster, runs, initialized) = match &self.content {
            Content::Here(bytes) => {
                // In range, so that it fits into memory.
                let start = position as usize;
                buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
                return Ok(());
            }
            Content::Runs {
                volume,
                cluster,
                runs,
                initialized,
            } => (volume, *cluster, runs, *initialized),
        };
        let written = initialized.saturating_sub(position);
        let written = usize::try_from(written).unwrap_or(usize::MAX);
        let (mut buffer, behind) = buffer.split_at_mut(written.min(buffer.len()));
        behind.fill(0);
        while !buffer.is_empty() {
            let Some(run) = runs.at(position / cluster) else {
                return Err(Error::damaged(
                    &self.name,
                    "runs of the file",
                    position,
                    format_args!("clusters for {} bytes", self.size),
                    format_args!("the end at byte {}", runs.end() * cluster),
                ));
            };
            let inside = position - run.first * cluster;
            let rest = usize::try_from(run.count * cluster - inside).unwrap_or(usize::MAX);
            let (now, later) = buffer.split_at_mut(rest.min(buffer.len()));
            match run.place {
                Some(place) => volume.read_at(place * cluster + inside, now)?,
                None => now.fill(0),
            }
            position += now.len() as u64;
            buffer = later;
        }
        Ok(())
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn hole_end(&self, position: u64) -> Result<u64> {
        let Content::Runs {
            volume,
            cluster,
            runs,
            initialized,
        } = &self.content
        else {
            return Ok(position);
        };
        if position >= self.size {
            return Ok(position);
        }
        if position >= *initialized {
            return Ok(self.size);
        }
        let Some(run) = runs.at(position / cluster) else {
            return Ok(position);
        };
        let start = run.first * cluster;
        let end = match run.place {
            None => start + run.count * cluster,
            Some(place) => {
                let place = place * cluster;
                let hole = volume.hole_end(place + (position - start))?;
                start + (hole - place).min(run.count * cluster)
            }
        };
        Ok(end.clamp(position, self.size))
    }
}
