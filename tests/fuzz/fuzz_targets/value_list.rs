//! Value lists: any bytes are refused or read, and what was read survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsfc_clusapi::proplist::{parse_value_list, value_list_to_bytes};

fuzz_target!(|data: &[u8]| {
    let Ok(values) = parse_value_list(data) else { return };
    if let Ok(bytes) = value_list_to_bytes(&values) {
        assert_eq!(parse_value_list(&bytes).as_ref(), Ok(&values));
    }
});
