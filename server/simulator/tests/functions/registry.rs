//! The cluster database as a registry.

use wsfc_clusapi::sys::constants::{
    notify_object, notify_registry, registry_command, registry_disposition, registry_type,
};
use wsfc_clusapi::sys::types::{CLUSTER_READ_BATCH_COMMAND, FILETIME, NOTIFY_FILTER_AND_TYPE};

use crate::call::{bytes, enumerated, events, open, production, text};
use crate::notify::open as open_port;
use crate::raw::{Raw, read_wide, wide};

/// A key and the functions on it.
struct Key<'raw> {
    raw: &'raw Raw,
    handle: isize,
}

impl<'raw> Key<'raw> {
    fn root(raw: &'raw Raw, cluster: isize) -> Self {
        // SAFETY: The function checks its handle.
        let handle = raw
            .opened(unsafe { raw.table.GetClusterKey.unwrap()(cluster, 0) })
            .unwrap();
        Self { raw, handle }
    }

    fn open(&self, name: &str) -> Result<Self, i32> {
        let name = wide(name);
        let mut handle = 0;
        // SAFETY: The name is NUL-terminated, and there is a place for the handle.
        let code = unsafe { self.raw.table.ClusterRegOpenKey.unwrap()(self.handle, name.as_ptr(), 0, &raw mut handle) };
        if code == 0 {
            Ok(Self { raw: self.raw, handle })
        } else {
            Err(code)
        }
    }

    /// The key, and whether it is new.
    fn create(&self, name: &str) -> Result<(Self, u32), i32> {
        let name = wide(name);
        let (mut handle, mut done) = (0, 0);
        let create = self.raw.table.ClusterRegCreateKey.unwrap();
        let null = std::ptr::null();
        // SAFETY: The name is NUL-terminated, and there are places for the handle and what was done.
        let code = unsafe { create(self.handle, name.as_ptr(), 0, 0, null, &raw mut handle, &raw mut done) };
        if code == 0 {
            Ok((Self { raw: self.raw, handle }, done))
        } else {
            Err(code)
        }
    }

    fn delete(&self, name: &str) -> i32 {
        let name = wide(name);
        // SAFETY: The name is NUL-terminated.
        unsafe { self.raw.table.ClusterRegDeleteKey.unwrap()(self.handle, name.as_ptr()) }
    }

    fn set(&self, name: &str, kind: u32, data: &[u8]) -> u32 {
        let name = wide(name);
        let size = u32::try_from(data.len()).unwrap();
        // SAFETY: The name is NUL-terminated, and the data has its size.
        unsafe { self.raw.table.ClusterRegSetValue.unwrap()(self.handle, name.as_ptr(), kind, data.as_ptr(), size) }
    }

    fn delete_value(&self, name: &str) -> u32 {
        let name = wide(name);
        // SAFETY: The name is NUL-terminated.
        unsafe { self.raw.table.ClusterRegDeleteValue.unwrap()(self.handle, name.as_ptr()) }
    }

    fn query(&self, name: &str) -> Result<(u32, Vec<u8>), i32> {
        let name = wide(name);
        let mut data = vec![0; 1_024];
        let (mut kind, mut size) = (0, 1_024);
        let query = self.raw.table.ClusterRegQueryValue.unwrap();
        // SAFETY: The name is NUL-terminated, and the buffer has the size that goes with it.
        let code = unsafe {
            query(
                self.handle,
                name.as_ptr(),
                &raw mut kind,
                data.as_mut_ptr(),
                &raw mut size,
            )
        };
        data.truncate(usize::try_from(size).unwrap());
        if code == 0 { Ok((kind, data)) } else { Err(code) }
    }

    fn keys(&self) -> Vec<String> {
        let next = self.raw.table.ClusterRegEnumKey.unwrap();
        let found = enumerated(|index, _, name, units| {
            let mut written = FILETIME::default();
            // SAFETY: The buffer has the room that its count says.
            let code = unsafe { next(self.handle, index, name.as_mut_ptr(), units, &raw mut written) };
            code.cast_unsigned()
        });
        found.into_iter().map(|(_, name)| name).collect()
    }

    fn values(&self) -> Vec<(u32, String)> {
        let next = self.raw.table.ClusterRegEnumValue.unwrap();
        enumerated(|index, kind, name, units| {
            let mut size = 0;
            let null = std::ptr::null_mut();
            // SAFETY: The buffer has the room that its count says; only the size of the data is asked for.
            unsafe { next(self.handle, index, name.as_mut_ptr(), units, kind, null, &raw mut size) }
        })
    }

    fn batch(&self, commands: &[(i32, &str, u32, &[u8])]) -> (i32, i32) {
        let table = &self.raw.table;
        let mut batch = 0;
        assert_eq!(
            // SAFETY: There is a place for the handle.
            unsafe { table.ClusterRegCreateBatch.unwrap()(self.handle, &raw mut batch) },
            0
        );
        for (command, name, options, data) in commands {
            let name = wide(name);
            let size = u32::try_from(data.len()).unwrap();
            let add = table.ClusterRegBatchAddCommand.unwrap();
            // SAFETY: The name is NUL-terminated, and the data has its size.
            let code = unsafe { add(batch, *command, name.as_ptr(), *options, data.as_ptr().cast(), size) };
            assert_eq!(code, 0, "{command}");
        }
        let mut failed = 99;
        // SAFETY: There is a place for the number.
        let code = unsafe { table.ClusterRegCloseBatch.unwrap()(batch, 1, &raw mut failed) };
        assert_eq!(
            // SAFETY: The handle is used up, and the function checks it.
            unsafe { table.ClusterRegCloseBatch.unwrap()(batch, 1, &raw mut failed) },
            6
        );
        (code, failed)
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        // SAFETY: The function checks its handle.
        unsafe { self.raw.table.ClusterRegCloseKey.unwrap()(self.handle) };
    }
}

#[test]
fn objects_show_in_the_tree() {
    let (raw, cluster) = production();
    let root = Key::root(&raw, cluster);
    assert!(root.keys().contains(&"Resources".to_owned()));
    let (kind, id) = root.query("clusterinstanceid").unwrap();
    assert_eq!((kind, text(&id).len()), (registry_type::SZ, 36));
    let group = raw.open_group(cluster, "Files").unwrap();
    // SAFETY: The function checks its handle.
    let handle = raw
        .opened(unsafe { raw.table.GetClusterGroupKey.unwrap()(group, 0) })
        .unwrap();
    let group = Key { raw: &raw, handle };
    assert_eq!(text(&group.query("Name").unwrap().1), "Files");
    assert!(
        group
            .values()
            .contains(&(registry_type::DWORD, "AutoFailbackType".into()))
    );
    assert_eq!(group.set("Name", registry_type::SZ, &bytes("x")), 5);
    assert_eq!(root.open("Groups\\nothing").err(), Some(2));
    assert_eq!(
        root.open("Nodes\\1").unwrap().query("NodeName").unwrap().1,
        bytes("hv1")
    );
    // The parameters of a resource are its private properties.
    let service = open(&raw, raw.table.OpenClusterResource, cluster, "SQL Server").unwrap();
    // SAFETY: The function checks its handle.
    let handle = raw
        .opened(unsafe { raw.table.GetClusterResourceKey.unwrap()(service, 0) })
        .unwrap();
    let parameters = Key { raw: &raw, handle }.open("Parameters").unwrap();
    assert_eq!(text(&parameters.query("ServiceName").unwrap().1), "MSSQL$PROD");
    assert_eq!(parameters.set("StartupParameters", registry_type::SZ, &bytes("-m")), 0);
    let private = crate::call::properties(&raw, crate::call::Target::Resource(service), 0x0100_0081);
    assert_eq!(private.text("StartupParameters"), Some("-m"));
}

#[test]
fn keys_and_values_are_written_and_read() {
    let (raw, cluster) = production();
    let root = Key::root(&raw, cluster);
    let (own, done) = root.create("Vendor\\Product").unwrap();
    assert_eq!(done, registry_disposition::CREATED);
    assert_eq!(root.create("vendor\\product").unwrap().1, registry_disposition::OPENED);
    assert_eq!(own.set("Limit", registry_type::DWORD, &[5, 0, 0, 0]), 0);
    assert_eq!(own.set("", registry_type::SZ, &bytes("default")), 0);
    assert_eq!(own.query("LIMIT"), Ok((registry_type::DWORD, vec![5, 0, 0, 0])));
    assert_eq!(own.values().len(), 2);
    // Only the size; too small a buffer.
    let (name, null) = (wide("Limit"), std::ptr::null_mut());
    let query = raw.table.ClusterRegQueryValue.unwrap();
    let mut size = 0;
    assert_eq!(
        // SAFETY: The name is NUL-terminated, and there is a place for the size.
        unsafe { query(own.handle, name.as_ptr(), null, std::ptr::null_mut(), &raw mut size) },
        0
    );
    assert_eq!(size, 4);
    let mut small = [0_u8; 2];
    size = 2;
    // SAFETY: The buffer has the size that goes with it.
    let code = unsafe { query(own.handle, name.as_ptr(), null, small.as_mut_ptr(), &raw mut size) };
    assert_eq!((code, size), (234, 4));
    let (mut keys, mut values, mut longest) = (9, 9, 9);
    let null = std::ptr::null_mut();
    let info = raw.table.ClusterRegQueryInfoKey.unwrap();
    // SAFETY: What is not wanted is NULL.
    let code = unsafe {
        info(
            own.handle,
            &raw mut keys,
            null,
            &raw mut values,
            null,
            &raw mut longest,
            null,
            std::ptr::null_mut(),
        )
    };
    assert_eq!((code, keys, values, longest), (0, 0, 2, 16));
    assert_eq!((own.delete_value("limit"), own.delete_value("limit")), (0, 2));
    assert_eq!(root.delete("Vendor"), 1020);
    assert_eq!((root.delete("Vendor\\Product"), root.delete("Vendor")), (0, 0));
    assert_eq!(own.query(""), Err(2), "the key is gone");
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.ClusterRegSyncDatabase.unwrap()(cluster, 0) }, 0);
}

#[test]
fn the_security_of_a_key_is_kept() {
    let (raw, cluster) = production();
    let own = Key::root(&raw, cluster).create("Own").unwrap().0;
    let get = raw.table.ClusterRegGetKeySecurity.unwrap();
    let mut size = 0;
    // SAFETY: There is a place for the size.
    assert_eq!(unsafe { get(own.handle, 4, std::ptr::null_mut(), &raw mut size) }, 122);
    let mut descriptor = vec![0_u8; usize::try_from(size).unwrap()];
    assert_eq!(
        // SAFETY: The buffer has the size that goes with it.
        unsafe { get(own.handle, 4, descriptor.as_mut_ptr().cast(), &raw mut size) },
        0
    );
    // The mask of the last entry, 12 bytes from the end.
    let mask = descriptor.len() - 16;
    descriptor[mask] = 1;
    let set = raw.table.ClusterRegSetKeySecurity.unwrap();
    // SAFETY: The descriptor is whole.
    assert_eq!(unsafe { set(own.handle, 4, descriptor.as_mut_ptr().cast()) }, 0);
    let mut read = vec![0_u8; descriptor.len()];
    assert_eq!(
        // SAFETY: The buffer has the size that goes with it.
        unsafe { get(own.handle, 4, read.as_mut_ptr().cast(), &raw mut size) },
        0
    );
    assert_eq!(read, descriptor);
}

#[test]
fn batches_happen_as_a_whole() {
    use registry_command as command;
    let (raw, cluster) = production();
    let root = Key::root(&raw, cluster);
    let dword = registry_type::DWORD;
    let first: &[(i32, &str, u32, &[u8])] = &[
        (command::CONDITION_KEY_NOT_EXISTS, "Own", 0, &[]),
        (command::CREATE_KEY, "Own", 0, &[]),
        (command::SET_VALUE, "Version", dword, &[1, 0, 0, 0]),
    ];
    assert_eq!(root.batch(first), (0, -1));
    assert_eq!(root.batch(first), (5986, 0));
    let update = |from: u8, to: u8| {
        root.batch(&[
            (command::CREATE_KEY, "Own", 0, &[]),
            (command::SET_VALUE, "Changed", dword, &[to, 0, 0, 0]),
            (command::CONDITION_IS_EQUAL, "Version", dword, &[from, 0, 0, 0]),
            (command::SET_VALUE, "Version", dword, &[to, 0, 0, 0]),
        ])
    };
    assert_eq!(update(1, 2), (0, -1));
    assert_eq!(update(1, 3), (5986, 2));
    let own = root.open("Own").unwrap();
    assert_eq!(own.query("Changed").unwrap().1, [2, 0, 0, 0]);
    assert_eq!(own.query("Version").unwrap().1, [2, 0, 0, 0]);
}

#[test]
fn reads_come_together() {
    let (raw, cluster) = production();
    let root = Key::root(&raw, cluster);
    let table = &raw.table;
    let mut batch = 0;
    assert_eq!(
        // SAFETY: There is a place for the handle.
        unsafe { table.ClusterRegCreateReadBatch.unwrap()(root.handle, &raw mut batch) },
        0
    );
    for (key, value) in [
        ("", "ClusterName"),
        ("Nodes\\1", "NodeName"),
        ("Nodes\\1", "Nothing"),
        ("Nowhere", "X"),
    ] {
        let (key, value) = (wide(key), wide(value));
        let add = table.ClusterRegReadBatchAddCommand.unwrap();
        // SAFETY: The names are NUL-terminated.
        assert_eq!(unsafe { add(batch, key.as_ptr(), value.as_ptr()) }, 0);
    }
    let mut reply = 0;
    assert_eq!(
        // SAFETY: There is a place for the handle.
        unsafe { table.ClusterRegCloseReadBatch.unwrap()(batch, &raw mut reply) },
        0
    );
    let mut answers = Vec::new();
    loop {
        // SAFETY: All zeros is a struct of plain numbers and pointers.
        let mut answer: CLUSTER_READ_BATCH_COMMAND = unsafe { std::mem::zeroed() };
        // SAFETY: There is a place for the answer.
        match unsafe { table.ClusterRegReadBatchReplyNextCommand.unwrap()(reply, &raw mut answer) } {
            0 => {}
            259 => break,
            code => panic!("{code}"),
        }
        // SAFETY: The names of an answer are NUL-terminated.
        let name = unsafe { read_wide(answer.wzValueName) };
        answers.push((answer.Command, name, answer.dwOptions));
    }
    let (value, error) = (registry_command::READ_VALUE, registry_command::READ_ERROR);
    let expected = [
        (value, "ClusterName", registry_type::SZ),
        (value, "NodeName", registry_type::SZ),
        (error, "Nothing", 2),
        (error, "X", 2),
    ];
    assert_eq!(
        answers,
        expected.map(|(command, name, options)| (command, name.to_owned(), options))
    );
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { table.ClusterRegCloseReadBatchReply.unwrap()(reply) }, 0);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { table.ClusterRegCloseReadBatchReply.unwrap()(reply) }, 6);
}

#[test]
fn keys_are_watched_alone_or_with_what_is_below() {
    let (raw, cluster) = production();
    let root = Key::root(&raw, cluster);
    let own = root.create("Own").unwrap().0;
    let below = root.create("Own\\Below").unwrap().0;
    let port = |flags| {
        let port = open_port(&raw, cluster, &[], 0);
        let filter = NOTIFY_FILTER_AND_TYPE {
            dwObjectType: notify_object::REGISTRY,
            FilterFlags: flags,
        };
        let object = std::ptr::without_provenance_mut(own.handle.cast_unsigned());
        assert_eq!(
            // SAFETY: The function checks its handles.
            unsafe { raw.table.RegisterClusterNotifyV2.unwrap()(port, filter, object, 1) },
            0
        );
        port
    };
    let alone = port(notify_registry::VALUE);
    let with_below = port(notify_registry::VALUE | notify_registry::NAME | notify_registry::SUBTREE);
    assert_eq!(own.set("A", registry_type::DWORD, &[0; 4]), 0);
    assert_eq!(below.set("B", registry_type::DWORD, &[0; 4]), 0);
    root.create("Own\\Other").unwrap();
    root.create("Owner").unwrap();
    let told = |port| {
        let events = events(&raw, port);
        events
            .into_iter()
            .map(|event| (event.flag, event.name))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(alone), [(notify_registry::VALUE, "own".to_owned())]);
    let expected = [
        (notify_registry::VALUE, "own"),
        (notify_registry::VALUE, "own\\below"),
        (notify_registry::NAME, "own\\other"),
    ];
    assert_eq!(told(with_below), expected.map(|(flag, name)| (flag, name.to_owned())));
}
