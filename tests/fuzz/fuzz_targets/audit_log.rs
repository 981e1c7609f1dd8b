//! Files of an audit log: any bytes are read, what is wrong is told, and only what is as it was written counts.
#![no_main]

use std::io::BufReader;

use libfuzzer_sys::fuzz_target;
use wsfc_audit::{Anchor, Lines, Verifier, open, seal};

fuzz_target!(|files: Vec<Vec<u8>>| {
    let mut verifier = Verifier::new(&[]);
    let (mut entries, mut last) = (0, None);
    for (index, bytes) in files.iter().enumerate() {
        let lines = Lines::new(BufReader::with_capacity(16, bytes.as_slice()));
        let read = verifier.file(&index.to_string(), lines, |sealed| {
            entries += 1;
            last = Some(Anchor {
                sequence: sealed.entry.sequence,
                hash: sealed.hash,
            });
        });
        assert!(read.is_ok());
        // What was read as an entry can be written, and is the same then.
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Ok(sealed) = open(line) {
                let (written, _hash) = seal(&sealed.entry).unwrap();
                let again = open(written.strip_suffix(b"\n").unwrap()).unwrap();
                assert_eq!(again.entry, sealed.entry);
            }
        }
    }
    let report = verifier.finish();
    assert_eq!((report.entries, report.last), (entries, last));
});
