//! The methods of the contract: what each asks of its caller, made of the options in the protobuf files.

use crate::v1::Permission;

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its path in HTTP: `/wsfc.v1.GroupService/MoveGroup`.
    pub path: &'static str,
    /// What the caller needs.
    pub permission: Permission,
    /// Whether it changes anything.
    pub changes: bool,
    /// Whether its request is a stream.
    pub uploads: bool,
    /// Whether it answers with a stream.
    pub streams: bool,
    /// Whether the answer holds only what concerns clusters that the caller may see.
    pub filtered: bool,
    /// The numbers of the fields that lead to the name of the cluster in the request; empty when it names none.
    pub cluster: &'static [u32],
}

/// Every method, in the order of paths. A method that names no permission fails the build.
pub const ALL: &[Method] = include!(concat!(env!("OUT_DIR"), "/methods.rs"));

/// The method of a path; paths compare exactly.
pub fn of_path(path: &str) -> Option<&'static Method> {
    let index = ALL.binary_search_by(|method| method.path.cmp(path)).ok()?;
    ALL.get(index)
}

impl Permission {
    /// Its name in settings and for people: `group_operate`.
    pub fn name(self) -> String {
        self.as_str_name().trim_start_matches("PERMISSION_").to_lowercase()
    }

    /// The permission of a name, as [`name`](Self::name) gives it.
    pub fn of_name(name: &str) -> Option<Self> {
        (1..)
            .map_while(|number| Self::try_from(number).ok())
            .find(|permission| permission.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_found_and_no_other() {
        assert!(ALL.len() >= 120);
        for method in ALL {
            assert_eq!(of_path(method.path), Some(method));
            assert_eq!(of_path(&method.path.to_lowercase()), None);
            assert_eq!(of_path(&format!("{} ", method.path)), None);
        }
        assert_eq!(of_path(""), None);
    }

    #[test]
    fn requests_name_their_cluster_where_the_table_says() {
        let cluster = |path: &str| of_path(path).unwrap().cluster;
        assert_eq!(cluster("/wsfc.v1.GroupService/ListGroups").len(), 1);
        assert_eq!(cluster("/wsfc.v1.GroupService/MoveGroup").len(), 2);
        assert!(cluster("/wsfc.v1.ClusterService/ListClusters").is_empty());
    }

    #[test]
    fn what_only_views_changes_nothing() {
        for method in ALL {
            let views = matches!(method.permission, Permission::View | Permission::RegistryView);
            assert!(!(views && method.changes), "{}", method.path);
        }
    }

    #[test]
    fn permissions_have_names_that_lead_back() {
        assert_eq!(Permission::GroupOperate.name(), "group_operate");
        assert_eq!(Permission::of_name("group_operate"), Some(Permission::GroupOperate));
        assert_eq!(Permission::of_name("Group_Operate"), None);
        assert_eq!(Permission::of_name("unspecified"), None);
        assert_eq!(
            Permission::of_name("access_administer"),
            Some(Permission::AccessAdminister)
        );
    }
}
