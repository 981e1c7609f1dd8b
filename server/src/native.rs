//! Native status codes in the form of the contract.

use wsfc_clusapi::{Error, Status};
use wsfc_proto::{reasons, v1};

/// Decodes a status as the cluster API reports it: a Win32 code or an HRESULT in the same 32 bits (facts 1.5).
pub fn status(raw: u32) -> v1::NativeStatus {
    let status = Status::from_raw(raw);
    let (facility, code) = match status {
        Status::Win32(code) => (v1::StatusFacility::Win32, code.0),
        Status::Hresult(code) => (v1::StatusFacility::Hresult, code.0),
    };
    v1::NativeStatus {
        raw,
        facility: facility.into(),
        code,
        name: status.name().unwrap_or_default().into(),
        message: status.text().unwrap_or_default().into(),
    }
}

/// The status of an error of the C boundary; absent when the call was never made.
pub fn error_status(error: &Error) -> Option<v1::NativeStatus> {
    error.code().map(status)
}

/// The reason that stands for an error of the C boundary: the symbolic name of its code, or why the call was not made.
pub fn reason(error: &Error) -> String {
    match error.code() {
        Some(code) => {
            let status = status(code);
            if status.name.is_empty() { format!("WIN32_{code}") } else { status.name }
        }
        None if error.is_unsupported() => reasons::FUNCTION_UNAVAILABLE.into(),
        None => reasons::INVALID_FIELD.into(),
    }
}
