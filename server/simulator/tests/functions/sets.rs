//! Group sets, affinity rules, and resource types.

use wsfc_clusapi::proplist::Value;
use wsfc_clusapi::sys::constants::{cluster_enum, control as ctl, notify_groupset, notify_object};
use wsfc_clusapi::sys::types::CLUSTER_AVAILABILITY_SET_CONFIG;

use crate::call::{Target, control, enumerated, events, list, open, production, properties, texts};
use crate::notify::{filter, open as open_port};
use crate::raw::{Raw, wide};

type Two = Option<unsafe extern "system" fn(isize, isize) -> u32>;

fn two(function: Two, one: isize, other: isize) -> u32 {
    // SAFETY: The function checks its handles.
    unsafe { function.unwrap()(one, other) }
}

fn express(function: Option<unsafe extern "system" fn(isize, *const u16) -> u32>, object: isize, text: &str) -> u32 {
    let text = wide(text);
    // SAFETY: The text is NUL-terminated.
    unsafe { function.unwrap()(object, text.as_ptr()) }
}

fn sets(raw: &Raw, cluster: isize) -> Vec<String> {
    // SAFETY: The function checks its handle.
    let handle = unsafe { raw.table.ClusterGroupSetOpenEnum.unwrap()(cluster) };
    let found = enumerated(|index, _, name, units| {
        // SAFETY: The buffer has the room that its count says.
        unsafe { raw.table.ClusterGroupSetEnum.unwrap()(handle, index, name.as_mut_ptr(), units) }
    });
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.ClusterGroupSetCloseEnum.unwrap()(handle) }, 0);
    found.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn groups_come_into_sets_and_go() {
    let (raw, cluster) = production();
    let table = &raw.table;
    assert_eq!(sets(&raw, cluster), ["Directory", "Web Farm"]);
    let port = open_port(
        &raw,
        cluster,
        &[filter(notify_object::GROUPSET, notify_groupset::EVERYTHING)],
        1,
    );
    let set = open(&raw, table.CreateClusterGroupSet, cluster, "New").unwrap();
    assert_eq!(open(&raw, table.CreateClusterGroupSet, cluster, "new"), Err(5010));
    assert_eq!(open(&raw, table.OpenClusterGroupSet, cluster, "none"), Err(5992));
    let (files, dc1) = (
        raw.open_group(cluster, "Files").unwrap(),
        raw.open_group(cluster, "DC1").unwrap(),
    );
    assert_eq!(two(table.ClusterAddGroupToGroupSet, set, files), 0);
    assert_eq!(
        two(table.ClusterAddGroupToGroupSet, set, dc1),
        5011,
        "it is in another set"
    );
    let groups = || texts(&control(&raw, Target::Set(set), ctl::GROUPSET_GET_GROUPS, &[]).unwrap());
    assert_eq!(groups(), ["Files"]);
    let directory = open(&raw, table.OpenClusterGroupSet, cluster, "Directory").unwrap();
    assert_eq!(two(table.AddClusterGroupSetDependency, directory, set), 0);
    assert_eq!(two(table.AddClusterGroupSetDependency, directory, set), 5003);
    assert_eq!(two(table.AddClusterGroupSetDependency, set, directory), 1059);
    assert_eq!(two(table.AddClusterGroupSetDependency, set, set), 87);
    // SAFETY: The function checks its handle.
    let remove = |group| unsafe { table.ClusterRemoveGroupFromGroupSet.unwrap()(group) };
    assert_eq!(
        remove(files),
        5993,
        "a set that something waits for keeps its last group"
    );
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { table.DeleteClusterGroupSet.unwrap()(set) }, 5993);
    let providers = texts(&control(&raw, Target::Set(directory), ctl::GROUPSET_GET_PROVIDER_GROUPSETS, &[]).unwrap());
    assert_eq!(providers, ["New"]);
    assert_eq!(
        express(
            table.SetClusterGroupSetDependencyExpression,
            directory,
            "[New] or [Web Farm]"
        ),
        87
    );
    assert_eq!(
        express(table.SetClusterGroupSetDependencyExpression, directory, "[Nothing]"),
        5992
    );
    assert_eq!(express(table.SetClusterGroupSetDependencyExpression, directory, ""), 0);
    assert_eq!(two(table.RemoveClusterGroupSetDependency, directory, set), 5002);
    assert_eq!(remove(files), 0);
    assert_eq!(remove(files), 5992);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { table.DeleteClusterGroupSet.unwrap()(set) }, 0);
    assert_eq!(
        control(&raw, Target::Set(set), ctl::GROUPSET_GET_GROUPS, &[]),
        Err(5992)
    );
    let told: Vec<i64> = events(&raw, port).iter().map(|event| event.flag).collect();
    let (common, added) = (notify_groupset::COMMON_PROPERTY, notify_groupset::GROUP_ADDED);
    let (needs, needed) = (notify_groupset::DEPENDENCIES, notify_groupset::DEPENDENTS);
    let (removed, deleted) = (notify_groupset::GROUP_REMOVED, notify_groupset::DELETED);
    assert_eq!(told, [common, added, needs, needed, needs, needed, removed, deleted]);
}

#[test]
fn groups_wait_for_groups_and_sets() {
    let (raw, cluster) = production();
    let table = &raw.table;
    let (files, sql) = (
        raw.open_group(cluster, "Files").unwrap(),
        raw.open_group(cluster, "SQL Server (PROD)").unwrap(),
    );
    let directory = open(&raw, table.OpenClusterGroupSet, cluster, "Directory").unwrap();
    assert_eq!(two(table.AddClusterGroupDependency, files, sql), 0);
    assert_eq!(two(table.AddClusterGroupDependency, sql, files), 1059);
    assert_eq!(two(table.AddClusterGroupToGroupSetDependency, files, directory), 0);
    let ask = |code| texts(&control(&raw, Target::Group(files), code, &[]).unwrap());
    assert_eq!(ask(ctl::GROUP_GET_PROVIDER_GROUPS), ["SQL Server (PROD)"]);
    assert_eq!(ask(ctl::GROUP_GET_PROVIDER_GROUPSETS), ["Directory"]);
    assert_eq!(two(table.RemoveClusterGroupToGroupSetDependency, files, directory), 0);
    assert_eq!(
        express(table.SetGroupDependencyExpression, files, "[DC1] and [Web Farm]"),
        0
    );
    assert_eq!(ask(ctl::GROUP_GET_PROVIDER_GROUPS), ["DC1"]);
    assert_eq!(ask(ctl::GROUP_GET_PROVIDER_GROUPSETS), ["Web Farm"]);
    assert_eq!(two(table.RemoveClusterGroupDependency, files, sql), 5002);
    let dc1 = raw.open_group(cluster, "DC1").unwrap();
    assert_eq!(
        two(table.AddClusterGroupToGroupSetDependency, dc1, directory),
        1059,
        "its own set"
    );
}

#[test]
fn availability_sets_say_where_their_groups_are() {
    let (raw, cluster) = production();
    let table = &raw.table;
    let name = wide("Spread");
    let create = |version| {
        let config = CLUSTER_AVAILABILITY_SET_CONFIG {
            dwVersion: version,
            dwUpdateDomains: 2,
            dwFaultDomains: 3,
            bReserveSpareNode: 1,
        };
        // SAFETY: The name is NUL-terminated, and the configuration is valid.
        raw.opened(unsafe { table.CreateClusterAvailabilitySet.unwrap()(cluster, name.as_ptr(), &raw const config) })
    };
    assert_eq!(create(2), Err(87));
    let set = create(1).unwrap();
    let shown = properties(&raw, Target::Set(set), ctl::GROUPSET_GET_RO_COMMON_PROPERTIES);
    assert_eq!(shown.dword("IsAvailabilitySet"), Some(1));
    assert_eq!(
        (shown.dword("UpdateDomains"), shown.dword("FaultDomains")),
        (Some(2), Some(3))
    );
    let files = raw.open_group(cluster, "Files").unwrap();
    // SAFETY: The function checks its handles.
    let add = |fault, update| unsafe { table.ClusterAddGroupToGroupSetWithDomains.unwrap()(set, files, fault, update) };
    assert_eq!(add(3, 0), 87);
    assert_eq!(add(2, 1), 0);
}

#[test]
fn rules_contradict_each_other() {
    let (raw, cluster) = production();
    let table = &raw.table;
    let named = |name: &str| wide(name);
    let create = |name: &str, kind| {
        let name = named(name);
        // SAFETY: The name is NUL-terminated.
        unsafe { table.ClusterCreateAffinityRule.unwrap()(cluster, name.as_ptr(), kind) }
    };
    let add = |rule: &str, group: &str| {
        let (rule, group) = (named(rule), raw.open_group(cluster, group).unwrap());
        // SAFETY: The name is NUL-terminated.
        unsafe { table.ClusterAddGroupToAffinityRule.unwrap()(cluster, rule.as_ptr(), group) }
    };
    assert_eq!(create("Directory apart", 4), 5010);
    assert_eq!(create("bad", 5), 87);
    assert_eq!(create("Together", 2), 0);
    assert_eq!(
        texts(
            &control(
                &raw,
                Target::Cluster(cluster),
                ctl::CLUSTER_ENUM_AFFINITY_RULE_NAMES,
                &[]
            )
            .unwrap()
        )
        .len(),
        3
    );
    assert_eq!(add("Together", "DC1"), 0);
    assert_eq!(add("Together", "DC1"), 5011);
    assert_eq!(add("Together", "DC2"), 5971, "another rule keeps them apart");
    assert_eq!(add("none", "DC1"), 2);
    // Without the other rule they may be together; with it again they may not.
    let code = ctl::AFFINITYRULE_SET_COMMON_PROPERTIES;
    let enabled = |value| {
        control(
            &raw,
            Target::Rule(cluster, "Directory apart"),
            code,
            &list(&[("Enabled", Value::Dword(value))]),
        )
    };
    assert_eq!(enabled(0), Ok(Vec::new()));
    assert_eq!(add("Together", "DC2"), 0);
    assert_eq!(enabled(1), Err(5971));
    let names = texts(
        &control(
            &raw,
            Target::Rule(cluster, "Together"),
            ctl::AFFINITYRULE_GET_GROUPNAMES,
            &[],
        )
        .unwrap(),
    );
    assert_eq!(names, ["DC1", "DC2"]);
    // A group that is deleted leaves its rule.
    assert_eq!(
        // SAFETY: The function checks its handle.
        unsafe { table.DestroyClusterGroup.unwrap()(raw.open_group(cluster, "DC2").unwrap()) },
        0
    );
    let names = texts(
        &control(
            &raw,
            Target::Rule(cluster, "Together"),
            ctl::AFFINITYRULE_GET_GROUPNAMES,
            &[],
        )
        .unwrap(),
    );
    assert_eq!(names, ["DC1"]);
}

#[test]
fn resource_types_come_and_go() {
    let (raw, cluster) = production();
    let table = &raw.table;
    let (name, display, dll, empty) = (wide("Our Type"), wide("Our Display"), wide("our.dll"), wide(""));
    let create = |dll: &[u16]| {
        let function = table.CreateClusterResourceType.unwrap();
        // SAFETY: The names are NUL-terminated.
        unsafe { function(cluster, name.as_ptr(), display.as_ptr(), dll.as_ptr(), 7_000, 0) }
    };
    assert_eq!(create(&empty), 87);
    assert_eq!((create(&dll), create(&dll)), (0, 5010));
    let target = Target::Type(cluster, "our type");
    let common = properties(&raw, target, ctl::RESOURCE_TYPE_GET_COMMON_PROPERTIES);
    assert_eq!(common.text("Name"), Some("Our Display"));
    assert_eq!(
        (
            common.dword("LooksAlivePollInterval"),
            common.dword("IsAlivePollInterval")
        ),
        (Some(7_000), Some(60_000))
    );
    let fixed = properties(&raw, target, ctl::RESOURCE_TYPE_GET_RO_COMMON_PROPERTIES);
    assert_eq!(fixed.text("DllName"), Some("our.dll"));
    let delete = |name: &str| {
        let name = wide(name);
        // SAFETY: The name is NUL-terminated.
        unsafe { table.DeleteClusterResourceType.unwrap()(cluster, name.as_ptr()) }
    };
    assert_eq!(delete("Physical Disk"), 145);
    assert!(
        raw.names(cluster, cluster_enum::RESOURCE_TYPE)
            .contains(&"Our Type".to_owned())
    );
    assert_eq!((delete("our type"), delete("our type")), (0, 5078));
}
