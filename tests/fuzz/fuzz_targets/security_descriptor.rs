//! Security descriptors of clusters: any bytes are refused or read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsfcd::operation::security;

fuzz_target!(|data: &[u8]| {
    let Some(entries) = security::entries(data) else { return };
    for entry in entries {
        assert!(entry.account.starts_with("S-"), "{entry:?}");
    }
});
