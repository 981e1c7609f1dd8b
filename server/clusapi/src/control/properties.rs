//! What every kind of object answers: its properties, its name and its marks (facts 3.2).

use zeroize::Zeroizing;

use super::formats::{self, PropertyFormat};
use super::{Controls, dword, properties};
use crate::error::Error;
use crate::handle::{AffinityRule, Cluster, Group, GroupSet, Network, NetworkInterface, Node, Resource, ResourceType};
use crate::proplist::{PropertyList, Tail};
use crate::verb::{FromCode as _, Stored};
use crate::wide;

// The codes below the object's number, which all kinds of object share (facts 3.2).
const GET_CHARACTERISTICS: u32 = 0x05;
const GET_FLAGS: u32 = 0x09;
const GET_NAME: u32 = 0x29;
const GET_ID: u32 = 0x39;
const ENUM_COMMON: u32 = 0x51;
const GET_READ_ONLY_COMMON: u32 = 0x55;
const GET_COMMON: u32 = 0x59;
const SET_COMMON: u32 = 0x40_005E;
const VALIDATE_COMMON: u32 = 0x61;
const GET_COMMON_FORMATS: u32 = 0x65;
const ENUM_PRIVATE: u32 = 0x79;
const GET_READ_ONLY_PRIVATE: u32 = 0x7D;
const GET_PRIVATE: u32 = 0x81;
const SET_PRIVATE: u32 = 0x40_0086;
const VALIDATE_PRIVATE: u32 = 0x89;
const GET_PRIVATE_FORMATS: u32 = 0x8D;

mod sealed {
    /// Kinds of object that this crate knows.
    pub trait Sealed {}
}

/// An object that takes control codes. Group sets and affinity rules know few of them (facts 3.2); what an object or a
/// server does not know answers 1.
///
/// Every call can fail with [`Error::Call`]: 303 while the object is deleted; 5038, 5908 or 5968 from a resource that
/// is failed, or moving (facts 3.2). Answers that cannot be read are [`Error::Properties`] or [`Error::Answer`].
pub trait Controlled: sealed::Sealed + Send + Sync {
    /// Name of the C function that the calls go to.
    fn control_function(&self) -> &'static str;

    /// The number of the kind of object in the upper byte of its codes (facts 3.2).
    fn object_number(&self) -> u32;

    /// Sends a control code and reads the answer.
    ///
    /// # Errors
    ///
    /// [`Error::Call`] with what the code answered, 5024 ("stored") included.
    fn control(&self, code: u32, input: &[u8]) -> Result<Vec<u8>, Error>;

    /// The code of this kind of object that asks what all kinds are asked by its lower bits.
    fn code(&self, shared: u32) -> u32 {
        self.object_number() << 24 | shared
    }

    /// The common properties that can be changed (facts 3.3).
    ///
    /// # Errors
    ///
    /// See the trait.
    fn common_properties(&self) -> Result<PropertyList, Error> {
        self.list(GET_COMMON)
    }

    /// The common properties that cannot be changed (facts 3.3).
    ///
    /// # Errors
    ///
    /// See the trait.
    fn read_only_properties(&self) -> Result<PropertyList, Error> {
        self.list(GET_READ_ONLY_COMMON)
    }

    /// The private properties that can be changed.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn private_properties(&self) -> Result<PropertyList, Error> {
        self.list(GET_PRIVATE)
    }

    /// The private properties that cannot be changed.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn read_only_private_properties(&self) -> Result<PropertyList, Error> {
        self.list(GET_READ_ONLY_PRIVATE)
    }

    /// Changes common properties; those that are not in the list stay. A [reset](crate::proplist::Value::reset) value
    /// brings a property back to its default. On networks and network interfaces all or none is changed; elsewhere a
    /// part may be (facts 3.2).
    ///
    /// # Errors
    ///
    /// [`Error::Call`]: 13 for a malformed list, 87 for a wrong value or a read-only property, 5895 for a wrong type,
    /// 5089 for a conflict. [`Error::Unwritable`].
    fn set_common(&self, properties: &PropertyList) -> Result<Stored, Error> {
        self.store(SET_COMMON, properties)
    }

    /// Changes private properties; as for the common ones.
    ///
    /// # Errors
    ///
    /// As [`Controlled::set_common`].
    fn set_private(&self, properties: &PropertyList) -> Result<Stored, Error> {
        self.store(SET_PRIVATE, properties)
    }

    /// Checks a change of common properties without making it.
    ///
    /// # Errors
    ///
    /// As [`Controlled::set_common`].
    fn validate_common(&self, properties: &PropertyList) -> Result<(), Error> {
        self.store(VALIDATE_COMMON, properties).map(drop)
    }

    /// Checks a change of private properties without making it.
    ///
    /// # Errors
    ///
    /// As [`Controlled::set_common`].
    fn validate_private(&self, properties: &PropertyList) -> Result<(), Error> {
        self.store(VALIDATE_PRIVATE, properties).map(drop)
    }

    /// The names of the common properties.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn common_names(&self) -> Result<Vec<String>, Error> {
        self.texts(ENUM_COMMON)
    }

    /// The names of the private properties.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn private_names(&self) -> Result<Vec<String>, Error> {
        self.texts(ENUM_PRIVATE)
    }

    /// The names and formats of the common properties.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn common_formats(&self) -> Result<Vec<PropertyFormat>, Error> {
        self.formats(GET_COMMON_FORMATS)
    }

    /// The names and formats of the private properties.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn private_formats(&self) -> Result<Vec<PropertyFormat>, Error> {
        self.formats(GET_PRIVATE_FORMATS)
    }

    /// The flags, as [`object_flags`](crate::sys::constants::object_flags).
    ///
    /// # Errors
    ///
    /// See the trait.
    fn flags(&self) -> Result<u32, Error> {
        dword(self.control_function(), &self.control(self.code(GET_FLAGS), &[])?)
    }

    /// The characteristics, as `CLUS_CHARACTERISTICS` of the SDK.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn characteristics(&self) -> Result<u32, Error> {
        dword(
            self.control_function(),
            &self.control(self.code(GET_CHARACTERISTICS), &[])?,
        )
    }

    /// The name, as the cluster has it now.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn told_name(&self) -> Result<String, Error> {
        self.text(GET_NAME)
    }

    /// The id, as the cluster tells it: a GUID, or a node's number.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn told_id(&self) -> Result<String, Error> {
        self.text(GET_ID)
    }

    /// The property list that a shared code answers.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn list(&self, shared: u32) -> Result<PropertyList, Error> {
        properties(self.control_function(), &self.control(self.code(shared), &[])?)
    }

    /// The text that a shared code answers.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn text(&self, shared: u32) -> Result<String, Error> {
        Ok(wide::text_of_bytes(&self.control(self.code(shared), &[])?))
    }

    /// The texts that a shared code answers.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn texts(&self, shared: u32) -> Result<Vec<String>, Error> {
        Ok(wide::texts_of_bytes(&self.control(self.code(shared), &[])?))
    }

    /// The formats that a shared code answers.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn formats(&self, shared: u32) -> Result<Vec<PropertyFormat>, Error> {
        let answer = self.control(self.code(shared), &[])?;
        formats::parse(&answer).map_err(|source| Error::Properties {
            function: self.control_function(),
            source,
        })
    }

    /// Sends properties with a shared code.
    ///
    /// # Errors
    ///
    /// As [`Controlled::set_common`].
    fn store(&self, shared: u32, properties: &PropertyList) -> Result<Stored, Error> {
        // Some properties are secrets.
        let input = Zeroizing::new(properties.to_bytes(Tail::None)?);
        match self.control(self.code(shared), &input) {
            Ok(_) => Ok(Stored::Now),
            Err(Error::Call { function, code }) => Stored::from_code(function, code.0),
            Err(error) => Err(error),
        }
    }
}

macro_rules! controlled {
    ($($type:ident),+) => {
        $(
            impl sealed::Sealed for $type {}

            impl Controlled for $type {
                fn control_function(&self) -> &'static str {
                    Self::FUNCTION
                }

                fn object_number(&self) -> u32 {
                    Self::OBJECT
                }

                fn control(&self, code: u32, input: &[u8]) -> Result<Vec<u8>, Error> {
                    self.send(code, input)
                }
            }
        )+
    };
}

controlled!(
    Cluster,
    Node,
    Group,
    Resource,
    ResourceType,
    Network,
    NetworkInterface,
    GroupSet,
    AffinityRule
);
