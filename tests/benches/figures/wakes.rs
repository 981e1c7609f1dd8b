//! Who wakes whom: counts the wake-ups that one thread causes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;

/// The wake-ups that a thread has caused.
pub struct Wakes {
    thread: ThreadId,
    count: AtomicUsize,
}

impl Wakes {
    /// Those of this thread, from now on.
    pub fn of_this_thread() -> Arc<Self> {
        Arc::new(Self {
            thread: std::thread::current().id(),
            count: AtomicUsize::new(0),
        })
    }

    /// How many there were so far.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// A future whose wake-ups are counted.
pub struct Counted<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

impl<F> Counted<F> {
    /// Counts the wake-ups of a future.
    pub fn new(future: F, wakes: &Arc<Wakes>) -> Self {
        Self {
            future: Box::pin(future),
            wakes: Arc::clone(wakes),
        }
    }
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::new(CountedWaker {
            waker: context.waker().clone(),
            wakes: Arc::clone(&self.wakes),
        }));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

struct CountedWaker {
    waker: Waker,
    wakes: Arc<Wakes>,
}

impl Wake for CountedWaker {
    fn wake(self: Arc<Self>) {
        if std::thread::current().id() == self.wakes.thread {
            self.wakes.count.fetch_add(1, Ordering::Relaxed);
        }
        self.waker.wake_by_ref();
    }
}
