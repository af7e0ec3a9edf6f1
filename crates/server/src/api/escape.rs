//! Names of labels in a path: `U__` and escapes for what is no letter, as Prometheus' clients write them.

/// The name that `escaped` stands for. A text that is not escaped, or not well, is the name itself.
pub(super) fn unescape_name(escaped: &str) -> String {
    escaped
        .strip_prefix("U__")
        .and_then(unescape)
        .unwrap_or_else(|| escaped.to_owned())
}

/// `__` is `_`, `_2e_` the character of that number.
fn unescape(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('_') {
        name.push_str(plain);
        let (code, after) = after.split_once('_')?;
        name.push(if code.is_empty() {
            '_'
        } else {
            character(code)?
        });
        rest = after;
    }
    name.push_str(rest);
    Some(name)
}

/// The character of a hexadecimal number of at most six digits.
fn character(code: &str) -> Option<char> {
    let plain = code.len() <= 6 && code.bytes().all(|b| b.is_ascii_hexdigit());
    u32::from_str_radix(code, 16)
        .ok()
        .filter(|_| plain)
        .and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped_or_left_alone() {
        for (escaped, name) in [
            ("job", "job"),
            ("__name__", "__name__"),
            ("U__http_2e_code", "http.code"),
            ("U__a__b", "a_b"),
            ("U___1F41D_", "🐝"),
            ("U__", ""),
            ("U__a_", "U__a_"),
            ("U__a_2e", "U__a_2e"),
            ("U__a_zz_", "U__a_zz_"),
            ("U__a_+2e_", "U__a_+2e_"),
            ("U__a_d800_", "U__a_d800_"),
            ("U__a_0000002e_", "U__a_0000002e_"),
        ] {
            assert_eq!(unescape_name(escaped), name, "{escaped}");
        }
    }
}
