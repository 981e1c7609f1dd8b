//! The one append-only log: every stream is a cursor over it.
