//! smb.conf and its includes: any lines are followed to their end.
#![no_main]

use fuzz::files::in_a_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    in_a_file(data, |path, _| {
        // It may include itself.
        let mut text = data.to_vec();
        text.extend_from_slice(format!("\ninclude = {}\n", path.display()).as_bytes());
        std::fs::write(path, &text).expect("write the file");
        let includes = samba::state::Includes::of(path);
        assert!(includes.files.iter().all(|file| file.path != path));
    });
});
