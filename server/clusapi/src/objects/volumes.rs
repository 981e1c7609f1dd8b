//! Cluster shared volumes (facts 2.6).
#![expect(unsafe_code, reason = "C functions are called with handles of ours")]

use crate::control::Controlled as _;
use crate::error::Error;
use crate::handle::{Opened as _, Resource};
use crate::numbers::SharedVolumeState;
use crate::proplist::{self, ParseError, Value};
use crate::sys::constants::control;
use crate::verb::{Accepted, verbs};
use crate::wide;

verbs! {
    /// Makes a disk a cluster shared volume. It must be in Available Storage, else 5965; 5964 if it cannot be one.
    Resource::add_to_shared_volumes() -> Accepted = AddResourceToClusterSharedVolumes();
    /// Makes a cluster shared volume a disk again.
    Resource::remove_from_shared_volumes() -> Accepted = RemoveResourceFromClusterSharedVolumes();
}

/// A volume of a cluster shared volume's disk, as `CLUS_CSV_VOLUME_INFO` of the SDK has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedVolume {
    /// Where the volume begins on the disk, in bytes.
    pub offset: u64,
    /// Number of its partition.
    pub partition: u32,
    /// Its faults, as [`shared_volume_fault`](crate::sys::constants::shared_volume_fault).
    pub faults: u32,
    /// Whether it is being saved: 0 none, 1 in progress.
    pub backup_state: u32,
    /// Its path below the shared root.
    pub friendly_name: String,
    /// Its name as a device.
    pub volume_name: String,
}

/// How a node reaches a volume, as `CLUSTER_SHARED_VOLUME_STATE_INFO` of the SDK has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedVolumePlace {
    /// The volume's name.
    pub volume: String,
    /// The node's name.
    pub node: String,
    /// How the node reaches it.
    pub state: SharedVolumeState,
}

/// Units of a path in the structs of the SDK.
const PATH_UNITS: usize = 260;
/// Units of a volume's name in the structs of the SDK.
const VOLUME_UNITS: usize = 50;
/// Bytes of `CLUSTER_SHARED_VOLUME_STATE_INFO`: two paths and a state.
const STATE_BYTES: usize = 4 * PATH_UNITS + 4;
/// Bytes of `CLUSTER_SHARED_VOLUME_STATE_INFO_EX`: the same, another path, and two 64-bit numbers at a multiple of 8.
const EXTENDED_STATE_BYTES: usize = (STATE_BYTES + 2 * PATH_UNITS).next_multiple_of(8) + 16;

/// A 32-bit number at a place.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*word))
}

/// A text at a place that has room for so many units.
fn text(bytes: &[u8], at: usize, units: usize) -> Option<String> {
    Some(wide::text_of_bytes(bytes.get(at..at + 2 * units)?))
}

fn volume(bytes: &[u8]) -> Option<SharedVolume> {
    let offset = bytes.first_chunk::<8>()?;
    Some(SharedVolume {
        offset: u64::from_le_bytes(*offset),
        partition: word(bytes, 8)?,
        faults: word(bytes, 12)?,
        backup_state: word(bytes, 16)?,
        friendly_name: text(bytes, 20, PATH_UNITS)?,
        volume_name: text(bytes, 20 + 2 * PATH_UNITS, VOLUME_UNITS)?,
    })
}

fn place(bytes: &[u8]) -> Option<SharedVolumePlace> {
    Some(SharedVolumePlace {
        volume: text(bytes, 0, PATH_UNITS)?,
        node: text(bytes, 2 * PATH_UNITS, PATH_UNITS)?,
        state: SharedVolumeState(word(bytes, 4 * PATH_UNITS)?),
    })
}

/// The volumes of a value list: those of its values that are long enough for one.
pub(super) fn volumes(answer: &[u8]) -> Result<Vec<SharedVolume>, ParseError> {
    let values = proplist::parse_value_list(answer)?;
    let volumes = values.iter().filter_map(|value| match value {
        Value::Binary(bytes) | Value::Unknown { bytes, .. } => volume(bytes),
        _ => None,
    });
    Ok(volumes.collect())
}

/// The states of an answer, of the extended struct if they fill it evenly, else of the plain one. Guess: they lie one behind
/// the other, and a rest that is no whole one is nothing.
pub(super) fn places(answer: &[u8]) -> Vec<SharedVolumePlace> {
    let size = if answer.len().is_multiple_of(EXTENDED_STATE_BYTES) {
        EXTENDED_STATE_BYTES
    } else {
        STATE_BYTES
    };
    answer.chunks_exact(size).filter_map(place).collect()
}

impl Resource {
    /// The volumes of a cluster shared volume's disk.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Properties`].
    pub fn shared_volumes(&self) -> Result<Vec<SharedVolume>, Error> {
        let answer = self.control(control::RESOURCE_STORAGE_GET_SHARED_VOLUME_INFO, &[])?;
        volumes(&answer).map_err(|source| Error::Properties {
            function: self.control_function(),
            source,
        })
    }

    /// How each node reaches the volumes.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn shared_volume_places(&self) -> Result<Vec<SharedVolumePlace>, Error> {
        let answer = self.control(control::RESOURCE_STORAGE_GET_SHARED_VOLUME_STATES, &[])?;
        Ok(places(&answer))
    }

    /// Puts a volume into maintenance, or takes it out.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`].
    pub fn set_shared_volume_maintenance(&self, volume: &str, on: bool) -> Result<(), Error> {
        // A truth value and a path of fixed length: `CLUS_CSV_MAINTENANCE_MODE_INFO` of the SDK.
        let mut input = u32::from(on).to_le_bytes().to_vec();
        input.extend(path_of(volume)?);
        self.control(control::RESOURCE_SET_CSV_MAINTENANCE_MODE, &input)?;
        Ok(())
    }

    /// Makes every node reach the volume through the one that owns it, or directly again.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`].
    pub fn set_redirected(&self, volume: &str, redirected: bool) -> Result<(), Error> {
        let code = if redirected {
            control::RESOURCE_DISABLE_SHARED_VOLUME_DIRECTIO
        } else {
            control::RESOURCE_ENABLE_SHARED_VOLUME_DIRECTIO
        };
        // Guess: the input is the volume's name as a text, as for the other codes that take a name.
        self.control(code, &wide::bytes_of_text("volume", volume)?)?;
        Ok(())
    }
}

/// A path of the fixed length that the SDK's structs have.
fn path_of(text: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = wide::bytes_of_text("volume", text)?;
    let units = bytes.len() / 2 - 1;
    if bytes.len() > 2 * PATH_UNITS {
        return Err(Error::Text {
            field: "volume",
            problem: crate::error::TextProblem::TooLong {
                units,
                limit: PATH_UNITS - 1,
            },
        });
    }
    bytes.resize(2 * PATH_UNITS, 0);
    Ok(bytes)
}
