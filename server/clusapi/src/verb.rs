//! Calls that change something: how their arguments become C values, and what their answers say.
//!
//! Most of them have one shape, a handle and some arguments in, a code out, so a list of them is enough.

use std::sync::Arc;

use crate::error::Error;
use crate::handle::{Connection, Opened};
use crate::numbers::{AccountAccess, AffinityRuleType, Failback, QuorumKind};
use crate::proplist::{PropertyList, Tail};
use crate::sys::constants::{FALSE, TRUE};
use crate::sys::types::{BOOL, PCWSTR};
use crate::wide::{self, WideString};
use crate::win32::Win32;

/// How an asynchronous call was taken. Neither says how it ends: that is seen in states and notifications (facts 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is done.
    Done,
    /// It was accepted and goes on by itself.
    Pending,
}

/// When a change takes effect (facts 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It has taken effect.
    Now,
    /// It is stored, and takes effect when the resource goes online next.
    AtNextOnline,
}

/// What the code of a call says.
pub(crate) trait FromCode: Sized {
    /// Reads the code; those that are no success are the call's error.
    fn from_code(function: &'static str, code: u32) -> Result<Self, Error>;
}

impl FromCode for () {
    fn from_code(function: &'static str, code: u32) -> Result<Self, Error> {
        crate::api::check_code(function, code)
    }
}

impl FromCode for Accepted {
    fn from_code(function: &'static str, code: u32) -> Result<Self, Error> {
        match Win32(code) {
            Win32::ERROR_SUCCESS => Ok(Self::Done),
            Win32::ERROR_IO_PENDING => Ok(Self::Pending),
            code => Err(Error::Call { function, code }),
        }
    }
}

impl FromCode for Stored {
    fn from_code(function: &'static str, code: u32) -> Result<Self, Error> {
        match Win32(code) {
            Win32::ERROR_SUCCESS => Ok(Self::Now),
            Win32::ERROR_RESOURCE_PROPERTIES_STORED => Ok(Self::AtNextOnline),
            code => Err(Error::Call { function, code }),
        }
    }
}

/// What C is given for an argument, kept alive until the call is over.
pub(crate) trait Held {
    /// The C type.
    type Raw;

    /// The C value, valid as long as `self`.
    fn raw(&self) -> Self::Raw;
}

/// An argument of the safe calls.
pub(crate) trait Argument {
    /// What is kept for C.
    type Held: Held;

    /// Makes it ready for C.
    fn hold(self, field: &'static str, connection: &Arc<Connection>) -> Result<Self::Held, Error>;
}

impl Held for WideString {
    type Raw = PCWSTR;

    fn raw(&self) -> PCWSTR {
        self.as_ptr()
    }
}

impl Held for Option<WideString> {
    type Raw = PCWSTR;

    fn raw(&self) -> PCWSTR {
        wide::pointer_or_null(self.as_ref())
    }
}

impl Argument for &str {
    type Held = WideString;

    fn hold(self, field: &'static str, _: &Arc<Connection>) -> Result<WideString, Error> {
        WideString::new(field, self)
    }
}

impl Argument for Option<&str> {
    type Held = Option<WideString>;

    fn hold(self, field: &'static str, _: &Arc<Connection>) -> Result<Self::Held, Error> {
        WideString::optional(field, self)
    }
}

/// A handle, borrowed from its owner for a call.
pub(crate) struct Borrowed(isize);

impl Held for Borrowed {
    type Raw = isize;

    fn raw(&self) -> isize {
        self.0
    }
}

/// The handle of an object, if it may be used beside those of this connection (facts 2.1).
pub(crate) fn handle_of(
    object: &impl Opened,
    field: &'static str,
    connection: &Arc<Connection>,
) -> Result<isize, Error> {
    if Arc::ptr_eq(object.connection(), connection) {
        Ok(object.raw())
    } else {
        Err(Error::OtherConnection { field })
    }
}

impl<T: Opened> Argument for &T {
    type Held = Borrowed;

    fn hold(self, field: &'static str, connection: &Arc<Connection>) -> Result<Borrowed, Error> {
        Ok(Borrowed(handle_of(self, field, connection)?))
    }
}

/// No object is 0.
impl<T: Opened> Argument for Option<&T> {
    type Held = Borrowed;

    fn hold(self, field: &'static str, connection: &Arc<Connection>) -> Result<Borrowed, Error> {
        let raw = self.map(|object| handle_of(object, field, connection)).transpose()?;
        Ok(Borrowed(raw.unwrap_or(0)))
    }
}

/// Numbers are passed as they are.
macro_rules! numbers {
    ($($type:ty => $raw:ty, $number:expr;)+) => {
        $(
            impl Held for $type {
                type Raw = $raw;

                fn raw(&self) -> $raw {
                    let number: fn(&$type) -> $raw = $number;
                    number(self)
                }
            }

            impl Argument for $type {
                type Held = $type;

                fn hold(self, _: &'static str, _: &Arc<Connection>) -> Result<$type, Error> {
                    Ok(self)
                }
            }
        )+
    };
}

numbers! {
    u32 => u32, |number| *number;
    u64 => u64, |number| *number;
    bool => BOOL, |truth| if *truth { TRUE } else { FALSE };
    Failback => i32, |failback| failback.0;
    AffinityRuleType => i32, |rule| rule.0;
    QuorumKind => u32, |kind| kind.0;
    AccountAccess => u32, |access| access.0;
}

/// A property list for C: NULL and 0 when it is empty.
pub(crate) struct InputList(Vec<u8>);

impl InputList {
    pub(crate) fn new(properties: &PropertyList) -> Result<Self, Error> {
        if properties.properties.is_empty() {
            return Ok(Self(Vec::new()));
        }
        Ok(Self(properties.to_bytes(Tail::None)?))
    }

    /// The bytes and their number, valid as long as `self`.
    pub(crate) fn raw(&self) -> Result<(*const u8, u32), Error> {
        let bytes = u32::try_from(self.0.len()).map_err(|_| Error::TooMany {
            field: "properties",
            count: self.0.len(),
        })?;
        if bytes == 0 {
            return Ok((core::ptr::null(), 0));
        }
        Ok((self.0.as_ptr(), bytes))
    }
}

/// The handles of several objects for C, and their number.
pub(crate) fn handles_of<T: Opened>(
    objects: &[&T],
    field: &'static str,
    connection: &Arc<Connection>,
) -> Result<(Vec<isize>, u32), Error> {
    let count = u32::try_from(objects.len()).map_err(|_| Error::TooMany {
        field,
        count: objects.len(),
    })?;
    let handles = objects
        .iter()
        .map(|object| handle_of(*object, field, connection))
        .collect::<Result<_, _>>()?;
    Ok((handles, count))
}

/// Writes the calls of a list as methods. Each C function gets the handle and then the arguments named. The traits of
/// this file and [`Opened`] must be in scope.
macro_rules! verbs {
    ($(
        $(#[$doc:meta])*
        $type:ident::$verb:ident($($argument:ident: $kind:ty),*) -> $answer:ty = $function:ident($($given:tt),*);
    )+) => {
        $(
            impl $type {
                $(#[$doc])*
                ///
                /// # Errors
                ///
                #[doc = concat!("[`Error::Call`] with what `", stringify!($function), "` answered; [`Error::Text`],")]
                /// [`Error::OtherConnection`].
                pub fn $verb(&self, $($argument: $kind),*) -> Result<$answer, Error> {
                    let function = $crate::api::entry!(self.connection().api, $function)?;
                    $(let $argument = $argument.hold(stringify!($argument), self.connection())?;)*
                    // SAFETY: The handles are open and of one connection, texts end with a NUL, and all of them outlive
                    // the call.
                    let code = unsafe { function(self.raw() $(, $crate::verb::verbs!(@given $given))*) };
                    $crate::verb::FromCode::from_code(stringify!($function), code)
                }
            }
        )+
    };
    (@given $number:literal) => { $number };
    (@given $argument:ident) => { $argument.raw() };
}
pub(crate) use verbs;
