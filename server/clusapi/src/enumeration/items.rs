//! Groups and resources with their state and chosen properties, in one call for all of them (facts 2.1).
#![expect(unsafe_code, reason = "C functions are called with buffers of ours")]

use core::ffi::c_void;

use super::{Enumeration, Place, collect, open};
use crate::api::entry;
use crate::error::Error;
use crate::handle::Cluster;
use crate::numbers::GroupState;
use crate::proplist::PropertyList;
use crate::sys::constants::CLUSTER_ENUM_ITEM_VERSION_1;
use crate::sys::types::{CLUSTER_GROUP_ENUM_ITEM, CLUSTER_RESOURCE_ENUM_ITEM};
use crate::wide::{self, ReusedBuffer};
use crate::win32::Win32;

/// Size of the first try for one item in bytes: the struct, its names and a few properties (facts 2.1).
const FIRST_TRY: u32 = 1024;

/// A group, as an enumeration tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupItem {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The state.
    pub state: GroupState,
    /// Name of the node that owns the group.
    pub owner_node: String,
    /// The flags, as [`object_flags`](crate::sys::constants::object_flags).
    pub flags: u32,
    /// The common properties that were asked for and are there.
    pub properties: PropertyList,
    /// The read-only properties that were asked for and are there.
    pub read_only: PropertyList,
}

/// A resource, as an enumeration tells it. Its state is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceItem {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Name of the group that the resource belongs to.
    pub owner_group: String,
    /// Id of that group.
    pub owner_group_id: String,
    /// The common properties that were asked for and are there.
    pub properties: PropertyList,
    /// The read-only properties that were asked for and are there.
    pub read_only: PropertyList,
}

impl Place<'_> {
    fn properties(&self, list: *mut c_void, size: u32) -> Result<PropertyList, Error> {
        let bytes = self.within(list.addr(), size, "a property list outside of its item")?;
        PropertyList::parse(bytes).map_err(|source| Error::Properties {
            function: self.function,
            source,
        })
    }
}

/// Names of properties for C. Guess: no names are NULL and 0.
struct Names {
    units: Vec<u16>,
    bytes: u32,
}

impl Names {
    fn new(field: &'static str, names: &[&str]) -> Result<Self, Error> {
        let units = wide::names_for_c(field, names)?;
        let bytes = u32::try_from(units.len() * size_of::<u16>()).map_err(|_| Error::TooMany {
            field,
            count: names.len(),
        })?;
        Ok(Self { units, bytes })
    }

    /// The names for C, valid as long as `self`.
    fn as_ptr(&self) -> *const u16 {
        if self.units.is_empty() {
            core::ptr::null()
        } else {
            self.units.as_ptr()
        }
    }
}

/// Writes the reader of one kind of item: an empty item, and how it is taken apart.
macro_rules! items {
    ($(
        $(#[$doc:meta])*
        $method:ident -> $type:ty: $open:ident, $next:ident, $close:ident;
        $struct:ident $empty:ident => |$place:ident, $item:ident| $read:expr;
    )+) => {
        impl Cluster {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// [`Error::Call`], [`Error::Text`]; [`Error::Answer`] and [`Error::Properties`] if an item is damaged.
                pub fn $method(&self, common: &[&str], read_only: &[&str]) -> Result<Vec<$type>, Error> {
                    let common = Names::new("properties", common)?;
                    let read_only = Names::new("read-only properties", read_only)?;
                    let enumeration = open!(
                        self.api(),
                        $open(self.as_raw(), common.as_ptr(), common.bytes, read_only.as_ptr(), read_only.bytes, 0),
                        $close
                    );
                    let function = entry!(self.api(), $next)?;
                    let mut buffer = ReusedBuffer::new(FIRST_TRY);
                    collect(|index| {
                        let buffer = buffer.read(stringify!($next), |buffer, bytes| {
                            let item = buffer.as_mut_ptr::<$struct>();
                            // SAFETY: The buffer is larger than the struct and aligned.
                            unsafe { item.write($empty) };
                            // SAFETY: The enumeration is open, and the buffer has the size given.
                            Win32(unsafe { function(enumeration.raw, index, item, bytes) })
                        })?;
                        let base = buffer.as_mut_ptr::<$struct>();
                        // SAFETY: The buffer is larger than the struct and aligned, and any bytes are a valid struct of
                        // numbers and pointers.
                        let $item = unsafe { base.read() };
                        let $place = Place {
                            function: stringify!($next),
                            bytes: buffer.bytes(usize::MAX),
                            base: base.addr(),
                        };
                        $read
                    })
                }
            )+
        }
    };
}

const EMPTY_GROUP: CLUSTER_GROUP_ENUM_ITEM = CLUSTER_GROUP_ENUM_ITEM {
    dwVersion: CLUSTER_ENUM_ITEM_VERSION_1,
    cbId: 0,
    lpszId: core::ptr::null_mut(),
    cbName: 0,
    lpszName: core::ptr::null_mut(),
    state: 0,
    cbOwnerNode: 0,
    lpszOwnerNode: core::ptr::null_mut(),
    dwFlags: 0,
    cbProperties: 0,
    pProperties: core::ptr::null_mut(),
    cbRoProperties: 0,
    pRoProperties: core::ptr::null_mut(),
};

const EMPTY_RESOURCE: CLUSTER_RESOURCE_ENUM_ITEM = CLUSTER_RESOURCE_ENUM_ITEM {
    dwVersion: CLUSTER_ENUM_ITEM_VERSION_1,
    cbId: 0,
    lpszId: core::ptr::null_mut(),
    cbName: 0,
    lpszName: core::ptr::null_mut(),
    cbOwnerGroupName: 0,
    lpszOwnerGroupName: core::ptr::null_mut(),
    cbOwnerGroupId: 0,
    lpszOwnerGroupId: core::ptr::null_mut(),
    cbProperties: 0,
    pProperties: core::ptr::null_mut(),
    cbRoProperties: 0,
    pRoProperties: core::ptr::null_mut(),
};

items! {
    /// Every group with its state, its owner, and those of its common and read-only properties that are named.
    group_items -> GroupItem: ClusterGroupOpenEnumEx, ClusterGroupEnumEx, ClusterGroupCloseEnumEx;
    CLUSTER_GROUP_ENUM_ITEM EMPTY_GROUP => |place, item| {
        Ok(GroupItem {
            id: place.text(item.lpszId, item.cbId)?,
            name: place.text(item.lpszName, item.cbName)?,
            state: GroupState(item.state),
            owner_node: place.text(item.lpszOwnerNode, item.cbOwnerNode)?,
            flags: item.dwFlags,
            properties: place.properties(item.pProperties, item.cbProperties)?,
            read_only: place.properties(item.pRoProperties, item.cbRoProperties)?,
        })
    };
    /// Every resource with its group, and those of its common and read-only properties that are named.
    resource_items -> ResourceItem: ClusterResourceOpenEnumEx, ClusterResourceEnumEx, ClusterResourceCloseEnumEx;
    CLUSTER_RESOURCE_ENUM_ITEM EMPTY_RESOURCE => |place, item| {
        Ok(ResourceItem {
            id: place.text(item.lpszId, item.cbId)?,
            name: place.text(item.lpszName, item.cbName)?,
            owner_group: place.text(item.lpszOwnerGroupName, item.cbOwnerGroupName)?,
            owner_group_id: place.text(item.lpszOwnerGroupId, item.cbOwnerGroupId)?,
            properties: place.properties(item.pProperties, item.cbProperties)?,
            read_only: place.properties(item.pRoProperties, item.cbRoProperties)?,
        })
    };
}
