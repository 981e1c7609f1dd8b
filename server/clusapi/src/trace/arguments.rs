//! What a call is given: each C type as a [`Slot`], and how the slots of a call are read.
//!
//! The names of the parameters are those of the function list, and they say what a pointer alone does not: `X_units` and
//! `X_bytes` are the size of `X`, `count` that of the one list beside it, `filter_count` that of `filters`. What is
//! called `data` is a value of the cluster database, which may be a secret and is not read.
#![expect(unsafe_code, reason = "arguments of C functions are read through their pointers")]

use core::ffi::c_void;
use core::mem::offset_of;

use super::format::{Bytes, Fields, SECRET, Value};
use super::recorder::{Call, Handles};
use crate::sys::constants::{control, version};
use crate::sys::types::{
    CLUSTER_AVAILABILITY_SET_CONFIG, CLUSTER_CREATE_GROUP_INFO, CLUSTER_ENUM_ITEM, CLUSTER_GROUP_ENUM_ITEM,
    CLUSTER_IP_ENTRY, CLUSTER_READ_BATCH_COMMAND, CLUSTER_RESOURCE_ENUM_ITEM, CLUSTERVERSIONINFO,
    CREATE_CLUSTER_CONFIG, CREATE_CLUSTER_NAME_ACCOUNT, FILETIME, HANDLE, NOTIFY_FILTER_AND_TYPE,
    PCLUSTER_SETUP_PROGRESS_CALLBACK, PCLUSTER_UPGRADE_PROGRESS_CALLBACK, PCWSTR, PWSTR,
    REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG,
};
use crate::wide;

/// Longest text that is recorded, in UTF-16 units: what any C string here may have.
pub(super) const LONGEST_TEXT: usize = 32_767;
/// Most entries of a list and most bytes of a buffer that are recorded; the count itself is recorded as it is.
const LONGEST_LIST: usize = 1024;
/// See above.
pub(super) const LONGEST_BUFFER: usize = 1 << 20;

/// An argument by its C type.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    Number(i64),
    Handle(isize),
    HandleList(*const isize),
    /// A handle that the callee opens.
    OpenedOut(*mut isize),
    Text(PCWSTR),
    TextList(*const PCWSTR),
    TextBuffer(PWSTR),
    /// A number that the callee writes. A size of a buffer holds the room when the call is made.
    Count(*mut u32),
    SignedOut(*mut i32),
    KeyOut(*mut usize),
    BytesOut(*mut u8),
    Input(*const c_void),
    /// A buffer that the callee writes, or a kernel handle: both are `void *`.
    Output(*mut c_void),
    HandleOut(*mut HANDLE),
    Config(*const CREATE_CLUSTER_CONFIG),
    NameAccount(*const CREATE_CLUSTER_NAME_ACCOUNT),
    RepairAccount(*const REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG),
    VersionInfo(*mut CLUSTERVERSIONINFO),
    Item(*mut CLUSTER_ENUM_ITEM),
    GroupItem(*mut CLUSTER_GROUP_ENUM_ITEM),
    ResourceItem(*mut CLUSTER_RESOURCE_ENUM_ITEM),
    GroupInfo(*const CLUSTER_CREATE_GROUP_INFO),
    AvailabilitySet(*const CLUSTER_AVAILABILITY_SET_CONFIG),
    ReadCommand(*mut CLUSTER_READ_BATCH_COMMAND),
    TimeOut(*mut FILETIME),
    Filter(NOTIFY_FILTER_AND_TYPE),
    FilterList(*const NOTIFY_FILTER_AND_TYPE),
    FilterOut(*mut NOTIFY_FILTER_AND_TYPE),
    SetupCallback(PCLUSTER_SETUP_PROGRESS_CALLBACK),
    UpgradeCallback(PCLUSTER_UPGRADE_PROGRESS_CALLBACK),
}

/// An argument with the name of its parameter.
#[derive(Clone, Copy)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) slot: Slot,
}

/// A C type that functions of the list take.
pub(super) trait Parameter: Copy {
    /// As a slot.
    fn slot(self) -> Slot;

    /// What the recorded function gets in its place: callbacks are taken in between, everything else is as it was.
    fn pass(self, _name: &str, _call: &Call) -> Self {
        self
    }
}

/// Lists the C types that are passed on as they are.
macro_rules! parameters {
    ($($type:ty => $slot:ident;)+) => {
        $(impl Parameter for $type {
            fn slot(self) -> Slot {
                Slot::$slot(self.into())
            }
        })+
    };
}

parameters! {
    u32 => Number;
    i32 => Number;
    i64 => Number;
    isize => Handle;
    *const isize => HandleList;
    *mut isize => OpenedOut;
    PCWSTR => Text;
    *const PCWSTR => TextList;
    PWSTR => TextBuffer;
    *mut u32 => Count;
    *mut i32 => SignedOut;
    *mut usize => KeyOut;
    *mut u8 => BytesOut;
    *mut c_void => Output;
    *mut HANDLE => HandleOut;
    *const CREATE_CLUSTER_CONFIG => Config;
    *const CREATE_CLUSTER_NAME_ACCOUNT => NameAccount;
    *const REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG => RepairAccount;
    *mut CLUSTERVERSIONINFO => VersionInfo;
    *mut CLUSTER_ENUM_ITEM => Item;
    *mut CLUSTER_GROUP_ENUM_ITEM => GroupItem;
    *mut CLUSTER_RESOURCE_ENUM_ITEM => ResourceItem;
    *const CLUSTER_CREATE_GROUP_INFO => GroupInfo;
    *const CLUSTER_AVAILABILITY_SET_CONFIG => AvailabilitySet;
    *mut CLUSTER_READ_BATCH_COMMAND => ReadCommand;
    *mut FILETIME => TimeOut;
    NOTIFY_FILTER_AND_TYPE => Filter;
    *const NOTIFY_FILTER_AND_TYPE => FilterList;
    *mut NOTIFY_FILTER_AND_TYPE => FilterOut;
}

impl Parameter for usize {
    /// A key of the caller's: any number, kept bit by bit.
    fn slot(self) -> Slot {
        Slot::Number((self as u64).cast_signed())
    }
}

impl Parameter for u64 {
    /// Flags, kept bit by bit.
    fn slot(self) -> Slot {
        Slot::Number(self.cast_signed())
    }
}

impl Parameter for *const u8 {
    fn slot(self) -> Slot {
        Slot::Input(self.cast())
    }
}

impl Parameter for *const c_void {
    fn slot(self) -> Slot {
        Slot::Input(self)
    }

    fn pass(self, name: &str, call: &Call) -> Self {
        match call.registration {
            Some(id) if name == "argument" => core::ptr::without_provenance(id),
            _ => self,
        }
    }
}

impl Parameter for PCLUSTER_SETUP_PROGRESS_CALLBACK {
    fn slot(self) -> Slot {
        Slot::SetupCallback(self)
    }

    fn pass(self, _: &str, call: &Call) -> Self {
        match call.registration {
            Some(_) => Some(super::forward::setup_callback),
            None => self,
        }
    }
}

impl Parameter for PCLUSTER_UPGRADE_PROGRESS_CALLBACK {
    fn slot(self) -> Slot {
        Slot::UpgradeCallback(self)
    }

    fn pass(self, _: &str, call: &Call) -> Self {
        match call.registration {
            Some(_) => Some(super::forward::upgrade_callback),
            None => self,
        }
    }
}

/// The slot of the parameter of this name.
pub(super) fn slot_of(arguments: &[Argument], name: &str) -> Option<Slot> {
    let found = arguments.iter().find(|argument| argument.name == name)?;
    Some(found.slot)
}

/// The size that goes with a parameter, by the name of that: a number, or one behind a pointer.
///
/// # Safety
///
/// As for [`inputs`].
unsafe fn size_of_parameter(arguments: &[Argument], name: &str) -> Option<usize> {
    let number = match slot_of(arguments, name)? {
        Slot::Number(number) => number,
        Slot::Count(count) if !count.is_null() => {
            // SAFETY: By the caller's promise a size that is not NULL can be read.
            i64::from(unsafe { count.read_unaligned() })
        }
        _ => return None,
    };
    usize::try_from(number).ok()
}

/// What a call is given, as far as its caller has set it.
///
/// # Safety
///
/// The arguments must be those of a call that is being made, by the contract of its function: texts end with a NUL, lists
/// and buffers have the sizes that go with them, structs are as long as their versions say.
pub(super) unsafe fn inputs(arguments: &[Argument], handles: &mut Handles) -> Fields {
    let mut fields = Fields::default();
    for Argument { name, slot } in arguments {
        // SAFETY: The caller's promise.
        if let Some(value) = unsafe { input(arguments, name, *slot, handles) } {
            fields.push(name, value);
        }
    }
    fields
}

/// One of them; `None` where only the callee writes.
///
/// # Safety
///
/// As for [`inputs`].
unsafe fn input(arguments: &[Argument], name: &str, slot: Slot, handles: &mut Handles) -> Option<Value> {
    Some(match slot {
        Slot::Number(number) => number.into(),
        Slot::Handle(raw) => handles.value(raw),
        Slot::Text(text) => {
            // SAFETY: The caller's promise.
            match unsafe { size_of_parameter(arguments, &format!("{name}_bytes")) } {
                // Several texts with NULs between them.
                // SAFETY: The caller's promise: the text has this size.
                Some(bytes) => unsafe { buffer(text.cast(), bytes) },
                // SAFETY: The caller's promise: the text ends with a NUL.
                None => unsafe { wide::copy(text, LONGEST_TEXT) }.into(),
            }
        }
        Slot::TextList(list) => {
            // SAFETY: The caller's promise.
            let count = unsafe { size_of_parameter(arguments, "count") };
            // SAFETY: The caller's promise: the list has this length.
            unsafe { texts(list, count.unwrap_or(0)) }
        }
        Slot::HandleList(list) => {
            // SAFETY: The caller's promise.
            let count = unsafe { size_of_parameter(arguments, "count") };
            // SAFETY: The caller's promise: the list has this length.
            unsafe { list_of(list, count.unwrap_or(0), |raw| handles.value(raw)) }
        }
        Slot::Input(bytes) if name == "data" => told(bytes.is_null()),
        Slot::Input(bytes) if name == "input" && is_secret_input(arguments) => told(bytes.is_null()),
        Slot::Input(bytes) => {
            // SAFETY: The caller's promise.
            let size = unsafe { size_of_parameter(arguments, &format!("{name}_bytes")) }?;
            // SAFETY: The caller's promise: the buffer has this size.
            unsafe { buffer(bytes.cast(), size) }
        }
        Slot::Count(count) if name.ends_with("_units") || name.ends_with("_bytes") => {
            // SAFETY: The caller's promise: a size that is not NULL says the room of its buffer.
            unsafe { read(count) }.map_or(Value::Null, Value::from)
        }
        // SAFETY: The caller's promise.
        Slot::Config(config) => unsafe { create_config(config) },
        // SAFETY: The caller's promise.
        Slot::NameAccount(config) => unsafe { name_account(config) },
        // SAFETY: The caller's promise.
        Slot::RepairAccount(config) => unsafe { repair_account(config) },
        // SAFETY: The caller's promise.
        Slot::GroupInfo(info) => unsafe { read(info) }.map_or(Value::Null, group_info),
        // SAFETY: The caller's promise.
        Slot::AvailabilitySet(config) => unsafe { read(config) }.map_or(Value::Null, availability_set),
        Slot::Filter(given) => filter(given),
        Slot::FilterList(list) => {
            // SAFETY: The caller's promise.
            let count = unsafe { size_of_parameter(arguments, "filter_count") };
            // SAFETY: The caller's promise: the list has this length.
            unsafe { list_of(list, count.unwrap_or(0), filter) }
        }
        Slot::SetupCallback(None) | Slot::UpgradeCallback(None) => Value::Null,
        // An object is passed to `RegisterClusterNotifyV2` in the type of a kernel handle.
        Slot::Output(object) if name == "object" => handles.value(object.addr().cast_signed()),
        Slot::Count(_)
        | Slot::SetupCallback(Some(_))
        | Slot::UpgradeCallback(Some(_))
        | Slot::TextBuffer(_)
        | Slot::SignedOut(_)
        | Slot::KeyOut(_)
        | Slot::BytesOut(_)
        | Slot::Output(_)
        | Slot::HandleOut(_)
        | Slot::VersionInfo(_)
        | Slot::Item(_)
        | Slot::GroupItem(_)
        | Slot::ResourceItem(_)
        | Slot::OpenedOut(_)
        | Slot::ReadCommand(_)
        | Slot::TimeOut(_)
        | Slot::FilterOut(_) => return None,
    })
}

/// Says that something secret was given, without looking at it.
fn told(is_null: bool) -> Value {
    if is_null {
        Value::Null
    } else {
        Value::Text(SECRET.to_owned())
    }
}

/// Whether the input of a control call may hold a secret, such as the key of a cloud witness: private properties that
/// are set or validated, and everything of a code that is not known here (facts 3.2).
fn is_secret_input(arguments: &[Argument]) -> bool {
    let Some(Slot::Number(code)) = slot_of(arguments, "code") else {
        return false;
    };
    !u32::try_from(code).is_ok_and(|code| control::name(code).is_some() && !control::holds_secrets(code))
}

/// What a pointer points to; `None` for NULL.
///
/// # Safety
///
/// The pointer must be NULL or readable for a `T`, and every bit pattern there must be one.
pub(super) unsafe fn read<T: Copy>(pointer: *const T) -> Option<T> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: The caller's promise; alignment is not needed.
    Some(unsafe { pointer.read_unaligned() })
}

/// A buffer of the caller's.
///
/// # Safety
///
/// It must be NULL or readable for its size.
pub(super) unsafe fn buffer(bytes: *const u8, size: usize) -> Value {
    if bytes.is_null() {
        return Value::Null;
    }
    // SAFETY: The caller's promise, and no more than that.
    let bytes = unsafe { core::slice::from_raw_parts(bytes, size.min(LONGEST_BUFFER)) };
    Bytes::new(bytes).into()
}

/// A list of the caller's, each entry as a value.
///
/// # Safety
///
/// It must be NULL or readable for its length.
unsafe fn list_of<T: Copy>(list: *const T, length: usize, value: impl FnMut(T) -> Value) -> Value {
    if list.is_null() {
        return Value::Null;
    }
    let entries = (0..length.min(LONGEST_LIST)).filter_map(|index| {
        // SAFETY: The caller's promise: the entry lies in the list.
        unsafe { read(list.wrapping_add(index)) }
    });
    entries.map(value).collect::<Vec<_>>().into()
}

/// Texts of the caller's.
///
/// # Safety
///
/// The list must be NULL or as long as is said, and each entry NULL or a text that ends with a NUL.
unsafe fn texts(list: *const PCWSTR, length: usize) -> Value {
    // SAFETY: The caller's promise.
    let text = |text| unsafe { wide::copy(text, LONGEST_TEXT) }.into();
    // SAFETY: The caller's promise.
    unsafe { list_of(list, length, text) }
}

fn group_info(info: CLUSTER_CREATE_GROUP_INFO) -> Value {
    let mut fields = Fields::default();
    fields.push("dwVersion", info.dwVersion);
    fields.push("groupType", info.groupType);
    fields.into()
}

fn availability_set(config: CLUSTER_AVAILABILITY_SET_CONFIG) -> Value {
    let mut fields = Fields::default();
    fields.push("dwVersion", config.dwVersion);
    fields.push("dwUpdateDomains", config.dwUpdateDomains);
    fields.push("dwFaultDomains", config.dwFaultDomains);
    fields.push("bReserveSpareNode", config.bReserveSpareNode);
    fields.into()
}

fn filter(filter: NOTIFY_FILTER_AND_TYPE) -> Value {
    let mut fields = Fields::default();
    fields.push("dwObjectType", filter.dwObjectType);
    fields.push("FilterFlags", filter.FilterFlags);
    fields.into()
}

/// Reads fields of a struct one by one, since it may be shorter than its type (facts 1.2).
struct Struct<T> {
    base: *const T,
    fields: Fields,
}

impl<T> Struct<T> {
    /// A field.
    ///
    /// # Safety
    ///
    /// A `F` must lie at the offset, and every bit pattern there must be one.
    unsafe fn field<F: Copy>(&self, offset: usize) -> F {
        let place = self.base.wrapping_byte_add(offset).cast::<F>();
        // SAFETY: The caller's promise; alignment is not needed.
        unsafe { place.read_unaligned() }
    }

    /// Records a number.
    ///
    /// # Safety
    ///
    /// As for `field`.
    unsafe fn number<F: Copy + Into<i64>>(&mut self, name: &str, offset: usize) -> i64 {
        // SAFETY: The caller's promise.
        let number: i64 = unsafe { self.field::<F>(offset) }.into();
        self.fields.push(name, number);
        number
    }

    /// Records a text.
    ///
    /// # Safety
    ///
    /// As for `field`, and the text must be NULL or end with a NUL.
    unsafe fn text(&mut self, name: &str, offset: usize) {
        // SAFETY: The caller's promise.
        let text = unsafe { self.field::<PCWSTR>(offset) };
        // SAFETY: The caller's promise.
        self.fields.push(name, unsafe { wide::copy(text, LONGEST_TEXT) });
    }

    /// Records that there is a secret, without looking at it.
    ///
    /// # Safety
    ///
    /// As for `field`.
    unsafe fn secret(&mut self, name: &str, offset: usize) {
        // SAFETY: The caller's promise.
        let text = unsafe { self.field::<PCWSTR>(offset) };
        let told = if text.is_null() { None } else { Some(SECRET.to_owned()) };
        self.fields.push(name, told);
    }
}

/// Records fields of a struct, each by its own name.
macro_rules! record {
    ($struct:ident: $type:ty { $($kind:ident $(<$number:ty>)? $field:ident),+ $(,)? }) => {
        $(
            // SAFETY: By the caller's promise the struct has this field, of this type.
            unsafe { $struct.$kind $(::<$number>)? (stringify!($field), offset_of!($type, $field)) };
        )+
    };
}

/// A configuration of `CreateCluster`, as far as its version allows (facts 1.2).
///
/// # Safety
///
/// It must be NULL or of the form that its version says.
unsafe fn create_config(config: *const CREATE_CLUSTER_CONFIG) -> Value {
    type Config = CREATE_CLUSTER_CONFIG;
    if config.is_null() {
        return Value::Null;
    }
    let mut read = Struct {
        base: config,
        fields: Fields::default(),
    };
    // SAFETY: Every form of the struct has this field.
    let known = unsafe { read.number::<u32>("dwVersion", offset_of!(Config, dwVersion)) };
    let reaches = |wanted: u32| known >= i64::from(wanted);
    record!(read: Config { text lpszClusterName, number<u32> cNodes });
    // SAFETY: Every form of the struct has this field.
    let nodes = unsafe { read.field::<*const PCWSTR>(offset_of!(Config, ppszNodeNames)) };
    // SAFETY: Every form of the struct has this field.
    let node_count = unsafe { read.field::<u32>(offset_of!(Config, cNodes)) };
    // SAFETY: By the caller's promise there are as many names as is said.
    read.fields
        .push("ppszNodeNames", unsafe { texts(nodes, node_count as usize) });
    record!(read: Config { number<u32> cIpEntries });
    // SAFETY: Every form of the struct has this field.
    let entries = unsafe { read.field::<*const CLUSTER_IP_ENTRY>(offset_of!(Config, pIpEntries)) };
    // SAFETY: Every form of the struct has this field.
    let entry_count = unsafe { read.field::<u32>(offset_of!(Config, cIpEntries)) };
    let entry = |entry: CLUSTER_IP_ENTRY| {
        let mut fields = Fields::default();
        // SAFETY: By the caller's promise the text is NULL or ends with a NUL.
        let address = unsafe { wide::copy(entry.lpszIpAddress, LONGEST_TEXT) };
        fields.push("lpszIpAddress", address);
        fields.push("dwPrefixLength", entry.dwPrefixLength);
        fields.into()
    };
    // SAFETY: By the caller's promise there are as many entries as is said.
    let addresses = unsafe { list_of(entries, entry_count as usize, entry) };
    read.fields.push("pIpEntries", addresses);
    record!(read: Config { number<u8> fEmptyCluster });
    if reaches(version::WINDOWS_BLUE) {
        record!(read: Config { number<i32> managementPointType });
    }
    if reaches(version::RS3) {
        record!(read: Config { number<i32> managementPointResType });
    }
    if reaches(version::GA) {
        record!(read: Config { secret pszUserName, secret pszPassword, secret pszDomain });
    }
    read.fields.into()
}

/// A configuration of `CreateClusterNameAccount`. A version that is too old for the call says nothing of the rest.
///
/// # Safety
///
/// It must be NULL or of the form that its version says.
unsafe fn name_account(config: *const CREATE_CLUSTER_NAME_ACCOUNT) -> Value {
    type Config = CREATE_CLUSTER_NAME_ACCOUNT;
    if config.is_null() {
        return Value::Null;
    }
    let mut read = Struct {
        base: config,
        fields: Fields::default(),
    };
    // SAFETY: Every form of the struct has this field.
    let known = unsafe { read.number::<u32>("dwVersion", offset_of!(Config, dwVersion)) };
    if known > i64::from(version::WINDOWS_BLUE) {
        record!(read: Config {
            text lpszClusterName, number<u32> dwFlags, secret pszUserName, secret pszPassword, secret pszDomain,
            number<i32> managementPointType, number<i32> managementPointResType, number<u8> bUpgradeVCOs,
        });
    }
    read.fields.into()
}

/// A configuration of `RepairClusterNameAccount`.
///
/// # Safety
///
/// It must be NULL or a whole struct.
unsafe fn repair_account(config: *const REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG) -> Value {
    type Config = REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG;
    if config.is_null() {
        return Value::Null;
    }
    let mut read = Struct {
        base: config,
        fields: Fields::default(),
    };
    record!(read: Config {
        number<u32> dwVersion, number<u32> dwFlags, secret pszUserName, secret pszPassword, secret pszDomain,
    });
    read.fields.into()
}
