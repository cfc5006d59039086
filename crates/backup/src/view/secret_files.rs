//! Files that hold passwords or keys, by name and by content. Their bytes are not shown.

use crate::error::Result;
use crate::view::file_list::FileContent;

/// What a name says, in lower case: the end of the name, and what the file holds.
const ENDS: [(&str, &str); 14] = [
    (".dit", DATABASE),
    (".edb", DATABASE),
    (".ldb", DATABASE),
    (".tdb", DATABASE),
    (".mdb", DATABASE),
    (".log", LOG),
    (".jrs", LOG),
    (".jtx", LOG),
    (".pat", DATABASE),
    (".keytab", KEYS),
    (".key", KEYS),
    (".pfx", KEYS),
    (".p12", KEYS),
    (".snk", KEYS),
];

/// What a file begins with, and what it holds.
const STARTS: [(&[u8], &str); 6] = [
    (b"TDB file\n", DATABASE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1MSISAM", DATABASE),
    (
        b"regf",
        "a registry, which may hold the key of the directory's secrets",
    ),
    (b"\x05\x02\x00\x00", KEYS),
    (b"\x05\x04\x00", "Kerberos tickets"),
    (b"-----BEGIN OPENSSH PRIVATE", KEYS),
];

/// What a file holds that contains this text, in UTF-8 or UTF-16.
const TEXTS: [(&str, &str); 2] = [
    ("PRIVATE KEY-----", KEYS),
    (
        "cpassword=\"",
        "a password that everybody can decrypt (cpassword)",
    ),
];

const DATABASE: &str = "a database, which may hold passwords and keys";
const LOG: &str = "a log, which may hold passwords and keys";
const KEYS: &str = "keys";

/// The position of the engine's signature in a database or log, and the signature.
const ENGINE: (usize, [u8; 4]) = (4, [0xef, 0xcd, 0xab, 0x89]);
/// The position of LMDB's magic number in its first page, and the number.
const LMDB: (usize, [u8; 4]) = (16, [0xde, 0xc0, 0xef, 0xbe]);

/// The secrets in a file, in words. `None` if it seems to hold none.
///
/// # Errors
/// Fails if it cannot be read.
pub fn secret_in(path: &str, content: &FileContent) -> Result<Option<&'static str>> {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    if name.starts_with("secrets.") || name.starts_with("encrypted_secrets") {
        return Ok(Some(KEYS));
    }
    // Scripts and protocols of a share may be called so, too.
    let is_shared = path.to_lowercase().split('/').any(|part| part == "sysvol");
    let by_name = ENDS
        .iter()
        .find(|(end, what)| name.ends_with(end) && !(is_shared && *what == LOG));
    if let Some((_, what)) = by_name {
        return Ok(Some(what));
    }
    let mut found = None;
    let mut before = Vec::new();
    content.visit(path, |piece| {
        if found.is_none() {
            found = match before.is_empty() {
                true => by_start(piece),
                false => None,
            };
            // A text may lie across two pieces.
            before.extend_from_slice(piece);
            found = found.or_else(|| by_text(&before));
            let end = before.len().saturating_sub(LONGEST);
            before.drain(..end);
        }
        Ok::<_, crate::Error>(())
    })?;
    Ok(found)
}

/// The bytes of the longest text in UTF-16.
const LONGEST: usize = 64;

fn by_start(start: &[u8]) -> Option<&'static str> {
    let has = |(at, magic): (usize, [u8; 4])| start.get(at..at + 4) == Some(&magic[..]);
    if has(ENGINE) || has(LMDB) {
        return Some(DATABASE);
    }
    let mut starts = STARTS.iter();
    starts
        .find(|(magic, _)| start.starts_with(magic))
        .map(|(_, what)| *what)
}

fn by_text(bytes: &[u8]) -> Option<&'static str> {
    let is_in = |wanted: &[u8]| {
        bytes
            .windows(wanted.len())
            .any(|part| part.eq_ignore_ascii_case(wanted))
    };
    let mut texts = TEXTS.iter();
    let found = texts.find(|(text, _)| {
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        is_in(text.as_bytes()) || is_in(&wide)
    });
    found.map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn secret(path: &str, bytes: &[u8]) -> Option<&'static str> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        secret_in(path, &FileContent::OnDisk(file, bytes.len() as u64)).unwrap()
    }

    #[test]
    fn databases_keys_and_passwords_are_known_by_name_or_content() {
        for name in [
            "database/ntds.dit",
            "logs/edb00001.log",
            "private/sam.ldb",
            "private/secrets.anything",
            "private/encrypted_secrets.key",
            "private/dns.keytab",
            "private/tls/KEY.PFX",
        ] {
            assert!(secret(name, b"x").is_some(), "{name}");
        }
        let wide: Vec<u8> = "<x cpassword=\"a\""
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for content in [
            &b"TDB file\n"[..],
            b"1234\xef\xcd\xab\x89",
            b"0123456789012345\xde\xc0\xef\xbe",
            b"regf",
            b"\x05\x02\x00\x00\x00\x40",
            b"x\n-----BEGIN RSA PRIVATE KEY-----\n",
            b"<User cpassword=\"j1Uyj3Vx8TY9LtLZil2uAuZkFQA/4latT76ZwgdHdhw\"/>",
            &wide,
        ] {
            assert!(
                secret("sysvol/x", content).is_some(),
                "{}",
                content.escape_ascii()
            );
        }
        let mut long = vec![b'x'; (256 << 10) - 5];
        long.extend(b"BEGIN PRIVATE KEY-----");
        assert!(secret("sysvol/long", &long).is_some());
        for (name, content) in [
            ("sysvol/x/GPT.INI", &b"[General]\r\nVersion=1\r\n"[..]),
            ("sysvol/x/install.log", b"done"),
            ("etc/smb.conf", b"[global]"),
            ("private/krb5.conf", b""),
        ] {
            assert_eq!(secret(name, content), None, "{name}");
        }
    }
}
