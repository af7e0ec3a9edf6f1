//! The binary `bellwether`: arguments in, exit code out. What the commands do stands in `cli/`.
#![forbid(unsafe_code)]
// They panic when the reader has left: `cli::print` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    use_small_pages();
    cli::main()
}

/// The allocator asks for huge pages, and whatever touches one the first time waits until the system has cleared 2 MiB of it. Series,
/// batches and questions are small and spread over many threads, so that costs more memory, and more time, than it saves.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    // A system that has no such pages, or no such call, needs none.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
