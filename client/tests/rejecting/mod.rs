//! What a daemon says when it refuses.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// A status as the daemon sends it.
pub fn rejection(code: Code, reason: &str) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "wsfc.v1", []);
    Status::with_error_details(code, "no", details)
}
