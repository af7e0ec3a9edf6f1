//! The address of a server that is asked something: checked once, where it is typed.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

/// Scheme, host and port of a server, and the path its API stands under. Never ends with a slash.
///
/// Shown without the user and password it may carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Url);

/// Why a text is no address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A host alone.
    #[error("an address begins with http:// or https://, such as http://{host}")]
    NoScheme {
        /// What stands there.
        host: String,
    },
    /// Another protocol.
    #[error("`{scheme}` is not spoken, only http and https")]
    Scheme {
        /// What stands there.
        scheme: String,
    },
    /// Something behind the path.
    #[error("an address ends with its path, without `?` or `#`")]
    Rest,
    /// A path of the API, which is added to each request.
    #[error("`{api}` is added here, so leave it out: {base}")]
    ApiPath {
        /// What is too much.
        api: String,
        /// What is left without it.
        base: String,
    },
    /// No URL.
    #[error("{0}, such as http://127.0.0.1:9090 is needed")]
    Url(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let (address, api) = Address::with_path(text)?;
        match api {
            None => Ok(address),
            Some(api) => {
                let base = address.to_string();
                Err(AddressError::ApiPath { api, base })
            }
        }
    }
}

impl Address {
    /// Reads an address, and takes the path of the API off its end, if there is one.
    pub(crate) fn with_path(text: &str) -> Result<(Address, Option<String>), AddressError> {
        if !text.contains("://") {
            let host = text.to_owned();
            return Err(AddressError::NoScheme { host });
        }
        let mut url = Url::parse(text).map_err(|error| AddressError::Url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            let scheme = url.scheme().to_owned();
            return Err(AddressError::Scheme { scheme });
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Rest);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        let api = path.find("/api/v1").map(|at| path[at..].to_owned());
        let base = path.len() - api.as_ref().map_or(0, String::len);
        url.set_path(&path[..base]);
        Ok((Address(url), api))
    }

    /// All of it, user and password too: for requests, never for people.
    pub fn with_secrets(&self) -> String {
        self.0.as_str().trim_end_matches('/').to_owned()
    }

    /// The address of a path below it, which begins with a slash; with what is secret.
    pub(crate) fn at(&self, path: &str) -> String {
        self.with_secrets() + path
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        // Neither can fail: the scheme is one that has hosts.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        f.write_str(url.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_what_is_secret() {
        for (text, shown, at) in [
            ("http://h:9090", "http://h:9090", "http://h:9090/x"),
            ("http://h:9090/", "http://h:9090", "http://h:9090/x"),
            (
                "HTTPS://H/prometheus/",
                "https://h/prometheus",
                "https://h/prometheus/x",
            ),
            ("http://[::1]:1", "http://[::1]:1", "http://[::1]:1/x"),
            (
                "http://me:secret@h:1/p",
                "http://h:1/p",
                "http://me:secret@h:1/p/x",
            ),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(
                (address.to_string().as_str(), address.at("/x").as_str()),
                (shown, at)
            );
        }
    }

    #[test]
    fn what_is_no_address_is_told_what_it_lacks() {
        for (text, said) in [
            (
                "h:9090",
                "an address begins with http:// or https://, such as http://h:9090",
            ),
            (
                "h",
                "an address begins with http:// or https://, such as http://h",
            ),
            ("ftp://h", "`ftp` is not spoken, only http and https"),
            (
                "http://",
                "empty host, such as http://127.0.0.1:9090 is needed",
            ),
            (
                "http://h:99999",
                "invalid port number, such as http://127.0.0.1:9090 is needed",
            ),
            (
                "http://h h",
                "invalid international domain name, such as http://127.0.0.1:9090 is needed",
            ),
            (
                "http://h?x=1",
                "an address ends with its path, without `?` or `#`",
            ),
            (
                "http://h/p/api/v1/query",
                "`/api/v1/query` is added here, so leave it out: http://h/p",
            ),
        ] {
            assert_eq!(text.parse::<Address>().unwrap_err().to_string(), said);
        }
    }
}
