//! Control codes that go to a resource DLL first (facts 3.2 and 5.1). What it does not know, the cluster service answers,
//! which is how DLLs leave the default processing of properties to it.

use super::{Buffers, Call};
use crate::entry::Answer;
use crate::memory;
use crate::monitor;
use crate::win32::ERROR_INVALID_FUNCTION;
use crate::world::properties::Owner;

/// Who has a control code.
pub(super) enum Hosted {
    /// The DLL has answered with a code, and its data is handed over.
    Answered(u32),
    /// The cluster service is to answer; what it does not know either is refused with this code.
    Left(u32),
}

/// Asks the DLL of a resource or type, if there is one. Guess: where the DLL cannot be opened the cluster service answers what
/// it can, so that the properties of such a resource can be read.
///
/// # Safety
///
/// The buffers must have the sizes that go with them.
pub(super) unsafe fn answer(call: &Call<'_>, name: &'static str, buffers: &Buffers) -> Answer<Hosted> {
    if !matches!(call.owner, Owner::Resource(_) | Owner::ResourceType(_)) {
        return Ok(Hosted::Left(ERROR_INVALID_FUNCTION));
    }
    let input = call.input.clone().unwrap_or_default();
    let room = (!buffers.output.is_null()).then_some(buffers.output_bytes);
    let answer = monitor::control(call.world, call.code, input, room, |state, control| {
        state.serving(call.cluster)?;
        let mut service = state.world.serving_service(call.cluster)?;
        Ok(match call.owner {
            Owner::Resource(id) => service.control_hosted(id, control),
            Owner::ResourceType(kind) => service.control_hosted_type(kind, control),
            _ => false,
        })
    })?;
    let Some(mut answer) = answer else {
        return Ok(Hosted::Left(ERROR_INVALID_FUNCTION));
    };
    if answer.code == ERROR_INVALID_FUNCTION || answer.unopened {
        return Ok(Hosted::Left(answer.code));
    }
    // SAFETY: The caller passes NULL or a place for a DWORD.
    unsafe { memory::write(buffers.returned, answer.returned) };
    if answer.code == 0 {
        // A DLL that says more than it was given room for has written no more than that.
        let returned = usize::try_from(answer.returned).unwrap_or(usize::MAX);
        answer.data.truncate(returned);
        if let Some(damage) = call.world.lock().world.faults.damage(name) {
            let length = answer.data.len();
            damage.apply(&mut answer.data);
            answer.data.truncate(length);
        }
        // SAFETY: The data is no longer than the caller's buffer.
        unsafe { memory::write_bytes(buffers.output.cast(), &answer.data) };
    }
    Ok(Hosted::Answered(answer.code))
}
