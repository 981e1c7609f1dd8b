//! What control codes are answered with (facts 3.2).

use wsfc_clusapi::Win32;
use wsfc_clusapi::proplist::{Property, PropertyList, Tail, Value, value_list_to_bytes};
use wsfc_clusapi::sys::constants::control as ctl;
use wsfc_clusapi::sys::resapi::CLUS_RESCLASS_USER;

use crate::settings;

/// CLUSCTL_RESOURCE_SET_NAME: the resource has got another name, which is the input. Only resource DLLs see it (facts 3.2).
pub(crate) const RESOURCE_SET_NAME: u32 = 0x0150_0026;

/// Answers a control code of a resource: with bytes, or with the code that says why not. 1 leaves it to the cluster service,
/// which then does what it does for every type, such as storing private properties.
pub(crate) fn of_resource(code: u32, input: Option<&[u8]>) -> Result<Vec<u8>, u32> {
    match code {
        ctl::RESOURCE_GET_CHARACTERISTICS => Ok(characteristics()),
        ctl::RESOURCE_GET_CLASS_INFO => Ok(class_info()),
        ctl::RESOURCE_GET_REQUIRED_DEPENDENCIES => required_dependencies(),
        ctl::RESOURCE_GET_PRIVATE_PROPERTY_FMTS => formats(),
        ctl::RESOURCE_VALIDATE_PRIVATE_PROPERTIES => validate(input).map(|()| Vec::new()),
        // What is right is stored by the cluster service.
        ctl::RESOURCE_SET_PRIVATE_PROPERTIES => validate(input).and(Err(Win32::ERROR_INVALID_FUNCTION.0)),
        // Reading too is the cluster service's: what it has stored is what there is.
        _ => Err(Win32::ERROR_INVALID_FUNCTION.0),
    }
}

/// The name in the input of [`RESOURCE_SET_NAME`], which ends with a NUL.
pub(crate) fn new_name(input: Option<&[u8]>) -> Result<String, u32> {
    let units = input.unwrap_or_default().as_chunks::<2>().0;
    let units = units
        .iter()
        .map(|unit| u16::from_le_bytes(*unit))
        .take_while(|unit| *unit != 0);
    let name = char::decode_utf16(units).collect::<Result<String, _>>();
    name.ok()
        .filter(|name| !name.is_empty())
        .ok_or(Win32::ERROR_INVALID_DATA.0)
}

/// Answers a control code of the type, as [`of_resource`] does.
pub(crate) fn of_type(code: u32) -> Result<Vec<u8>, u32> {
    match code {
        ctl::RESOURCE_TYPE_GET_CHARACTERISTICS => Ok(characteristics()),
        ctl::RESOURCE_TYPE_GET_CLASS_INFO => Ok(class_info()),
        ctl::RESOURCE_TYPE_GET_REQUIRED_DEPENDENCIES => required_dependencies(),
        ctl::RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS => formats(),
        _ => Err(Win32::ERROR_INVALID_FUNCTION.0),
    }
}

/// None: it is no quorum resource, may be there several times, and is deleted like any other (facts 5.2).
fn characteristics() -> Vec<u8> {
    0_u32.to_le_bytes().to_vec()
}

/// A class of the user's own, without a subclass (facts 3.1).
fn class_info() -> Vec<u8> {
    let [class, subclass] = [CLUS_RESCLASS_USER.cast_unsigned(), 0].map(u32::to_le_bytes);
    [class, subclass].concat()
}

fn required_dependencies() -> Result<Vec<u8>, u32> {
    value_list_to_bytes(&[]).map_err(|_| Win32::ERROR_INVALID_DATA.0)
}

/// Guess: no public page says how the list lies; this is the form that `wsfc_clusapi` reads first.
fn formats() -> Result<Vec<u8>, u32> {
    let properties = settings::PROPERTIES.iter().map(|(name, format)| Property {
        name: (*name).to_owned(),
        values: vec![Value::Dword(Value::reset(*format).syntax())],
    });
    let list = PropertyList {
        properties: properties.collect(),
    };
    list.to_bytes(Tail::ExtraZero).map_err(|_| Win32::ERROR_INVALID_DATA.0)
}

fn validate(input: Option<&[u8]>) -> Result<(), u32> {
    let list = input.ok_or(Win32::ERROR_INVALID_PARAMETER.0)?;
    settings::validate(list).map_err(|error| error.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_has_its_format() {
        let list =
            PropertyList::parse(&of_type(ctl::RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS).unwrap()).unwrap();
        let formats: Vec<_> = list
            .properties
            .iter()
            .map(|property| (property.name.as_str(), list.dword(&property.name)))
            .collect();
        assert_eq!(
            formats,
            [
                ("Workload", Some(0x0001_0003)),
                ("Parameters", Some(0x0001_0005)),
                ("Endpoint", Some(0x0001_0003)),
                ("DaemonGrace", Some(0x0001_0002)),
            ]
        );
        assert_eq!(
            of_resource(ctl::RESOURCE_GET_PRIVATE_PROPERTY_FMTS, None),
            formats_of_type()
        );
    }

    fn formats_of_type() -> Result<Vec<u8>, u32> {
        of_type(ctl::RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS)
    }

    #[test]
    fn what_is_right_is_left_to_the_cluster_service() {
        let set = |input| of_resource(ctl::RESOURCE_SET_PRIVATE_PROPERTIES, input);
        assert_eq!(set(Some(&[0; 4])), Err(1));
        assert_eq!(set(Some(&[9, 9])), Err(13));
        assert_eq!(set(None), Err(87));
        assert_eq!(
            of_resource(ctl::RESOURCE_VALIDATE_PRIVATE_PROPERTIES, Some(&[0; 4])),
            Ok(vec![])
        );
        assert_eq!(of_resource(ctl::RESOURCE_GET_PRIVATE_PROPERTIES, None), Err(1));
        assert_eq!(of_resource(0x0120_0001, None), Err(1));
    }

    #[test]
    fn a_type_says_what_it_is() {
        assert_eq!(of_type(ctl::RESOURCE_TYPE_GET_CHARACTERISTICS), Ok(vec![0; 4]));
        assert_eq!(
            of_type(ctl::RESOURCE_TYPE_GET_CLASS_INFO),
            Ok(vec![0, 0x80, 0, 0, 0, 0, 0, 0])
        );
        assert_eq!(of_type(ctl::RESOURCE_TYPE_GET_REQUIRED_DEPENDENCIES), Ok(vec![0; 4]));
        assert_eq!(of_type(ctl::RESOURCE_TYPE_GET_PRIVATE_PROPERTIES), Err(1));
    }
}
