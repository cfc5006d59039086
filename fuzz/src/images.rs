//! Images of disks: arbitrary bytes, or a sound image with changes.

use std::io::Read;
use std::sync::Arc;

use disk_image::{Memory, ReadAt, Result, check_range};

/// A sound image, and where something is in it that is not zeros.
pub struct Sound {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Sound {
    /// From its compressed form.
    pub fn new(compressed: &[u8]) -> Self {
        let mut bytes = Vec::new();
        let mut decoder = zstd::Decoder::new(compressed).expect("a zstd stream");
        decoder.read_to_end(&mut bytes).expect("a sound image");
        let places = bytes.chunks(16).enumerate();
        let places = places.filter(|(_, part)| part.iter().any(|byte| !matches!(byte, 0 | 0xff)));
        let places = places.map(|(number, _)| 16 * number).collect();
        Self { bytes, places }
    }
}

/// An image with changes, without a copy of it.
struct Changed {
    sound: &'static Sound,
    changes: Vec<(u64, u8)>,
    size: u64,
}

impl ReadAt for Changed {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<()> {
        check_range(self, position, buffer.len())?;
        let start = position as usize;
        buffer.copy_from_slice(&self.sound.bytes[start..start + buffer.len()]);
        for (place, byte) in &self.changes {
            let inside = place.checked_sub(position).map(|inside| inside as usize);
            if let Some(found) = inside.and_then(|inside| buffer.get_mut(inside)) {
                *found = *byte;
            }
        }
        Ok(())
    }

    fn name(&self) -> &str {
        "image"
    }
}

/// Applies `data` to one of the sound images. A first byte of 0 means that the following bytes are the
/// image. Any other chooses one; changes of four bytes each follow: a place (two bytes), an offset
/// there, the new value. An offset of 255 cuts the image off at the place.
pub fn image(sound: &'static [Sound], data: &[u8]) -> Arc<dyn ReadAt> {
    let Some((&which, data)) = data.split_first() else {
        return Arc::new(Memory::new(Vec::new(), "image"));
    };
    let Some(number) = usize::from(which).checked_sub(1) else {
        return Arc::new(Memory::new(data.to_vec(), "image"));
    };
    let sound = &sound[number % sound.len()];
    let mut changed = Changed {
        sound,
        changes: Vec::new(),
        size: sound.bytes.len() as u64,
    };
    for change in data.as_chunks::<4>().0.iter().take(64) {
        let [low, high, offset, value] = *change;
        let place = usize::from(u16::from_le_bytes([low, high])) % sound.places.len();
        let place = sound.places[place] as u64;
        match offset {
            255 => changed.size = changed.size.min(place + u64::from(value)),
            _ => changed.changes.push((place + u64::from(offset % 16), value)),
        }
    }
    Arc::new(changed)
}
