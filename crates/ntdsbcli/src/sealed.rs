//! A password that is kept for later calls, masked in memory.

use zeroize::Zeroizing;

/// A password beside random bytes that it is mixed with, so that an image of the process's memory
/// does not show it. Both are in that image: this hides the password from a reader or a search of
/// crash reports and swap files, but not from a determined analysis of the process.
#[derive(Clone)]
pub(crate) struct Sealed {
    pad: Zeroizing<Vec<u8>>,
    mixed: Zeroizing<Vec<u8>>,
}

impl Sealed {
    pub(crate) fn new(password: &str) -> Self {
        let mut pad = Zeroizing::new(vec![0; password.len()]);
        // A system without randomness cannot encrypt a connection either.
        let _ = getrandom::fill(&mut pad);
        let mixed = mix(password.as_bytes(), &pad);
        Self { pad, mixed }
    }

    /// The password in clear; wiped when the value is dropped.
    pub(crate) fn open(&self) -> Zeroizing<String> {
        let mut bytes = mix(&self.mixed, &self.pad);
        // The masked bytes were text, so this conversion does not fail.
        Zeroizing::new(String::from_utf8(std::mem::take(&mut *bytes)).unwrap_or_default())
    }
}

fn mix(bytes: &[u8], pad: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(
        bytes
            .iter()
            .zip(pad)
            .map(|(byte, pad)| byte ^ pad)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_opened_as_it_was_sealed_and_hidden_between() {
        for password in ["", "Pa55word, naïve", &"long ".repeat(100)] {
            let sealed = Sealed::new(password);
            assert_eq!(*sealed.open(), password);
            assert!(password.is_empty() || *sealed.mixed != password.as_bytes());
        }
    }
}
