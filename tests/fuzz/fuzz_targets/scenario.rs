//! Scenario files: any text is refused with an error that can be shown, or makes a world.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsfc_simulator::{Scenario, Simulation};

fuzz_target!(|text: &str| {
    match Scenario::from_toml(text) {
        Ok(scenario) => assert!(Simulation::new(scenario).is_ok(), "what was checked can be simulated"),
        Err(error) => drop(error.to_string()),
    }
});
