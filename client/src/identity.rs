//! The calls that say who may call the daemon. None is repeated by itself but those that come to the same.

use wsfc_proto::v1;
use wsfc_proto::v1::identity_service_client::IdentityServiceClient;

use crate::client::Client;
use crate::error::Error;

/// Makes calls that are repeated after a broken connection, since doing them twice comes to doing them once.
macro_rules! changes {
    ($($call:ident, $method:literal, $request:ident, $response:ident;)*) => {
        /// Who may call the daemon.
        impl Client {
            $(
                #[doc = concat!("Calls ", $method, "; see the contract for what it does.")]
                ///
                /// # Errors
                ///
                /// [`Error::Rejected`] with the reasons of the call.
                pub async fn $call(&self, request: v1::$request) -> Result<v1::$response, Error> {
                    let call = |channel, request| async move { IdentityServiceClient::new(channel).$call(request).await };
                    let (answer, _) = self.bounded($method, request, call).await?;
                    Ok(answer.into_inner())
                }
            )*
        }
    };
}

changes! {
    bind_role, "BindRole", BindRoleRequest, BindRoleResponse;
    unbind_role, "UnbindRole", UnbindRoleRequest, UnbindRoleResponse;
    revoke_token, "RevokeToken", RevokeTokenRequest, RevokeTokenResponse;
    revoke_identity, "RevokeIdentity", RevokeIdentityRequest, RevokeIdentityResponse;
    // An answer that was lost leaves a token that nobody knows, and that expires.
    create_token, "CreateToken", CreateTokenRequest, CreateTokenResponse;
}
