//! What a call comes back with: its convention, and what it wrote for its caller.
#![expect(unsafe_code, reason = "what C functions wrote is read through pointers")]

use core::ffi::c_void;

use super::arguments::{Argument, LONGEST_BUFFER, LONGEST_TEXT, Slot, buffer, read, slot_of};
use super::format::{Bytes, Fields, SECRET, Value};
use super::recorder::Handles;
use crate::proplist::{self, PropertyList};
use crate::sys::constants::{control, notify_private};
use crate::sys::types::{
    CLUSTER_ENUM_ITEM, CLUSTER_GROUP_ENUM_ITEM, CLUSTER_READ_BATCH_COMMAND, CLUSTER_RESOURCE_ENUM_ITEM,
    CLUSTERVERSIONINFO, PCWSTR,
};
use crate::wide;
use crate::win32::Win32;

/// What a result says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Convention {
    /// A handle; 0 is failure, and the last error says why.
    Handle,
    /// A truth value; FALSE is failure, and the last error says why.
    Truth,
    /// A state; -1 with a last error is failure.
    State,
    /// A Win32 code.
    Code,
    /// A number that cannot fail.
    Count,
}

impl Convention {
    /// The convention of a function, by its name and by the name of its result's type.
    pub(super) fn of(function: &str, result: &str) -> Self {
        match result {
            "BOOL" => Self::Truth,
            "u32" if function.contains("GetEnumCount") => Self::Count,
            // The calls on the cluster database answer their codes as signed numbers.
            "u32" | "i32" => Self::Code,
            state if state.ends_with("_STATE") => Self::State,
            _ => Self::Handle,
        }
    }

    /// What stands for failure where there is nothing to call.
    pub(super) const fn failure(self) -> i32 {
        match self {
            Self::Handle | Self::Truth | Self::Count => 0,
            Self::State => -1,
            Self::Code => Win32::ERROR_CALL_NOT_IMPLEMENTED.0.cast_signed(),
        }
    }

    /// The code that a call failed with.
    pub(super) fn error(self, result: i64, last_error: u32) -> Option<u32> {
        match self {
            Self::Handle | Self::Truth => (result == 0).then_some(last_error),
            Self::State => (result == -1 && last_error != 0).then_some(last_error),
            Self::Code => u32::try_from(result).ok().filter(|code| *code != 0),
            Self::Count => None,
        }
    }
}

/// What a function returns, as the number that it is.
pub(super) trait Outcome: Copy {
    /// The number.
    fn number(self) -> i64;

    /// From a number that stands for failure.
    fn from_number(number: i32) -> Self;
}

impl Outcome for isize {
    fn number(self) -> i64 {
        self as i64
    }

    fn from_number(number: i32) -> Self {
        Self::try_from(number).unwrap_or(0)
    }
}

impl Outcome for i32 {
    fn number(self) -> i64 {
        self.into()
    }

    fn from_number(number: i32) -> Self {
        number
    }
}

impl Outcome for u32 {
    fn number(self) -> i64 {
        self.into()
    }

    fn from_number(number: i32) -> Self {
        number.cast_unsigned()
    }
}

/// How much of what a call may write it has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// Nothing that can be relied on.
    Nothing,
    /// The sizes that it needs.
    Sizes,
    /// Everything.
    All,
}

fn written(function: &str, error: Option<u32>) -> Written {
    match error.map(Win32) {
        None => Written::All,
        Some(Win32::ERROR_MORE_DATA) => Written::Sizes,
        // The node is evicted, and the status tells about its clean-up (facts 1.4).
        Some(Win32::ERROR_CLUSTER_EVICT_WITHOUT_CLEANUP) if function.starts_with("EvictClusterNode") => Written::All,
        Some(_) => Written::Nothing,
    }
}

/// What a call that has come back wrote for its caller. `given` is what was recorded when it was made.
///
/// # Safety
///
/// The arguments must be those of a call that has just come back with this error, by the contract of its function: what
/// it reports to have written is there.
pub(super) unsafe fn outputs(
    function: &str,
    arguments: &[Argument],
    given: &Fields,
    error: Option<u32>,
    handles: &mut Handles,
) -> Fields {
    let written = written(function, error);
    let mut out = Fields::default();
    if written == Written::Nothing {
        return out;
    }
    for Argument { name, slot } in arguments {
        let is_size = name.ends_with("_units") || name.ends_with("_bytes") || *name == "bytes_returned";
        if written == Written::Sizes && !is_size {
            continue;
        }
        // SAFETY: The caller's promise.
        if let Some(value) = unsafe { output(arguments, name, *slot, given, handles) } {
            out.push(name, value);
        }
    }
    out
}

/// The room of a buffer when the call was made.
fn room(given: &Fields, name: &str, unit: &str) -> usize {
    let size = given.number(&format!("{name}_{unit}")).unwrap_or(0);
    usize::try_from(size).unwrap_or(0)
}

/// One of them; `None` for what the callee does not write.
///
/// # Safety
///
/// As for [`outputs`].
unsafe fn output(
    arguments: &[Argument],
    name: &str,
    slot: Slot,
    given: &Fields,
    handles: &mut Handles,
) -> Option<Value> {
    Some(match slot {
        Slot::TextBuffer(text) => {
            // SAFETY: By the caller's promise the buffer has the room that was said, and a text with a NUL in it.
            unsafe { wide::copy(text, room(given, name, "units")) }.map(Value::Text)?
        }
        // SAFETY: By the caller's promise it was written.
        Slot::Count(count) => unsafe { read(count) }?.into(),
        // SAFETY: By the caller's promise it was written.
        Slot::SignedOut(number) => unsafe { read(number) }?.into(),
        // SAFETY: By the caller's promise it was written.
        Slot::KeyOut(key) => Value::Number((unsafe { read(key) }? as u64).cast_signed()),
        Slot::Output(bytes) if name == "output" => {
            // SAFETY: The caller's promise.
            unsafe { control_output(arguments, bytes, given) }
        }
        Slot::BytesOut(bytes) if name == "data" && !bytes.is_null() => Value::Text(SECRET.to_owned()),
        // SAFETY: The caller's promise.
        Slot::BytesOut(bytes) if !bytes.is_null() && unsafe { is_private_event(arguments) } => {
            Value::Text(SECRET.to_owned())
        }
        Slot::BytesOut(bytes) => {
            let Some(Slot::Count(count)) = slot_of(arguments, &format!("{name}_bytes")) else {
                return None;
            };
            // SAFETY: By the caller's promise the count was written.
            let size = unsafe { read(count) }? as usize;
            // SAFETY: By the caller's promise as many bytes were written, at most as many as there is room for.
            unsafe { buffer(bytes, size.min(room(given, name, "bytes"))) }
        }
        // SAFETY: By the caller's promise it was written.
        Slot::VersionInfo(info) => version_info(unsafe { read(info) }?),
        Slot::Item(item) => {
            // SAFETY: By the caller's promise the buffer has the room that was said.
            unsafe { enum_item(item, room(given, name, "bytes")) }?
        }
        Slot::GroupItem(item) => {
            // SAFETY: By the caller's promise the buffer has the room that was said.
            unsafe { group_item(item, room(given, name, "bytes")) }?
        }
        Slot::ResourceItem(item) => {
            // SAFETY: By the caller's promise the buffer has the room that was said.
            unsafe { resource_item(item, room(given, name, "bytes")) }?
        }
        Slot::OpenedOut(raw) => {
            // SAFETY: By the caller's promise it was written.
            handles.opened(unsafe { read(raw) }?)
        }
        Slot::ReadCommand(command) => {
            // SAFETY: By the caller's promise it was written.
            let command = unsafe { read(command) }?;
            // SAFETY: By the caller's promise its texts are NULL or end with a NUL, and live as long as the reply.
            unsafe { read_command(command) }
        }
        Slot::TimeOut(time) => {
            // SAFETY: By the caller's promise it was written.
            let time = unsafe { read(time) }?;
            let number = u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
            Value::Number(number.cast_signed())
        }
        Slot::FilterOut(filter) => {
            // SAFETY: By the caller's promise it was written.
            let filter = unsafe { read(filter) }?;
            let mut fields = Fields::default();
            fields.push("dwObjectType", filter.dwObjectType);
            fields.push("FilterFlags", filter.FilterFlags);
            fields.into()
        }
        Slot::HandleOut(handle) => {
            // SAFETY: By the caller's promise it was written.
            handles.value(unsafe { read(handle) }?.addr().cast_signed())
        }
        Slot::Number(_)
        | Slot::Handle(_)
        | Slot::HandleList(_)
        | Slot::GroupInfo(_)
        | Slot::AvailabilitySet(_)
        | Slot::Text(_)
        | Slot::TextList(_)
        | Slot::Input(_)
        | Slot::Output(_)
        | Slot::Config(_)
        | Slot::NameAccount(_)
        | Slot::RepairAccount(_)
        | Slot::Filter(_)
        | Slot::FilterList(_)
        | Slot::SetupCallback(_)
        | Slot::UpgradeCallback(_) => return None,
    })
}

/// Whether an event tells of private properties, which may hold secrets.
///
/// # Safety
///
/// As for [`outputs`].
unsafe fn is_private_event(arguments: &[Argument]) -> bool {
    let Some(Slot::FilterOut(filter)) = slot_of(arguments, "filter_and_type") else {
        return false;
    };
    // SAFETY: By the caller's promise it was written.
    let filter = unsafe { read(filter) };
    filter.is_some_and(|filter| notify_private(filter.dwObjectType, filter.FilterFlags))
}

/// What a control code answered; the codes that answer property lists are known.
///
/// # Safety
///
/// As for [`outputs`].
unsafe fn control_output(arguments: &[Argument], output: *const c_void, given: &Fields) -> Value {
    let Some(Slot::Count(returned)) = slot_of(arguments, "bytes_returned") else {
        return Value::Null;
    };
    // SAFETY: By the caller's promise the count is NULL or was written.
    let returned = unsafe { read(returned) }.unwrap_or(0) as usize;
    let size = returned.min(room(given, "output", "bytes")).min(LONGEST_BUFFER);
    if output.is_null() || size == 0 {
        return Value::Null;
    }
    // SAFETY: By the caller's promise as many bytes were written, at most as many as there is room for.
    let bytes = unsafe { core::slice::from_raw_parts(output.cast::<u8>(), size) };
    let code = given.number("code").and_then(|code| u32::try_from(code).ok());
    if code.is_some_and(control::answers_properties) {
        property_list(bytes)
    } else if code.is_some_and(control::holds_secrets) {
        Value::Text(SECRET.to_owned())
    } else {
        Bytes::new(bytes).into()
    }
}

/// A buffer that should hold a property list.
fn property_list(bytes: &[u8]) -> Value {
    let properties = PropertyList::parse(bytes).ok().map(|list| {
        let property = |property: proplist::Property| (property.name, property_value(property.values));
        Fields(list.properties.into_iter().map(property).collect())
    });
    Value::Bytes(Bytes {
        properties,
        ..Bytes::new(bytes)
    })
}

/// A property's value; several of them are a list.
fn property_value(values: Vec<proplist::Value>) -> Value {
    let mut values: Vec<Value> = values
        .into_iter()
        .map(|value| match value {
            proplist::Value::Dword(number) => number.into(),
            proplist::Value::Long(number) => number.into(),
            proplist::Value::Large(number) => number.into(),
            proplist::Value::Word(number) => u32::from(number).into(),
            proplist::Value::Ularge(number) | proplist::Value::Filetime(number) => match i64::try_from(number) {
                Ok(number) => number.into(),
                Err(_) => Value::Text(number.to_string()),
            },
            proplist::Value::Sz(text) | proplist::Value::ExpandSz(text) | proplist::Value::ExpandedSz(text) => {
                Value::Text(text)
            }
            proplist::Value::MultiSz(texts) => texts.into_iter().map(Value::Text).collect::<Vec<_>>().into(),
            proplist::Value::Binary(bytes)
            | proplist::Value::SecurityDescriptor(bytes)
            | proplist::Value::ValueList(bytes)
            | proplist::Value::PropertyList(bytes)
            | proplist::Value::Unknown { bytes, .. } => Bytes::new(&bytes).into(),
        })
        .collect();
    match values.len() {
        1 => values.remove(0),
        _ => values.into(),
    }
}

fn version_info(info: CLUSTERVERSIONINFO) -> Value {
    let mut fields = Fields::default();
    fields.push("MajorVersion", u32::from(info.MajorVersion));
    fields.push("MinorVersion", u32::from(info.MinorVersion));
    fields.push("BuildNumber", u32::from(info.BuildNumber));
    fields.push("szVendorId", Some(wide::text(&info.szVendorId)));
    fields.push("szCSDVersion", Some(wide::text(&info.szCSDVersion)));
    fields.push("dwClusterHighestVersion", info.dwClusterHighestVersion);
    fields.push("dwClusterLowestVersion", info.dwClusterLowestVersion);
    fields.push("dwFlags", info.dwFlags);
    fields.into()
}

/// What lies at a pointer into a buffer that begins at `base`; `None` if it does not lie in it whole. Where a provider is
/// wrong about that, nothing is read.
fn within(base: *const u8, room: usize, place: *const u8, size: u32) -> Option<*const u8> {
    let start = place.addr().checked_sub(base.addr())?;
    let end = start.checked_add(size as usize)?;
    // Through the buffer's own pointer, which may read all of it.
    (!place.is_null() && end <= room).then(|| base.wrapping_add(start))
}

/// A text within an item of an enumeration.
///
/// # Safety
///
/// The buffer must be readable for its room.
unsafe fn item_text(base: *const u8, room: usize, text: PCWSTR, bytes: u32) -> Value {
    let copied = within(base, room, text.cast(), bytes).and_then(|place| {
        // SAFETY: The text lies in the buffer, as just tested, and no more of it is read than that.
        unsafe { wide::copy(place.cast(), bytes as usize / 2) }
    });
    copied.into()
}

/// A property list within an item of an enumeration.
///
/// # Safety
///
/// The buffer must be readable for its room.
unsafe fn item_properties(base: *const u8, room: usize, list: *const c_void, bytes: u32) -> Value {
    match within(base, room, list.cast(), bytes) {
        Some(place) if bytes > 0 => {
            // SAFETY: The list lies in the buffer, as just tested.
            property_list(unsafe { core::slice::from_raw_parts(place, bytes as usize) })
        }
        _ => Value::Null,
    }
}

/// An item of an enumeration.
///
/// # Safety
///
/// It must be NULL, or a buffer that is readable for its room.
unsafe fn enum_item(item: *const CLUSTER_ENUM_ITEM, room: usize) -> Option<Value> {
    if room < size_of::<CLUSTER_ENUM_ITEM>() {
        return None;
    }
    // SAFETY: The buffer is large enough for the struct, as just tested, and numbers and pointers may be anything.
    let found = unsafe { read(item) }?;
    let base = item.cast::<u8>();
    let mut fields = Fields::default();
    fields.push("dwType", found.dwType);
    // SAFETY: The caller's promise.
    fields.push("id", unsafe { item_text(base, room, found.lpszId, found.cbId) });
    // SAFETY: The caller's promise.
    fields.push("name", unsafe { item_text(base, room, found.lpszName, found.cbName) });
    Some(fields.into())
}

/// An item of an enumeration of groups.
///
/// # Safety
///
/// As for [`enum_item`].
unsafe fn group_item(item: *const CLUSTER_GROUP_ENUM_ITEM, room: usize) -> Option<Value> {
    if room < size_of::<CLUSTER_GROUP_ENUM_ITEM>() {
        return None;
    }
    // SAFETY: The buffer is large enough for the struct, as just tested, and numbers and pointers may be anything.
    let found = unsafe { read(item) }?;
    let base = item.cast::<u8>();
    let mut fields = Fields::default();
    // SAFETY: The caller's promise.
    fields.push("id", unsafe { item_text(base, room, found.lpszId, found.cbId) });
    // SAFETY: The caller's promise.
    fields.push("name", unsafe { item_text(base, room, found.lpszName, found.cbName) });
    fields.push("state", found.state);
    // SAFETY: The caller's promise.
    let owner = unsafe { item_text(base, room, found.lpszOwnerNode, found.cbOwnerNode) };
    fields.push("owner", owner);
    fields.push("dwFlags", found.dwFlags);
    // SAFETY: The caller's promise.
    let properties = unsafe { item_properties(base, room, found.pProperties, found.cbProperties) };
    fields.push("properties", properties);
    // SAFETY: The caller's promise.
    let read_only = unsafe { item_properties(base, room, found.pRoProperties, found.cbRoProperties) };
    fields.push("ro_properties", read_only);
    Some(fields.into())
}

/// An item of an enumeration of resources.
///
/// # Safety
///
/// As for [`enum_item`].
unsafe fn resource_item(item: *const CLUSTER_RESOURCE_ENUM_ITEM, room: usize) -> Option<Value> {
    if room < size_of::<CLUSTER_RESOURCE_ENUM_ITEM>() {
        return None;
    }
    // SAFETY: The buffer is large enough for the struct, as just tested, and numbers and pointers may be anything.
    let found = unsafe { read(item) }?;
    let base = item.cast::<u8>();
    let mut fields = Fields::default();
    for (name, text, bytes) in [
        ("id", found.lpszId, found.cbId),
        ("name", found.lpszName, found.cbName),
        ("owner_group", found.lpszOwnerGroupName, found.cbOwnerGroupName),
        ("owner_group_id", found.lpszOwnerGroupId, found.cbOwnerGroupId),
    ] {
        // SAFETY: The caller's promise.
        fields.push(name, unsafe { item_text(base, room, text, bytes) });
    }
    for (name, list, bytes) in [
        ("properties", found.pProperties, found.cbProperties),
        ("ro_properties", found.pRoProperties, found.cbRoProperties),
    ] {
        // SAFETY: The caller's promise.
        fields.push(name, unsafe { item_properties(base, room, list, bytes) });
    }
    Some(fields.into())
}

/// An answer of a batch of reads, without the data, which may be a secret.
///
/// # Safety
///
/// Its texts must be NULL or end with a NUL.
unsafe fn read_command(command: CLUSTER_READ_BATCH_COMMAND) -> Value {
    let mut fields = Fields::default();
    fields.push("Command", command.Command);
    fields.push("dwOptions", command.dwOptions);
    // SAFETY: The caller's promise.
    let key = unsafe { wide::copy(command.wzSubkeyName, LONGEST_TEXT) };
    fields.push("wzSubkeyName", key);
    // SAFETY: The caller's promise.
    let value = unsafe { wide::copy(command.wzValueName, LONGEST_TEXT) };
    fields.push("wzValueName", value);
    fields.push("cbData", command.cbData);
    fields.into()
}
