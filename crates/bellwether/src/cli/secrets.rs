//! Secrets that channels name: `BELLWETHER__SECRETS__NAME=file:PATH` or `=env:OTHER`.
//!
//! Only references are taken, so that no value stands where configuration is shown; a file that others may read is
//! refused. Errors name the variable, never its value.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// What the names of such variables begin with.
const PREFIX: &str = "BELLWETHER__SECRETS__";

/// The permission bits of a file that group or others may read or change.
const OPEN_TO_OTHERS: u32 = 0o077;

/// Every secret the environment refers to, with its name in lower case.
pub(crate) fn from_environment() -> Result<Vec<(String, String)>> {
    let variables = std::env::vars_os().filter_map(|(variable, reference)| {
        // A name in another encoding is not one of ours.
        let variable = variable.into_string().ok()?;
        let name = variable.strip_prefix(PREFIX)?.to_ascii_lowercase();
        Some((variable, name, reference))
    });
    let mut secrets = Vec::new();
    for (variable, name, reference) in variables {
        let reference = reference
            .to_str()
            .with_context(|| format!("{variable}: not UTF-8"))?;
        let value = resolve(reference).with_context(|| variable.clone())?;
        secrets.push((name, value));
    }
    Ok(secrets)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the binary reads the environment"
)]
fn resolve(reference: &str) -> Result<String> {
    let value = if let Some(path) = reference.strip_prefix("file:") {
        read(Path::new(path))?
    } else if let Some(variable) = reference.strip_prefix("env:") {
        std::env::var(variable).with_context(|| format!("env:{variable}"))?
    } else {
        bail!("a secret is given by reference, as file:PATH or env:NAME");
    };
    // A line of a file ends with a line break that is not part of the secret.
    let value = value.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        bail!("the secret is empty");
    }
    Ok(value.to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file of the user, not of the store"
)]
fn read(path: &Path) -> Result<String> {
    let place = || path.display().to_string();
    let mode = std::fs::metadata(path)
        .with_context(place)?
        .permissions()
        .mode();
    if mode & OPEN_TO_OTHERS != 0 {
        bail!(
            "{}: others may read it (mode {:03o}); chmod 600 it",
            path.display(),
            mode & 0o777
        );
    }
    std::fs::read_to_string(path).with_context(place)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write their own files")]
mod tests {
    use super::*;

    #[test]
    fn references_are_followed_and_values_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "s3cret\n").unwrap();
        let reference = format!("file:{}", path.display());
        let set_mode = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set_mode(0o600);
        assert_eq!(resolve(&reference).unwrap(), "s3cret");
        set_mode(0o644);
        let said = resolve(&reference).unwrap_err().to_string();
        assert!(
            said.ends_with("others may read it (mode 644); chmod 600 it"),
            "{said}"
        );
        let said = resolve("s3cret").unwrap_err().to_string();
        assert_eq!(
            said,
            "a secret is given by reference, as file:PATH or env:NAME"
        );
        assert!(resolve("env:BELLWETHER_TEST_NO_SUCH_VARIABLE").is_err());
        assert!(resolve("file:/no/such/file").is_err());
        set_mode(0o600);
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(
            resolve(&reference).unwrap_err().to_string(),
            "the secret is empty"
        );
    }
}
