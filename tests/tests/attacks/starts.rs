//! Starts of operations beyond the rate.

use prost::Message as _;
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt;
use wsfc_client::v1;
use wsfc_tests::records::{soon, to_the_end};
use wsfc_tests::request as wanted;
use wsfcd::access::policy::{ADMINISTRATOR, Binding};

use crate::asking::{ask, framed, request};
use crate::target::Target;
use crate::tenth;

const CREATE: &str = "/wsfc.v1.ClusterService/CreateCluster";
/// Who starts: an administrator of clusters, and not the harness.
const STARTER: &str = "starter.test";
/// How many changes an identity may make at once, and how many a second.
const BURST: u32 = 20;
const RATE: u32 = 5;
/// How many calls are under way at once.
const AT_ONCE: usize = 64;

/// 100,000 starts of one identity, 64 at once, each of an operation of its own. Those within the rate are accepted, the
/// others are told when to come again and leave nothing behind, and somebody else starts an operation meanwhile.
#[tokio::test]
async fn starts_beyond_the_rate() {
    let target = Target::measured(|settings| {
        settings.limits.changes_per_second = RATE;
        settings.limits.change_burst = BURST;
        settings.limits.calls_per_second = 0;
        settings.access.bindings.push(Binding {
            subject: format!("dns:{STARTER}"),
            role: ADMINISTRATOR.into(),
            clusters: None,
        });
    })
    .await;
    let channel = target.daemon.channel_of(STARTER).await;
    let other = target.daemon.client();
    let begun = Instant::now();
    let (mut accepted, mut refused) = (0_u64, 0_u64);
    let flood = async {
        let mut count = |answer: Result<crate::asking::Answer, String>| {
            let answer = answer.unwrap();
            match answer.code() {
                Code::Ok => accepted += 1,
                Code::ResourceExhausted => {
                    assert_eq!(answer.reason(), "RATE_LIMITED");
                    let told = answer.status.as_ref().and_then(StatusExt::get_details_retry_info);
                    assert!(told.is_some_and(|told| told.retry_delay.is_some()), "{answer:?}");
                    refused += 1;
                }
                _ => panic!("{answer:?}"),
            }
        };
        let mut starting = tokio::task::JoinSet::new();
        for number in 0..tenth(100_000) {
            let create = wanted::create_cluster(&format!("F{number}"), &["n1"]);
            let (channel, body) = (channel.clone(), framed(&create.encode_to_vec()));
            starting.spawn(async move { ask(&channel, request(CREATE, body)).await });
            if starting.len() == AT_ONCE {
                count(starting.join_next().await.unwrap().unwrap());
            }
        }
        while let Some(answer) = starting.join_next().await {
            count(answer.unwrap());
        }
    };
    let meanwhile = async {
        let started = other.create_cluster(wanted::create_cluster("OTHER", &["n1"]));
        soon("a start of somebody else", started).await.unwrap()
    };
    let (started, ()) = target.serving_during(async { tokio::join!(meanwhile, flood) }).await;
    let most = u64::from(BURST) + u64::from(RATE) * (begun.elapsed().as_secs() + 1);
    assert!(
        (u64::from(BURST)..=most).contains(&accepted),
        "{accepted} were accepted"
    );
    assert!(refused > 0);
    eprintln!("starts beyond the rate: {accepted} accepted, {refused} refused");

    // There is an operation for each start that was accepted, and each comes to its end.
    let list = v1::ListOperationsRequest {
        page_size: 1_000,
        ..Default::default()
    };
    let listed: Vec<v1::Operation> = {
        use futures_util::TryStreamExt as _;
        other.all_operations(list).try_collect().await.unwrap()
    };
    assert_eq!(listed.len() as u64, accepted + 1);
    for operation in &listed {
        to_the_end(&other.operation(&operation.operation_id)).await;
    }
    to_the_end(&started).await;
    drop((channel, other));
    target.finish().await;
}
