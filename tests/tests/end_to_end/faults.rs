//! What goes wrong inside the cluster API, as a remote client sees it.

use wsfc_client::v1::{self, OperationState, SetupPhase, SetupPhaseType, SetupSeverity, StatusFacility};
use wsfc_simulator::scenario::CallbackThread;
use wsfc_simulator::{Fault, Phase, Severity};
use wsfc_tests::records::{
    Record as _, assert_failed, assert_succeeded, collect, outcome_of, phases, soon, to_the_end,
};
use wsfc_tests::{TestDaemon, request, world};

fn at(phase: &str) -> Fault {
    Fault {
        phase: Some(Phase::Name(phase.into())),
        ..Fault::default()
    }
}

fn ends(phase: &str, severity: Severity, status: u32) -> Fault {
    Fault {
        severity: Some(severity),
        status: Some(status),
        ..at(phase)
    }
}

async fn create_with(fault: Fault) -> Vec<v1::OperationRecord> {
    let mut scenario = world::machines(2);
    scenario.faults.push(fault);
    let daemon = TestDaemon::start(scenario).await;
    let operation = daemon
        .client()
        .create_cluster(request::create_cluster("CL1", &["n1", "n2"]))
        .await
        .unwrap();
    let records = to_the_end(&operation).await;
    daemon.finish().await;
    records
}

#[tokio::test]
async fn a_warning_is_kept_in_the_outcome_of_a_success() {
    let records = create_with(ends("ValidateClusDisk", Severity::Warning, 1117)).await;
    assert_succeeded(&records);
    let outcome = outcome_of(&records);
    assert_eq!(outcome.worst_severity(), SetupSeverity::Warning);
    assert_eq!(outcome.warning_count, 2, "one for each node");
    let warning = &outcome.warnings[0];
    assert_eq!(warning.phase(), SetupPhase::ValidateClusDisk);
    assert_eq!(warning.object_name.as_deref(), Some("n1"));
    assert_eq!(warning.status.as_ref().map(|status| status.raw), Some(1117));
    let record = &records[usize::try_from(warning.sequence).unwrap() - 1];
    assert_eq!(
        record.setup().map(|setup| setup.severity()),
        Some(SetupSeverity::Warning)
    );
}

#[tokio::test]
async fn a_phase_that_cannot_finish_fails_the_call_and_is_cleaned_up() {
    let records = create_with(ends("FormingCluster", Severity::Fatal, 1066)).await;
    assert_failed(&records, 1066);
    let outcome = outcome_of(&records);
    assert_eq!(outcome.worst_severity(), SetupSeverity::Fatal);
    assert!(
        outcome
            .warnings
            .iter()
            .any(|warning| warning.phase() == SetupPhase::FormingCluster)
    );
    assert!(
        phases(&records)
            .iter()
            .any(|(phase, _)| *phase == SetupPhase::FailureCleanup as i32)
    );
    assert!(!outcome.inspection.as_ref().unwrap().cluster_found);
    assert_eq!(outcome.suggested_actions, [i32::from(v1::SuggestedAction::Retry)]);
}

#[tokio::test]
async fn a_missing_address_makes_a_success_partial() {
    let mut scenario = world::machines(1);
    scenario.used_addresses.push("10.1.0.100".parse().unwrap());
    let daemon = TestDaemon::start(scenario).await;
    let client = daemon.client();
    let wanted = request::create_cluster_at("CL1", &["n1"], &[("10.0.0.100", 24), ("10.1.0.100", 24)]);
    let records = to_the_end(&client.create_cluster(wanted).await.unwrap()).await;
    let outcome = outcome_of(&records);
    assert_eq!(outcome.state(), OperationState::Succeeded);
    assert!(outcome.partial);
    let warning = &outcome.warnings[0];
    assert_eq!(warning.phase(), SetupPhase::CreateIpAddressResources);
    assert_eq!(warning.object_name.as_deref(), Some("10.1.0.100"));
    let status = warning.status.as_ref().unwrap();
    assert_eq!(
        (status.code, status.name.as_str()),
        (5057, "ERROR_CLUSTER_IPADDR_IN_USE")
    );
    assert_eq!(client.get_cluster("CL1").await.unwrap().nodes.len(), 1);
    daemon.finish().await;
}

#[tokio::test]
async fn an_address_without_a_network_makes_a_success_partial() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let wanted = request::create_cluster_at("CL1", &["n1"], &[("10.0.0.100", 24), ("192.168.7.7", 24)]);
    let records = to_the_end(&daemon.client().create_cluster(wanted).await.unwrap()).await;
    let outcome = outcome_of(&records);
    assert!(outcome.partial);
    assert_eq!(
        outcome.warnings[0].status.as_ref().map(|status| status.code),
        Some(5894)
    );
    daemon.finish().await;
}

#[tokio::test]
async fn native_statuses_are_decoded_and_keep_their_number() {
    // An HRESULT that wraps a Win32 code, one that does not, and a Win32 code (facts 1.5).
    for (raw, facility, code) in [
        (0x8007_13BB, StatusFacility::Win32, 5051),
        (0x8004_0154, StatusFacility::Hresult, 0x8004_0154),
        (5, StatusFacility::Win32, 5),
    ] {
        let records = create_with(ends("ValidateNetft", Severity::Warning, raw)).await;
        let status = outcome_of(&records).warnings[0].status.clone().unwrap();
        assert_eq!((status.raw, status.facility(), status.code), (raw, facility, code));
        assert!(!status.name.is_empty(), "{status:?}");
    }
}

#[tokio::test]
async fn nodes_that_cannot_be_used_fail_the_call_with_their_reason() {
    let mut scenario = world::machines(5);
    scenario.machines[1].reachable = false;
    scenario.machines[2].feature_installed = false;
    scenario.machines[3].already_clustered = true;
    let daemon = TestDaemon::start(scenario).await;
    let client = daemon.client();
    // 53 and 5898 are what the simulator answers; facts 1.4 names them as guesses.
    for (node, code) in [("n2", 5051), ("n3", 5932), ("n4", 5898), ("n9", 53)] {
        let operation = client
            .create_cluster(request::create_cluster("CL1", &["n1", node]))
            .await
            .unwrap();
        let records = to_the_end(&operation).await;
        assert_failed(&records, code);
        let fatal = outcome_of(&records).warnings.last().cloned().unwrap();
        assert_eq!(
            (fatal.phase(), fatal.object_name.as_deref()),
            (SetupPhase::ValidateNodeState, Some(node))
        );
        assert_eq!(
            client.get_host_state("n1").await.unwrap().state(),
            v1::HostState::NotConfigured
        );
    }
    assert_succeeded(
        &to_the_end(
            &client
                .create_cluster(request::create_cluster("CL1", &["n1", "n5"]))
                .await
                .unwrap(),
        )
        .await,
    );
    daemon.finish().await;
}

#[tokio::test]
async fn the_directory_can_refuse_the_name() {
    let mut scenario = world::machines(1);
    scenario.domain.taken_names.push("TAKEN".into());
    let daemon = TestDaemon::start(scenario).await;
    let operation = daemon
        .client()
        .create_cluster(request::create_cluster("TAKEN", &["n1"]))
        .await
        .unwrap();
    assert_failed(&to_the_end(&operation).await, 5936);
    daemon.finish().await;

    let mut scenario = world::machines(1);
    scenario.domain.account_creation = false;
    let daemon = TestDaemon::start(scenario).await;
    let operation = daemon
        .client()
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    assert_failed(&to_the_end(&operation).await, 5);
    daemon.finish().await;
}

#[tokio::test]
async fn a_name_that_is_in_use_is_not_given_twice() {
    let mut scenario = world::cluster("CL1", 1);
    scenario
        .machines
        .extend(world::machines(2).machines.into_iter().skip(1));
    let daemon = TestDaemon::start(scenario).await;
    let wanted = request::create_cluster_at("CL1", &["n2"], &[("10.0.0.101", 24)]);
    let records = to_the_end(&daemon.client().create_cluster(wanted).await.unwrap()).await;
    let outcome = outcome_of(&records);
    assert_eq!(outcome.state(), OperationState::Failed);
    let code = outcome.status.as_ref().map_or(0, |status| status.code);
    assert!([5900, 5936].contains(&code), "{outcome:?}");
    daemon.finish().await;
}

#[tokio::test]
async fn a_burst_of_reports_arrives_whole() {
    let burst = 5_000;
    let records = create_with(Fault {
        burst,
        times: Some(1),
        ..at("FormingCluster")
    })
    .await;
    assert_succeeded(&records);
    let continued = |record: &&v1::OperationRecord| {
        record.setup().is_some_and(|setup| {
            setup.phase() == SetupPhase::FormingCluster && setup.phase_type() == SetupPhaseType::Continue
        })
    };
    let reports = records.iter().filter(continued).count() as u64;
    let folded: u64 = records.iter().map(|record| record.folded).sum();
    assert!(
        reports + folded >= u64::from(burst),
        "{reports} reports and {folded} folded"
    );
}

#[tokio::test]
async fn a_storm_folds_only_reports_that_go_on_and_counts_them() {
    // More than the hand-over buffer holds.
    let burst = 200_000;
    let records = create_with(Fault {
        burst,
        times: Some(1),
        ..at("FormingCluster")
    })
    .await;
    assert_succeeded(&records);
    let mut reports = 0;
    let mut ends = 0;
    for setup in records.iter().filter_map(|record| record.setup()) {
        match (setup.phase(), setup.phase_type()) {
            (SetupPhase::FormingCluster, SetupPhaseType::Continue) => reports += 1,
            (_, SetupPhaseType::End) => ends += 1,
            _ => {}
        }
    }
    let folded: u64 = records.iter().map(|record| record.folded).sum();
    assert!(
        reports + folded >= u64::from(burst),
        "{reports} reports and {folded} folded"
    );
    assert_eq!(ends, phases(&records).len(), "a Start or End was lost");
}

#[tokio::test]
async fn callbacks_from_another_thread_are_the_same_records() {
    let mut scenario = world::machines(2);
    scenario.callback_thread = CallbackThread::Worker;
    let daemon = TestDaemon::start(scenario).await;
    let wanted = request::create_cluster("CL1", &["n1", "n2"]);
    let from_worker = to_the_end(&daemon.client().create_cluster(wanted.clone()).await.unwrap()).await;
    daemon.finish().await;
    let daemon = TestDaemon::start(world::machines(2)).await;
    let from_caller = to_the_end(&daemon.client().create_cluster(wanted).await.unwrap()).await;
    daemon.finish().await;
    let reports = |records: &[v1::OperationRecord]| -> Vec<v1::SetupProgress> {
        records.iter().filter_map(|record| record.setup().cloned()).collect()
    };
    assert_eq!(reports(&from_worker), reports(&from_caller));
}

#[tokio::test]
async fn a_call_that_dies_leaves_a_start_without_an_end() {
    let records = create_with(Fault {
        dies: true,
        ..at("CreateGroups")
    })
    .await;
    let outcome = outcome_of(&records);
    assert_eq!(outcome.state(), OperationState::Failed);
    assert_eq!(outcome.status.as_ref().map(|status| status.code), Some(1726));
    let last = records.iter().filter_map(|record| record.setup()).next_back().unwrap();
    assert_eq!(
        (last.phase(), last.phase_type()),
        (SetupPhase::CreateGroups, SetupPhaseType::Start)
    );
    assert!(outcome.inspection.is_some());
    assert!(!outcome.suggested_actions.is_empty());
}

#[tokio::test]
async fn a_call_that_hangs_is_seen_where_it_stands_and_goes_on_when_released() {
    let mut scenario = world::machines(1);
    scenario.faults.push(Fault {
        hang: true,
        ..at("FormingCluster")
    });
    let daemon = TestDaemon::start(scenario).await;
    let client = daemon.client();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let mut stream = operation.progress();
    let seen = collect(&mut stream, |record| record.starts(SetupPhase::FormingCluster))
        .await
        .unwrap();
    let standing = operation.get().await.unwrap();
    assert_eq!(standing.state(), OperationState::Running);
    assert_eq!(standing.last_sequence, seen.last().unwrap().sequence);
    // Reads are served meanwhile.
    soon("a read", client.get_host_state("n1")).await.unwrap();
    daemon.simulation().release_all();
    let rest = collect(&mut stream, |_record| false).await.unwrap();
    assert_eq!(outcome_of(&rest).state(), OperationState::Succeeded);
    daemon.finish().await;
}
