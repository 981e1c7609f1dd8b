//! Rights that become others meanwhile: between a token and its use, a call and its request, a certificate and its renewal.

use std::time::Duration;

use http::uri::PathAndQuery;
use tonic::Request;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;
use wsfc_client::v1::identity_service_client::IdentityServiceClient;
use wsfc_client::v1::revoke_identity_request::Target;
use wsfc_client::{Code, Reason, WatchItem, v1};
use wsfc_tests::records::soon;
use wsfc_tests::{TestDaemon, world};
use wsfcd::access::policy::Binding;

use super::{create_token, end_of, reason, set_up, token};

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

#[tokio::test]
async fn roles_are_given_and_taken_while_the_daemon_runs() {
    let Some(room) = set_up(Duration::ZERO).await else {
        return;
    };
    let root = room.administrator().await;
    let anna = token(&root, "anna", "viewer", &[]).await;
    let anna = room.log_in(&anna).await.unwrap();
    let client = room.client(&anna);
    let binding = |role: &str| {
        Some(v1::RoleBinding {
            subject: anna.principal.clone(),
            role: role.into(),
            clusters: Vec::new(),
        })
    };
    let bind = |role: &str| v1::BindRoleRequest { binding: binding(role) };
    let unbind = |role: &str| v1::UnbindRoleRequest { binding: binding(role) };
    assert_eq!(
        reason(client.list_roles(v1::ListRolesRequest {}).await),
        Reason::PermissionMissing
    );
    assert!(!root.bind_role(bind("administrator")).await.unwrap().unchanged);
    assert!(root.bind_role(bind("administrator")).await.unwrap().unchanged);
    let roles = client.list_roles(v1::ListRolesRequest {}).await.unwrap().roles;
    assert_eq!(
        roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(),
        ["administrator", "operator", "viewer"]
    );
    root.unbind_role(unbind("administrator")).await.unwrap();
    assert_eq!(
        reason(client.list_roles(v1::ListRolesRequest {}).await),
        Reason::PermissionMissing
    );
    assert_eq!(
        reason(root.unbind_role(unbind("administrator")).await),
        Reason::BindingNotFound
    );
    assert_eq!(reason(root.bind_role(bind("root")).await), Reason::InvalidField);
    // A stream goes on as long as any role covers it, and ends when the last that is left is on fewer clusters, or none is.
    let mut watch = client.watch(v1::WatchRequest::default());
    assert!(matches!(watch.next().await, Some(Ok(WatchItem::Mark { .. }))));
    root.bind_role(bind("operator")).await.unwrap();
    root.unbind_role(unbind("viewer")).await.unwrap();
    assert!(matches!(watch.next().await, Some(Ok(WatchItem::Mark { .. }))));
    let on_one = binding("viewer").map(|all| v1::RoleBinding {
        clusters: vec!["CL1".into()],
        ..all
    });
    let bind_on_one = v1::BindRoleRequest {
        binding: on_one.clone(),
    };
    root.bind_role(bind_on_one).await.unwrap();
    root.unbind_role(unbind("operator")).await.unwrap();
    assert_eq!(end_of(&mut watch).await.reason(), Some(&Reason::PermissionMissing));
    let mut watch = client.watch(v1::WatchRequest::default());
    assert!(matches!(watch.next().await, Some(Ok(WatchItem::Mark { .. }))));
    root.unbind_role(v1::UnbindRoleRequest { binding: on_one })
        .await
        .unwrap();
    assert_eq!(end_of(&mut watch).await.reason(), Some(&Reason::PermissionMissing));
    // Whoever has no role left is still somebody, who may do nothing.
    assert_eq!(reason(client.get_host_state("").await), Reason::PermissionMissing);
    assert!(
        client
            .who_am_i(v1::WhoAmIRequest {})
            .await
            .unwrap()
            .permissions
            .is_empty()
    );
    room.daemon.finish().await;
}
