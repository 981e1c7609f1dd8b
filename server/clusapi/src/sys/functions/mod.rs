//! The list of C functions: the one place where each stands with its signature, in a file for each part.
//!
//! Guess: the releases of functions that facts 1.1 does not date; they are those of the older functions of their part.

mod clusters;
mod groups;
mod networks;
mod nodes;
mod notifications;
mod registry;
mod resources;
mod sets;
mod setup;

/// Gives every C function of the table to a macro of the caller's, in the table's order, as
///
/// ```text
/// $(#[doc])* RELEASE fn NAME(ARGUMENT: TYPE, ...) -> RESULT, in MODULE;
/// ```
///
/// `RELEASE` is a variant of [`WindowsRelease`](crate::sys::WindowsRelease) and `RESULT` one word. The types are those
/// of [`types`](crate::sys::types) and `c_void`, and must be in scope where the macro is called. `in MODULE` names the
/// part of `windows-sys` that has the function too; it is absent where there is none, or where the two differ.
#[macro_export]
macro_rules! for_each_cluster_function {
    ($receiver:ident) => {
        $crate::cluster_functions_of_setup! { $receiver {} }
    };
}
