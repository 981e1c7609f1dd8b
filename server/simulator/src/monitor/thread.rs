//! The thread of a resource in a Resource Monitor: it calls the entry points of the resource's DLL, one after the other and
//! without the world's lock.

use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use wsfc_clusapi::sys::resapi::RESID;

use super::event::Event;
use super::library::{ControlBuffers, Functions};
use super::{ControlAnswer, Monitor, MonitorLevel};
use crate::handles::{self, Object};
use crate::simulation::Inner;
use crate::win32::ERROR_RESMON_CREATE_FAILED;
use crate::world::hosting::{ControlCall, Entry, Opening};
use crate::world::properties::Owner;
use crate::world::registry::path_of;
use crate::world::resource::hosted::{Ended, Go};

/// What a thread is to do.
#[derive(Debug)]
pub(super) enum Command {
    Call(Entry),
    Control(ControlCall),
    Close,
}

/// A thread's own.
pub(super) struct Thread {
    pub(super) world: Weak<Inner>,
    pub(super) handle: isize,
    pub(super) opening: Opening,
    pub(super) monitor: Arc<Monitor>,
    pub(super) commands: Receiver<Command>,
    /// The monitor's process is gone: nothing more is called.
    pub(super) abandoned: Arc<AtomicBool>,
}

/// What a thread has open.
struct Opened {
    functions: Functions,
    /// NULL for a type.
    id: RESID,
    /// The key that Open was given; 0 for a type.
    key: isize,
}

impl Drop for Opened {
    fn drop(&mut self) {
        // A world that is gone has taken it along.
        let _stale = handles::close(self.key, |object| matches!(object, Object::Key { .. }));
    }
}

impl Thread {
    /// Goes to an entry point. `None` when it is not to be called.
    fn enter(&self, entry: Entry) -> Go {
        if self.abandoned.load(Ordering::Relaxed) {
            return Go::End;
        }
        match self.world.upgrade() {
            Some(world) => world.change(|state| state.world.hosted_entered(self.handle, entry)),
            None => Go::End,
        }
    }

    /// Tells what an entry point has answered.
    fn ended(&self, ended: Ended, event: Option<Event>) {
        if let Some(world) = self.world.upgrade() {
            world.change(|state| state.hosted_ended(self.handle, ended, event));
        }
    }

    /// A command was done, whatever has become of it.
    fn done(&self) {
        if let Some(world) = self.world.upgrade() {
            world.note(|state| state.host.done(self.handle));
        }
    }

    pub(super) fn run(self) {
        let Some(opened) = self.open() else { return };
        self.done();
        while let Ok(command) = self.commands.recv() {
            match command {
                Command::Call(entry) => match self.enter(entry) {
                    Go::Call => self.call(&opened, entry),
                    Go::Skip => {}
                    Go::End => break,
                },
                Command::Control(call) => match self.enter(Entry::Control) {
                    Go::Call => self.control(&opened, call),
                    Go::Skip => {}
                    Go::End => break,
                },
                Command::Close => {
                    if self.enter(Entry::Close) == Go::Call {
                        opened.close();
                        self.ended(Ended::Closed, None);
                        return;
                    }
                    break;
                }
            }
            self.done();
        }
        // A world that has ended closes what it had open; a process that is gone does not.
        if !self.abandoned.load(Ordering::Relaxed) && self.world.strong_count() == 0 {
            opened.close();
        }
    }

    fn open(&self) -> Option<Opened> {
        if self.enter(Entry::Open) != Go::Call {
            return None;
        }
        match self.try_open() {
            Ok(opened) => {
                self.ended(Ended::Opened(Ok(())), None);
                Some(opened)
            }
            Err((code, why)) => {
                if let Some(world) = self.world.upgrade() {
                    world.note(|state| state.log(self.handle, MonitorLevel::Error, &why));
                }
                self.ended(Ended::Opened(Err(code)), None);
                None
            }
        }
    }

    fn try_open(&self) -> Result<Opened, (u32, String)> {
        let functions = self.monitor.functions()?;
        let mut opened = Opened {
            functions,
            id: ptr::null_mut(),
            key: 0,
        };
        let Some(resource) = &self.opening.subject.resource else {
            return Ok(opened);
        };
        if let Some(world) = self.world.upgrade() {
            let path = Arc::new(path_of(&Owner::Resource(resource.clone())));
            let cluster = self.opening.subject.cluster.clone();
            opened.key = handles::open(&world, Object::Key { cluster, path });
        }
        let key = ptr::without_provenance_mut(opened.key.cast_unsigned());
        opened.id = functions.open(&self.opening.name, key, self.handle);
        if opened.id.is_null() {
            // Guess: the last error of Open is not asked for, since it need not have set one.
            return Err((ERROR_RESMON_CREATE_FAILED, "Open has failed".into()));
        }
        Ok(opened)
    }

    fn call(&self, opened: &Opened, entry: Entry) {
        let (functions, id) = (&opened.functions, opened.id);
        let mut event = None;
        let ended = match entry {
            Entry::Online(_) => {
                let (code, handle) = functions.online(id);
                // SAFETY: An event that Online gives is open when it returns.
                event = unsafe { Event::copy(handle) };
                Ended::Begun(entry, code)
            }
            Entry::Offline(_) => Ended::Begun(entry, functions.offline(id)),
            Entry::Terminate => {
                functions.terminate(id);
                Ended::Done
            }
            Entry::LooksAlive => Ended::LooksAlive(functions.looks_alive(id)),
            Entry::IsAlive => Ended::IsAlive(functions.is_alive(id)),
            // They have commands of their own.
            Entry::Open | Entry::Control | Entry::Close => Ended::Done,
        };
        self.ended(ended, event);
    }

    fn control(&self, opened: &Opened, call: ControlCall) {
        let room = call.room.map_or(0, |room| usize::try_from(room).unwrap_or(0));
        let mut buffers = Box::new(ControlBuffers {
            code: call.code,
            input: call.input,
            output: vec![0; room],
            no_output: call.room.is_none(),
            returned: 0,
            context: call.number,
            asynchronous: 0,
        });
        let mut code = match self.opening.subject.resource {
            Some(_) => opened.functions.control(opened.id, &mut buffers),
            None => opened.functions.type_control(&self.opening.kind, &mut buffers),
        };
        if buffers.asynchronous != 0 {
            match self
                .world
                .upgrade()
                .and_then(|world| super::wait_ended(&world, call.number))
            {
                Some(status) => code = status,
                None => {
                    // The DLL may still write there.
                    Box::leak(buffers);
                    return;
                }
            }
        }
        let answer = ControlAnswer {
            code,
            returned: buffers.returned,
            data: buffers.output,
            unopened: false,
        };
        // Whoever has the answer may rely on the call being over.
        self.ended(Ended::Done, None);
        if let Some(world) = self.world.upgrade() {
            world.note(|state| state.host.answer(call.number, answer));
        }
    }
}

impl Opened {
    fn close(&self) {
        if !self.id.is_null() {
            self.functions.close(self.id);
        }
    }
}
