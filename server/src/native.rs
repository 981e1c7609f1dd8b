//! Native status codes in the form of the contract.

use wsfc_clusapi::{Error, Status};
use wsfc_proto::{reasons, v1};

/// Decodes a status as the cluster API reports it: a Win32 code or an HRESULT in the same 32 bits (facts 1.5).
pub fn status(raw: u32) -> v1::NativeStatus {
    let status = Status::new(raw);
    let (facility, code) = match status.win32() {
        Some(code) => (v1::StatusFacility::Win32, code.0),
        None => (v1::StatusFacility::Hresult, raw),
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
    error.code().map(|code| status(code.0))
}

/// The reason that stands for an error of the C boundary: the symbolic name of its code, or why the call was not made.
pub fn reason(error: &Error) -> String {
    match error.code() {
        Some(code) => code.name().map_or_else(|| format!("WIN32_{}", code.0), String::from),
        None if matches!(error, Error::Unsupported { .. }) => reasons::FUNCTION_UNAVAILABLE.into(),
        None => reasons::INTERNAL.into(),
    }
}
