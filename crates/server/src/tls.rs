//! TLS for what goes out: rustls with ring, installed once a process.

/// Makes ring the provider of this process, unless the program around us has chosen one already.
pub(crate) fn install_provider() {
    // The error says that a provider is installed, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
