//! The one world of the process, made from the environment at the first call.

use std::env::VarError;
use std::error::Error;
use std::fmt::Write as _;
use std::net::{AddrParseError, SocketAddr};
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::ERROR_BAD_ENVIRONMENT;
use wsfc_clusapi::sys::Table;
use wsfc_simulator::scenario::ResourceDll;
use wsfc_simulator::{Scenario, ScenarioError, Simulation, SimulationError};

const SCENARIO: &str = "WSFC_SIMULATOR_SCENARIO";
const STATE: &str = "WSFC_SIMULATOR_STATE";
const CONTROL: &str = "WSFC_SIMULATOR_CONTROL";
const RESOURCE_DLLS: &str = "WSFC_SIMULATOR_RESOURCE_DLLS";

/// A world that answers until the process ends.
struct World {
    table: Table,
    /// The table's functions answer while it lives.
    _simulation: Simulation,
}

/// The functions of the world. The first call makes it; it must not be made under the loader's lock, where files and
/// threads can block for ever, so nothing here runs when the library is loaded.
///
/// # Errors
///
/// The code that every call fails with where no world can be made.
pub(crate) fn table() -> Result<&'static Table, u32> {
    static WORLD: OnceLock<Option<World>> = OnceLock::new();
    match WORLD.get_or_init(make_or_tell) {
        Some(world) => Ok(&world.table),
        None => Err(ERROR_BAD_ENVIRONMENT),
    }
}

/// Makes the world, or tells why there is none.
fn make_or_tell() -> Option<World> {
    #[cfg(windows)]
    crate::windows::stay_loaded();
    match catch_unwind(make) {
        Ok(Ok(world)) => Some(world),
        Ok(Err(error)) => {
            tell(&error);
            None
        }
        // The panic has told its own story.
        Err(_panic) => None,
    }
}

/// Why there is no world.
#[derive(Debug, thiserror::Error)]
enum WorldError {
    #[error("{variable} cannot be read")]
    Variable { variable: &'static str, source: VarError },
    #[error("the scenario {name:?} of {SCENARIO} cannot be used")]
    Scenario { name: String, source: Box<ScenarioError> },
    #[error("the world cannot be made")]
    Simulation(#[source] SimulationError),
    #[error("{RESOURCE_DLLS} is not a list of name=path: {part:?}")]
    ResourceDlls { part: String },
    #[error("{CONTROL} is not an address with a port: {address:?}")]
    Address { address: String, source: AddrParseError },
    #[error("the remote control at {address} ({CONTROL}) is out of reach")]
    Control {
        address: SocketAddr,
        source: std::io::Error,
    },
}

fn make() -> Result<World, WorldError> {
    let name = variable(SCENARIO)?.unwrap_or_else(|| "default".into());
    let mut scenario = Scenario::named(&name).map_err(|source| WorldError::Scenario {
        name,
        source: source.into(),
    })?;
    if let Some(list) = variable(RESOURCE_DLLS)? {
        let dlls = ResourceDll::list(&list).map_err(|part| WorldError::ResourceDlls { part })?;
        // The environment knows where the files are on this system, so it goes before the scenario.
        scenario.resource_dlls.extend(dlls);
    }
    // A path need not be Unicode.
    let simulation = match std::env::var_os(STATE).filter(|path| !path.is_empty()) {
        Some(path) => Simulation::open(scenario, Path::new(&path)),
        None => Simulation::new(scenario),
    };
    let simulation = simulation.map_err(WorldError::Simulation)?;
    if let Some(address) = variable(CONTROL)? {
        let address = address
            .parse()
            .map_err(|source| WorldError::Address { address, source })?;
        wsfc_simulator::remote::serve(simulation.clone(), address)
            .map_err(|source| WorldError::Control { address, source })?;
    }
    Ok(World {
        table: simulation.table(),
        _simulation: simulation,
    })
}

/// A variable of the environment; an empty one counts as absent.
fn variable(variable: &'static str) -> Result<Option<String>, WorldError> {
    match std::env::var(variable) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(source) => Err(WorldError::Variable { variable, source }),
    }
}

/// Tells an error with all its causes.
fn tell(error: &dyn Error) {
    let mut text = format!("wsfc-simulator: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    #[expect(
        clippy::print_stderr,
        reason = "the C functions have no room for a reason, and a library has no other place to tell it"
    )]
    {
        eprintln!("{text}");
    }
    #[cfg(windows)]
    crate::windows::tell_debugger(&text);
}
