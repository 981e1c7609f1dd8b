//! Batches of reads: several keys and values at one moment (facts 2.6).
#![expect(
    unsafe_code,
    reason = "C functions are called with handles of ours, and what they answer is read"
)]

use super::RegistryValue;
use crate::api::{Clusapi, check_status, entry};
use crate::error::Error;
use crate::handle::{Key, Opened as _};
use crate::numbers::RegistryType;
use crate::sys::constants::registry_command;
use crate::sys::types::{CLUSTER_READ_BATCH_COMMAND, HREGREADBATCH, HREGREADBATCHREPLY, PCWSTR};
use crate::wide::{self, LONGEST_ANSWER, WideString};
use crate::win32::Win32;

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Path of the key, relative to the key of the batch; empty for that key itself.
    pub path: String,
    /// Name of the value; `None` reads the key.
    pub value: Option<String>,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what the variants say")]
pub enum ReadAnswer {
    /// There is the key.
    Key { path: String },
    /// There is the value.
    Value {
        path: String,
        name: String,
        value: RegistryValue,
    },
    /// The read failed.
    Failed { path: String, name: String, code: Win32 },
    /// An answer of a kind that is not known here.
    Other { path: String, name: String, command: i32 },
}

/// Longest name that is read from an answer, in units.
const LONGEST_NAME: usize = 32_767;

/// An open batch of reads. It is made when it is closed, so it is closed on every way.
struct Batch<'a> {
    api: &'a Clusapi,
    raw: HREGREADBATCH,
}

impl Batch<'_> {
    /// Ends the batch; the status, and the answers.
    fn close(&self) -> Result<(i32, HREGREADBATCHREPLY), Error> {
        let close = entry!(self.api, ClusterRegCloseReadBatch)?;
        let mut reply = 0;
        // SAFETY: The batch is open and closed here only: by `answers`, which forgets it, or else by its end.
        let status = unsafe { close(self.raw, &raw mut reply) };
        Ok((status, reply))
    }
}

impl<'a> Batch<'a> {
    /// Makes the reads.
    fn answers(self) -> Result<Reply<'a>, Error> {
        let (status, raw) = self.close()?;
        let api = self.api;
        // Closed, whatever the answer.
        core::mem::forget(self);
        check_status("ClusterRegCloseReadBatch", status)?;
        if raw == 0 {
            return Err(Error::Answer {
                function: "ClusterRegCloseReadBatch",
                problem: "no answers",
            });
        }
        Ok(Reply { api, raw })
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        match self.close() {
            // Nobody wants the answers of a batch that was given up.
            Ok((0, 0)) => {}
            Ok((0, raw)) => drop(Reply { api: self.api, raw }),
            Ok((status, _)) => tracing::warn!(status, "Dropping a batch of reads failed"),
            Err(error) => tracing::warn!(%error, "Dropping a batch of reads failed"),
        }
    }
}

/// The answers of a batch.
struct Reply<'a> {
    api: &'a Clusapi,
    raw: HREGREADBATCHREPLY,
}

impl Drop for Reply<'_> {
    fn drop(&mut self) {
        let Some(close) = self.api.table().ClusterRegCloseReadBatchReply else {
            return;
        };
        // SAFETY: The reply is open, and closed here only.
        let status = unsafe { close(self.raw) };
        if let Err(error) = check_status("ClusterRegCloseReadBatchReply", status) {
            tracing::warn!(%error, "Closing the answers of a batch of reads failed");
        }
    }
}

impl Reply<'_> {
    /// The next answer; `None` at the end.
    fn next(&self) -> Result<Option<ReadAnswer>, Error> {
        const FUNCTION: &str = "ClusterRegReadBatchReplyNextCommand";
        let next = entry!(self.api, ClusterRegReadBatchReplyNextCommand)?;
        let mut command = CLUSTER_READ_BATCH_COMMAND {
            Command: 0,
            dwOptions: 0,
            wzSubkeyName: core::ptr::null(),
            wzValueName: core::ptr::null(),
            lpData: core::ptr::null(),
            cbData: 0,
        };
        // SAFETY: The reply is open, and the struct outlives the call.
        let status = unsafe { next(self.raw, &raw mut command) };
        match Win32(status.cast_unsigned()) {
            Win32::ERROR_SUCCESS => {}
            Win32::ERROR_NO_MORE_ITEMS => return Ok(None),
            code => {
                return Err(Error::Call {
                    function: FUNCTION,
                    code,
                });
            }
        }
        let text = |text: PCWSTR| {
            // SAFETY: By the contract of the call the text is NULL or ends with a NUL, and lives as long as the reply.
            unsafe { wide::copy(text, LONGEST_NAME) }.unwrap_or_default()
        };
        let [path, name] = [text(command.wzSubkeyName), text(command.wzValueName)];
        Ok(Some(match command.Command {
            registry_command::READ_KEY => ReadAnswer::Key { path },
            registry_command::READ_VALUE => {
                if command.cbData > LONGEST_ANSWER {
                    return Err(Error::Answer {
                        function: FUNCTION,
                        problem: "a value longer than any can be",
                    });
                }
                let data = if command.lpData.is_null() {
                    Vec::new()
                } else {
                    // SAFETY: By the contract of the call the data has this size, and lives as long as the reply.
                    unsafe { core::slice::from_raw_parts(command.lpData, command.cbData as usize) }.to_vec()
                };
                let kind = RegistryType(command.dwOptions);
                ReadAnswer::Value {
                    path,
                    name,
                    value: RegistryValue { kind, data },
                }
            }
            // Guess: the options hold the code.
            registry_command::READ_ERROR => ReadAnswer::Failed {
                path,
                name,
                code: Win32(command.dwOptions),
            },
            command => ReadAnswer::Other { path, name, command },
        }))
    }
}

impl Key {
    /// Reads several keys and values below this one, as they were at one moment.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`], [`Error::Answer`]. A single read that fails is among the answers.
    pub fn read(&self, reads: &[Read]) -> Result<Vec<ReadAnswer>, Error> {
        let create = entry!(self.api(), ClusterRegCreateReadBatch)?;
        let add = entry!(self.api(), ClusterRegReadBatchAddCommand)?;
        let mut raw = 0;
        // SAFETY: The key is open, and the place for the batch outlives the call.
        let status = unsafe { create(self.raw, &raw mut raw) };
        check_status("ClusterRegCreateReadBatch", status)?;
        let batch = Batch { api: self.api(), raw };
        for read in reads {
            let path = WideString::new("path", &read.path)?;
            let value = WideString::optional("value", read.value.as_deref())?;
            // SAFETY: The batch is open; the names are NULL or end with a NUL, and outlive the call.
            let status = unsafe { add(batch.raw, path.as_ptr(), wide::pointer_or_null(value.as_ref())) };
            check_status("ClusterRegReadBatchAddCommand", status)?;
        }
        let reply = batch.answers()?;
        let mut answers = Vec::new();
        while let Some(answer) = reply.next()? {
            answers.push(answer);
        }
        Ok(answers)
    }
}
