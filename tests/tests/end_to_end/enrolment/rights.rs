//! Rights that become others meanwhile: between a token and its use, a call and its request, a certificate and its renewal.

use std::time::Duration;

use http::uri::PathAndQuery;
use tonic::Request;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;
use wsfc_client::v1::identity_service_client::IdentityServiceClient;
use wsfc_client::v1::revoke_identity_request::Target;
use wsfc_client::{Code, Reason, v1};
use wsfc_tests::records::soon;
use wsfc_tests::{TestDaemon, world};
use wsfcd::access::policy::Binding;

use super::{create_token, reason, set_up, token};

#[tokio::test]
async fn a_token_for_a_name_that_the_settings_bind_says_what_they_give() {
    let Some(mut room) = set_up(Duration::ZERO).await else {
        return;
    };
    let root = room.log_in(&room.token).await.unwrap();
    let anna = token(&room.client(&root), "anna", "viewer", &[]).await;
    room.daemon.stop().await;
    room.daemon.change_settings(|settings| {
        settings.access.bindings.push(Binding {
            subject: format!("{}anna", root.principal.strip_suffix("root").unwrap()),
            role: "operator".into(),
            clusters: None,
        });
    });
    room.daemon.restart().await;
    // Made before, it says too little by now.
    assert_eq!(reason(room.log_in(&anna).await), Reason::IdentityInUse);
    let mut moved = root.clone();
    moved.endpoint = format!("https://{}", room.daemon.address());
    let root = room.client(&moved);
    let refused = root.create_token(create_token("anna", "viewer", &[])).await;
    assert_eq!(reason(refused), Reason::IdentityInUse);
    room.daemon.finish().await;
}

#[tokio::test]
async fn a_request_that_comes_after_its_caller_was_removed_changes_nothing() {
    let daemon = TestDaemon::builder(world::machines(1)).start().await;
    if daemon.is_secured() {
        let root = daemon.client();
        let binding = || {
            Some(v1::RoleBinding {
                subject: "dns:anna.test".into(),
                role: "administrator".into(),
                clusters: Vec::new(),
            })
        };
        root.bind_role(v1::BindRoleRequest { binding: binding() })
            .await
            .unwrap();
        let channel = daemon.channel_of("anna.test").await;
        // The head of her call is let in.
        let (say, says) = tokio::sync::oneshot::channel();
        let mut held = Grpc::new(channel.clone());
        held.ready().await.unwrap();
        let path = PathAndQuery::from_static("/wsfc.v1.IdentityService/BindRole");
        let codec = ProstCodec::<v1::BindRoleRequest, v1::BindRoleResponse>::default();
        let said = futures_util::stream::once(async move { says.await.unwrap() });
        let called = tokio::spawn(async move { held.client_streaming(Request::new(said), path, codec).await });
        // What comes after it on the same connection is answered.
        let mut anna = IdentityServiceClient::new(channel);
        anna.list_roles(v1::ListRolesRequest {}).await.unwrap();
        root.unbind_role(v1::UnbindRoleRequest { binding: binding() })
            .await
            .unwrap();
        say.send(v1::BindRoleRequest { binding: binding() }).unwrap();
        let refused = soon("the refusal", called).await.unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
        let refused = anna.list_roles(v1::ListRolesRequest {}).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
        assert_eq!(
            reason(root.unbind_role(v1::UnbindRoleRequest { binding: binding() }).await),
            Reason::BindingNotFound
        );
    }
    daemon.finish().await;
}

#[tokio::test]
async fn a_revoked_certificate_takes_with_it_what_a_thief_had_renewed() {
    let Some(room) = set_up(Duration::ZERO).await else {
        return;
    };
    let root = room.administrator().await;
    let anna = token(&root, "anna", "viewer", &[]).await;
    let anna = room.log_in(&anna).await.unwrap();
    let thief = room.client(&anna).renew_certificate().await.unwrap();
    let who = room.client(&anna).who_am_i(v1::WhoAmIRequest {}).await.unwrap();
    let fingerprint = who.subjects.iter().find_map(|subject| subject.strip_prefix("cert:"));
    let revoke = v1::RevokeIdentityRequest {
        target: Some(Target::Fingerprint(fingerprint.unwrap().to_owned())),
    };
    let revoked = root.revoke_identity(revoke).await.unwrap();
    assert_eq!((revoked.certificates, revoked.roles, revoked.tokens), (2, 0, 0));
    for gone in [&anna, &thief] {
        let refused = room.client(gone).get_host_state("").await;
        assert_eq!(reason(refused), Reason::CertificateRevoked);
    }
    room.daemon.finish().await;
}
