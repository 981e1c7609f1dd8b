//! Batches of changes and of reads (facts 2.6).

use core::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use wsfc_clusapi::sys::constants::{notify_registry, registry_command};
use wsfc_clusapi::sys::types::{
    BOOL, CLUSTER_READ_BATCH_COMMAND, CLUSTER_REG_COMMAND, HKEY, HREGBATCH, HREGREADBATCH, HREGREADBATCHREPLY, PCWSTR,
};

use super::{key_of, signed, tell};
use crate::entry::Answer;
use crate::handles::{self, Object, Read};
use crate::memory;
use crate::win32::{ERROR_FILE_NOT_FOUND, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NO_MORE_ITEMS};
use crate::world::cluster::Cluster;
use crate::world::registry::batch::Command;
use crate::world::registry::{Path, split};

/// The number that says that no command failed.
const NONE_FAILED: i32 = -1;

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(in super::super) unsafe extern "system" fn create(key: HKEY, batch: *mut HREGBATCH) -> i32 {
    signed(|| {
        let (world, cluster, base) = key_of(key, "ClusterRegCreateBatch")?;
        if batch.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let commands = Arc::default();
        let made = handles::open(
            &world,
            Object::Batch {
                cluster,
                base,
                commands,
            },
        );
        // SAFETY: There is a place for the handle.
        unsafe { memory::write(batch, made) };
        Ok(())
    })
}

pub(in super::super) unsafe extern "system" fn add_command(
    batch: HREGBATCH,
    command: CLUSTER_REG_COMMAND,
    name: PCWSTR,
    options: u32,
    data: *const c_void,
    size: u32,
) -> i32 {
    signed(|| {
        let (world, Object::Batch { commands, .. }) = handles::get(batch)? else {
            return Err(ERROR_INVALID_HANDLE);
        };
        world.enter("ClusterRegBatchAddCommand")?;
        if data.is_null() && size > 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { memory::text(name) }.unwrap_or_default();
        let count = usize::try_from(size).map_err(|_| ERROR_INVALID_PARAMETER)?;
        // SAFETY: The caller passes as many bytes as the size says.
        let data = unsafe { memory::read_bytes(data.cast(), count) };
        let command = Command::of(command, name, options, data)?;
        locked(&commands).push(command);
        Ok(())
    })
}

/// Takes a handle that is used up by the call.
fn taken(handle: isize, kind: fn(&Object) -> bool) -> Answer<Object> {
    let (_, object) = handles::get(handle)?;
    handles::close(handle, kind)?;
    Ok(object)
}

/// ClusterRegCloseBatch: the place of the command that failed, or -1 (guess) when none did.
pub(in super::super) unsafe extern "system" fn close(batch: HREGBATCH, commit: BOOL, failed: *mut i32) -> i32 {
    signed(|| {
        let (world, _) = handles::get(batch)?;
        let Object::Batch {
            cluster,
            base,
            commands,
        } = taken(batch, |object| matches!(object, Object::Batch { .. }))?
        else {
            return Err(ERROR_INVALID_HANDLE);
        };
        world.enter("ClusterRegCloseBatch")?;
        // SAFETY: The caller passes NULL or a place for a number.
        unsafe { memory::write(failed, NONE_FAILED) };
        if commit == 0 {
            return Ok(());
        }
        let commands = std::mem::take(&mut *locked(&commands));
        let result = world.change(|state| {
            state.serving(&cluster).map_err(|code| (0, code))?;
            let now_ms = state.clock.now_ms();
            let found = state.world.cluster_mut(&cluster).ok_or((0, ERROR_FILE_NOT_FOUND))?;
            let touched = found.run_batch(&base, &commands, now_ms)?;
            for touched in touched {
                let flag = if touched.keys {
                    notify_registry::NAME
                } else {
                    notify_registry::VALUE
                };
                tell(state, &cluster, &touched.path, flag);
            }
            Ok(())
        });
        result.map_err(|(place, code)| {
            // SAFETY: The caller passes NULL or a place for a number.
            unsafe { memory::write(failed, i32::try_from(place).unwrap_or(i32::MAX)) };
            code
        })
    })
}

pub(in super::super) unsafe extern "system" fn create_read(key: HKEY, batch: *mut HREGREADBATCH) -> i32 {
    signed(|| {
        let (world, cluster, base) = key_of(key, "ClusterRegCreateReadBatch")?;
        if batch.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let reads = Arc::default();
        let made = handles::open(&world, Object::ReadBatch { cluster, base, reads });
        // SAFETY: There is a place for the handle.
        unsafe { memory::write(batch, made) };
        Ok(())
    })
}

pub(in super::super) unsafe extern "system" fn add_read(
    batch: HREGREADBATCH,
    sub_key: PCWSTR,
    value_name: PCWSTR,
) -> i32 {
    signed(|| {
        let (world, Object::ReadBatch { reads, .. }) = handles::get(batch)? else {
            return Err(ERROR_INVALID_HANDLE);
        };
        world.enter("ClusterRegReadBatchAddCommand")?;
        // SAFETY: The caller passes NULL or a string.
        let key = unsafe { memory::text(sub_key) }.unwrap_or_default();
        // SAFETY: The caller passes NULL or a string.
        let value = unsafe { memory::text(value_name) };
        locked(&reads).push((key, value));
        Ok(())
    })
}

/// The answers to one read: the value, or with no name the key and each of its values (guess). A read that fails
/// answers its error, and the others go on.
fn answers(cluster: &Cluster, base: &[String], key: &str, value: Option<&str>) -> Vec<Read> {
    let wide_key = memory::wide(key);
    let path = split(key).map(|below| base.iter().cloned().chain(below).collect::<Path>());
    let found = path.and_then(|path| match value {
        Some(name) => cluster.key_value(&path, name).map(|value| vec![value]),
        None => cluster.key_values(&path),
    });
    let read = |command, options, value: Option<&str>, data| Read {
        command,
        options,
        key: wide_key.clone(),
        value: value.map(memory::wide),
        data,
    };
    match found {
        Ok(values) => {
            let head = value
                .is_none()
                .then(|| read(registry_command::READ_KEY, 0, None, Vec::new()));
            let values = values
                .into_iter()
                .map(|found| read(registry_command::READ_VALUE, found.kind, Some(&found.name), found.data));
            head.into_iter().chain(values).collect()
        }
        Err(code) => vec![read(
            registry_command::READ_ERROR,
            code,
            value,
            code.to_le_bytes().to_vec(),
        )],
    }
}

pub(in super::super) unsafe extern "system" fn close_read(batch: HREGREADBATCH, reply: *mut HREGREADBATCHREPLY) -> i32 {
    signed(|| {
        let (world, _) = handles::get(batch)?;
        let Object::ReadBatch { cluster, base, reads } =
            taken(batch, |object| matches!(object, Object::ReadBatch { .. }))?
        else {
            return Err(ERROR_INVALID_HANDLE);
        };
        world.enter("ClusterRegCloseReadBatch")?;
        // Without a place for the reply the batch is dropped (guess).
        if reply.is_null() {
            return Ok(());
        }
        let answers = {
            let state = world.lock();
            let found = state.serving(&cluster)?;
            let reads = locked(&reads);
            let all = reads
                .iter()
                .flat_map(|(key, value)| answers(found, &base, key, value.as_deref()));
            all.collect::<Vec<_>>()
        };
        let made = handles::open(&world, Object::Reply(Arc::new((answers, Mutex::new(0)))));
        // SAFETY: There is a place for the handle.
        unsafe { memory::write(reply, made) };
        Ok(())
    })
}

/// ClusterRegReadBatchReplyNextCommand. What the answer points to belongs to the reply.
pub(in super::super) unsafe extern "system" fn next_reply(
    reply: HREGREADBATCHREPLY,
    command: *mut CLUSTER_READ_BATCH_COMMAND,
) -> i32 {
    signed(|| {
        let (world, Object::Reply(reply)) = handles::get(reply)? else {
            return Err(ERROR_INVALID_HANDLE);
        };
        world.enter("ClusterRegReadBatchReplyNextCommand")?;
        if command.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let (answers, taken) = &*reply;
        let mut taken = locked(taken);
        let answer = answers.get(*taken).ok_or(ERROR_NO_MORE_ITEMS)?;
        *taken += 1;
        let value = CLUSTER_READ_BATCH_COMMAND {
            Command: answer.command,
            dwOptions: answer.options,
            wzSubkeyName: answer.key.as_ptr(),
            wzValueName: answer.value.as_ref().map_or(std::ptr::null(), |value| value.as_ptr()),
            lpData: answer.data.as_ptr(),
            cbData: u32::try_from(answer.data.len()).unwrap_or(u32::MAX),
        };
        // SAFETY: There is a place for the answer.
        unsafe { memory::write(command, value) };
        Ok(())
    })
}

pub(in super::super) unsafe extern "system" fn close_reply(reply: HREGREADBATCHREPLY) -> i32 {
    signed(|| handles::close(reply, |object| matches!(object, Object::Reply(_))))
}
