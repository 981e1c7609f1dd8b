//! The figures of BENCHMARKS.md: hand-over from a callback, the way to a remote client, the same on each platform, start and
//! replay of a full journal, the inventory of the largest cluster, workloads, and what it costs to know who calls.
//!
//! `cargo bench -p wsfc-tests --bench figures` takes all of them and prints them as tables in Markdown; behind `--`,
//! `access`, `handover`, `inventory`, `live`, `platforms`, `replay` or `workloads` takes only one kind. Run without cargo's
//! `--bench` (as `cargo test --bench figures` does) or with `--quick` it only sees that everything runs, in seconds, and the
//! figures mean nothing.
//!
//! What is compared is measured in turn in one run, so that it has the same neighbours. Nothing here fails for being slow.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures real time on real threads")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "how a benchmark that cannot go on ends"
)]
#![expect(clippy::cast_possible_truncation, reason = "counts here are small")]

mod access;
mod bare;
mod fresh;
mod handover;
mod inventory;
mod journals;
mod live;
mod method;
mod platforms;
mod replay;
mod served;
mod wakes;
mod weigh;
mod workloads;

use method::Effort;

/// A kind of figures, and what takes them.
type Kind = (&'static str, fn(Effort));

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, data_dir, ready] = arguments.as_slice()
        && first == fresh::ARGUMENT
    {
        return fresh::be(data_dir.into(), ready.into());
    }
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    let effort = Effort {
        quick: given("--quick") || !given("--bench"),
    };
    let kinds: [Kind; 7] = [
        ("access", access::run),
        ("handover", handover::run),
        ("inventory", inventory::run),
        ("live", live::run),
        ("platforms", platforms::run),
        ("replay", replay::run),
        ("workloads", workloads::run),
    ];
    let some = kinds.iter().any(|(name, _)| given(name));
    for (name, take) in kinds {
        if given(name) || !some {
            println!("\n### {name}");
            take(effort);
        }
    }
    // Threads that serve to the end of the process are still there; this is the end.
    std::process::exit(0);
}
