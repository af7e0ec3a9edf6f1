//! Which names this server answers to: what keeps a web page from reaching it under a name of its own
//! (DNS rebinding), and from writing to it across sites.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{self, HeaderName};
use hyper::{HeaderMap, StatusCode, Version};

use super::answer::Refusal;

/// The names a request may be addressed to.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    /// Lower case, without port.
    names: Vec<String>,
    /// Bound to every address: any address literal is one of ours, and a literal cannot be rebound.
    any_address: bool,
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Hosts {
    /// Loopback names, the address listened on, and what the configuration adds.
    pub(crate) fn new(listen: SocketAddr, allowed: &[String]) -> Hosts {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "[::1]"].map(String::from).into();
        names.push(match listen.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
        names.extend(allowed.iter().map(|name| name.to_ascii_lowercase()));
        Hosts {
            names,
            any_address: listen.ip().is_unspecified(),
        }
    }

    /// Refuses a request that is not addressed to this server.
    pub(crate) fn check(&self, version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(host) = headers.get(header::HOST) else {
            return match version {
                Version::HTTP_10 => Ok(()),
                _ => Err(Refusal::bad_request(
                    "an HTTP/1.1 request needs a Host header",
                )),
            };
        };
        let host = host.to_str().ok().and_then(name_of);
        let Some(host) = host else {
            return Err(Refusal::bad_request(
                "the Host header is not a host, or host:port",
            ));
        };
        if self.allows(host) {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            format!("this server does not answer to the host name `{host}` (http.allowed_hosts)"),
        ))
    }

    /// Refuses a change that a page of another site asks for.
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let cross_site = || {
            Refusal::new(
                StatusCode::FORBIDDEN,
                "a page of another site may not change anything here",
            )
        };
        if let Some(site) = headers.get(FETCH_SITE)
            && ![&b"same-origin"[..], b"none"].contains(&site.as_bytes())
        {
            return Err(cross_site());
        }
        match headers.get(header::ORIGIN) {
            Some(origin) if !self.allows_origin(origin.as_bytes()) => Err(cross_site()),
            _ => Ok(()),
        }
    }

    /// True when a page of `origin`, such as `http://localhost:3000`, may read answers.
    pub(crate) fn allows_origin(&self, origin: &[u8]) -> bool {
        let origin = std::str::from_utf8(origin).unwrap_or("");
        let rest = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        rest.and_then(name_of).is_some_and(|name| self.allows(name))
    }

    fn allows(&self, name: &str) -> bool {
        let literal = name.trim_start_matches('[').trim_end_matches(']');
        self.names.iter().any(|n| n.eq_ignore_ascii_case(name))
            || (self.any_address && literal.parse::<IpAddr>().is_ok())
    }
}

/// The host of `host` or `host:port`; `None` when it is neither.
fn name_of(text: &str) -> Option<&str> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')? + 2;
            (&text[..end], &text[end..])
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let inner = name.trim_start_matches('[').trim_end_matches(']');
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    let port_fine = match port.strip_prefix(':') {
        Some(digits) => digits.is_empty() || digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    (!inner.is_empty() && inner.bytes().all(legal) && port_fine).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(hosts: &Hosts, host: &str) -> u16 {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        hosts
            .check(Version::HTTP_11, &headers)
            .map_or_else(|r| r.status.as_u16(), |()| 200)
    }

    #[test]
    fn only_our_own_names_are_answered() {
        let hosts = Hosts::new(
            "127.0.0.1:9090".parse().unwrap(),
            &["Metrics.Example".into()],
        );
        for (host, want) in [
            ("localhost", 200),
            ("LOCALHOST:9090", 200),
            ("127.0.0.1:8080", 200),
            ("[::1]:9090", 200),
            ("metrics.example:443", 200),
            ("evil.example", 421),
            ("localhost.evil.example", 421),
            ("10.0.0.1", 421),
            ("", 400),
            ("a b", 400),
            ("localhost:x", 400),
            ("localhost:99999", 400),
            ("user@localhost", 400),
            ("[::1", 400),
        ] {
            assert_eq!(status(&hosts, host), want, "{host}");
        }
        let open = Hosts::new("0.0.0.0:9090".parse().unwrap(), &[]);
        assert_eq!(status(&open, "10.1.2.3:9090"), 200);
        assert_eq!(status(&open, "[2001:db8::1]"), 200);
        assert_eq!(status(&open, "evil.example"), 421, "a name can be rebound");
    }

    #[test]
    fn pages_of_other_sites_change_nothing() {
        let hosts = Hosts::new("127.0.0.1:9090".parse().unwrap(), &[]);
        let check = |name: HeaderName, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            hosts.check_origin(&headers).is_ok()
        };
        assert!(check(header::ORIGIN, "http://localhost:3000"));
        assert!(!check(header::ORIGIN, "http://evil.example"));
        assert!(!check(header::ORIGIN, "null"));
        assert!(check(FETCH_SITE, "same-origin"));
        assert!(!check(FETCH_SITE, "cross-site"));
    }
}
