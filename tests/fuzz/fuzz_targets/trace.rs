//! Traces: any bytes are refused or read; a scenario that is made of what was read can be simulated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsfc_clusapi::trace::Trace;
use wsfc_simulator::{Scenario, inference};

fuzz_target!(|data: &[u8]| {
    let Ok(trace) = Trace::from_bytes(data) else { return };
    // A trace may contradict itself, such as by a host in two clusters; then it is refused.
    if let Ok(text) = inference::scenario(&trace, 1.0) {
        assert!(Scenario::from_toml(&text).is_ok());
    }
});
