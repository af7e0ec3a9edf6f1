//! The binary `bellwether`: arguments in, exit code out. What the commands do stands in `cli/`.
#![forbid(unsafe_code)]
// They panic when the reader has left: `cli::print` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
