//! Property lists: any bytes are refused or read, and what was read survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsfc_clusapi::proplist::{PropertyList, Tail};

fuzz_target!(|data: &[u8]| {
    let Ok(list) = PropertyList::parse(data) else { return };
    for tail in [Tail::None, Tail::ExtraZero] {
        // What C cannot be given, such as a name with a NUL inside, is refused on the way out.
        if let Ok(bytes) = list.to_bytes(tail) {
            assert_eq!(PropertyList::parse(&bytes).as_ref(), Ok(&list));
        }
    }
});
