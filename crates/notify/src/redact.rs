//! What may be shown of a URL: scheme and host. Paths and queries of webhooks are secrets.

/// Scheme, host and port of a URL, for logs, errors and pages. User, path, query and fragment are left out;
/// of what is no URL nothing is shown.
pub fn shown_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "(hidden)".to_owned();
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let is_plain = |text: &str, more: &[u8]| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    if is_plain(scheme, b"+-.") && is_plain(host, b"-._:[]%") {
        format!("{scheme}://{host}")
    } else {
        "(hidden)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_and_host_are_shown() {
        for (url, shown) in [
            (
                "https://hooks.example.com/services/T0/SECRET",
                "https://hooks.example.com",
            ),
            (
                "http://127.0.0.1:9093/?token=SECRET",
                "http://127.0.0.1:9093",
            ),
            ("http://[::1]:9093/x", "http://[::1]:9093"),
            ("https://user:SECRET@host/x", "https://host"),
            ("https://user:SE@CRET@host", "https://host"),
            ("https://host\\@SECRET/x", "https://host"),
            ("https://host#SECRET", "https://host"),
            ("https://ho st/x", "(hidden)"),
            ("https:///SECRET", "(hidden)"),
            ("SECRET", "(hidden)"),
            ("", "(hidden)"),
        ] {
            assert_eq!(shown_url(url), shown, "{url}");
        }
    }
}
