//! The expiry token: a backup may be restored only while the other servers still keep the
//! tombstones of objects deleted since.
//!
//! Format, version 1, all integers little-endian:
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 8 | `DSBXTOKN` |
//! | 8 | 2 | version, 1 |
//! | 10 | 2 | length of the whole token, 84 |
//! | 12 | 8 | creation time, seconds since 1970-01-01 UTC |
//! | 20 | 4 | tombstone lifetime, days |
//! | 24 | 28 | database signature: random number (4), creation time (8), computer (16) |
//! | 52 | 32 | SHA-256 of everything before |
//!
//! The digest detects damage and careless edits. It is no signature: a user who may restore a
//! directory may also replace its files, so a token prevents mistakes, not misuse by
//! administrators.

use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::code::{Error, Result, ResultCode};

const MAGIC: &[u8; 8] = b"DSBXTOKN";
const VERSION: u16 = 1;
const BODY: usize = 52;
const LENGTH: usize = BODY + 32;
const DAY: u64 = 24 * 60 * 60;

/// A database's signature as in its header (random number, creation time, computer name). It
/// identifies the database of a backup worldwide.
pub type DatabaseSignature = [u8; 28];

/// The content of a token. [`ExpiryToken::to_bytes`] encodes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryToken {
    /// When the backup began, in seconds since 1970-01-01 UTC.
    pub created: u64,
    /// The forest's tombstone lifetime when the backup began, in days.
    pub tombstone_lifetime_days: u32,
    /// The database that was backed up.
    pub signature: DatabaseSignature,
}

impl ExpiryToken {
    /// The token's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(LENGTH as u16).to_le_bytes());
        bytes.extend_from_slice(&self.created.to_le_bytes());
        bytes.extend_from_slice(&self.tombstone_lifetime_days.to_le_bytes());
        bytes.extend_from_slice(&self.signature);
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }

    /// Reads a token.
    ///
    /// # Errors
    /// - `hrMissingExpiryToken`: no bytes at all.
    /// - `hrUnknownExpiryTokenFormat`: not a token of ours, or of an unknown version.
    /// - `hrInvalidParam`: a token of ours whose digest does not match: damaged or edited.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Err(ResultCode::MISSING_EXPIRY_TOKEN.into());
        }
        let unknown = |reason: String| Error::new(ResultCode::UNKNOWN_EXPIRY_TOKEN_FORMAT, reason);
        if !bytes.starts_with(MAGIC) {
            return Err(unknown("the expiry token is not one of dsbackup".into()));
        }
        let version = bytes
            .get(8..10)
            .map_or(0, |field| u16::from_le_bytes([field[0], field[1]]));
        if version != VERSION {
            return Err(unknown(format!(
                "expiry token of version {version}: this release knows version {VERSION}; use the \
                 release that made the backup, or a newer one"
            )));
        }
        let tampered = || {
            Error::new(
                ResultCode::INVALID_PARAM,
                "the expiry token is damaged or was edited: its digest does not fit; take the \
                 token from the backup again",
            )
        };
        let token: &[u8; LENGTH] = bytes.try_into().map_err(|_| tampered())?;
        let (body, digest) = token.split_at(BODY);
        if Sha256::digest(body).as_slice() != digest
            || body[10..12] != (LENGTH as u16).to_le_bytes()
        {
            return Err(tampered());
        }
        let field = |range: std::ops::Range<usize>| &body[range];
        Ok(Self {
            created: u64::from_le_bytes(field(12..20).try_into().expect("8 bytes")),
            tombstone_lifetime_days: u32::from_le_bytes(field(20..24).try_into().expect("4 bytes")),
            signature: field(24..52).try_into().expect("28 bytes"),
        })
    }

    /// The last second in which the backup may be restored, since 1970-01-01 UTC.
    pub fn expires(&self) -> u64 {
        self.created
            .saturating_add(u64::from(self.tombstone_lifetime_days) * DAY)
    }

    /// Checks that the backup may still be restored at `now`.
    ///
    /// # Errors
    /// `hrContentsExpired` if the tombstone lifetime has passed, or if the token was made more than
    /// a day after `now`: then one of the two clocks is wrong, and the backup's age is unknown.
    pub fn check_unexpired(&self, now: SystemTime) -> Result<()> {
        let now = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let expired = |reason: String| Err(Error::new(ResultCode::CONTENTS_EXPIRED, reason));
        if self.created > now.saturating_add(DAY) {
            return expired(
                "the backup was made in the future by this machine's clock, so its age is not \
                 known; set the clock right"
                    .into(),
            );
        }
        if now > self.expires() {
            return expired(format!(
                "the backup is older than the tombstone lifetime of {} days: restoring it would \
                 bring back objects whose deletion other servers have forgotten; restore a newer \
                 snapshot",
                self.tombstone_lifetime_days
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn token() -> ExpiryToken {
        ExpiryToken {
            created: 1_700_000_000,
            tombstone_lifetime_days: 180,
            signature: *b"signature of 28 bytes.......",
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn bytes_lead_back_to_the_token() {
        assert_eq!(ExpiryToken::from_bytes(&token().to_bytes()), Ok(token()));
    }

    #[test]
    fn the_four_refusals() {
        let code = |bytes: &[u8]| ExpiryToken::from_bytes(bytes).unwrap_err().code;
        let good = token().to_bytes();
        assert_eq!(code(&[]), ResultCode::MISSING_EXPIRY_TOKEN);
        assert_eq!(
            code(b"some other product's token"),
            ResultCode::UNKNOWN_EXPIRY_TOKEN_FORMAT
        );
        let mut newer = good.clone();
        newer[8] = 2;
        assert_eq!(code(&newer), ResultCode::UNKNOWN_EXPIRY_TOKEN_FORMAT);
        for position in 10..good.len() {
            let mut tampered = good.clone();
            tampered[position] ^= 0x10;
            assert_eq!(
                code(&tampered),
                ResultCode::INVALID_PARAM,
                "byte {position}"
            );
        }
        assert_eq!(code(&good[..60]), ResultCode::INVALID_PARAM);
        let expired = token().check_unexpired(at(1_700_000_000 + 181 * DAY));
        assert_eq!(expired.unwrap_err().code, ResultCode::CONTENTS_EXPIRED);
    }

    #[test]
    fn lifetime_ends_to_the_second() {
        let last = 1_700_000_000 + 180 * DAY;
        assert_eq!(token().check_unexpired(at(last)), Ok(()));
        assert!(token().check_unexpired(at(last + 1)).is_err());
    }

    #[test]
    fn a_token_from_the_future_has_no_known_age() {
        assert!(
            token()
                .check_unexpired(at(1_700_000_000 - 2 * DAY))
                .is_err()
        );
        assert_eq!(token().check_unexpired(at(1_700_000_000 - DAY / 2)), Ok(()));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_token_or_refused(bytes: Vec<u8>, behind_magic: Vec<u8>) {
            let _ = ExpiryToken::from_bytes(&bytes);
            let prefixed = [MAGIC.as_slice(), &VERSION.to_le_bytes(), &behind_magic].concat();
            let _ = ExpiryToken::from_bytes(&prefixed);
        }

        #[test]
        fn every_token_survives_its_bytes(
            created: u64,
            tombstone_lifetime_days: u32,
            signature: [u8; 28],
            now in 0..1u64 << 40,
        ) {
            let token = ExpiryToken { created, tombstone_lifetime_days, signature };
            let read = ExpiryToken::from_bytes(&token.to_bytes());
            proptest::prop_assert_eq!(read, Ok(token.clone()));
            let _ = token.check_unexpired(at(now));
        }
    }

    #[test]
    fn absurd_numbers_do_not_overflow() {
        let token = ExpiryToken {
            created: u64::MAX,
            tombstone_lifetime_days: u32::MAX,
            ..token()
        };
        assert!(token.check_unexpired(at(0)).is_err());
    }
}
