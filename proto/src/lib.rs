//! The wire contract of wsfcd.
//!
//! The protobuf files under `wsfc/v1` are the manual of the API; this crate is what is generated from them, the
//! descriptor set that reflection and the JSON mapping need, the table of [`methods`] with what each asks of its caller, the
//! documented [`reasons`] of errors, and the text form of join tokens.

#![forbid(unsafe_code)]

pub mod join_token;
pub mod methods;
pub mod reasons;

use zeroize::Zeroize as _;

/// The messages and the clients of package `wsfc.v1`.
#[expect(
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated; the protobuf files carry the documentation"
)]
pub mod v1 {
    tonic::include_proto!("wsfc.v1");
}

/// The encoded `FileDescriptorSet` of package `wsfc.v1` with all its imports.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

/// The domain of every `google.rpc.ErrorInfo` that the daemon sends.
pub const ERROR_DOMAIN: &str = "wsfc.v1";

impl std::fmt::Debug for v1::Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user_name", &self.user_name)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

impl Drop for v1::Credentials {
    fn drop(&mut self) {
        self.password.zeroize();
    }
}

impl Drop for v1::WitnessSecret {
    fn drop(&mut self) {
        self.access_key.zeroize();
    }
}

impl std::fmt::Debug for v1::WitnessSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WitnessSecret").finish_non_exhaustive()
    }
}

impl Drop for v1::EnrolRequest {
    fn drop(&mut self) {
        self.token_secret.zeroize();
    }
}

impl std::fmt::Debug for v1::EnrolRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrolRequest")
            .field("token_id", &self.token_id)
            .finish_non_exhaustive()
    }
}

impl Drop for v1::CreateTokenResponse {
    fn drop(&mut self) {
        self.token.zeroize();
    }
}

impl std::fmt::Debug for v1::CreateTokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateTokenResponse")
            .field("details", &self.details)
            .finish_non_exhaustive()
    }
}
