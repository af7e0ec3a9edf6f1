//! Parameters of a request: the query's, and those of a form in the body.

use percent_encoding::percent_decode_str;

use super::answer::Refusal;

/// Names and values in the order they came: the form's first, as Go's `r.Form` has them, so that they win.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Names and values as they are.
    pub(crate) fn of(pairs: &[(&str, String)]) -> Params {
        let pair = |(name, value): &(&str, String)| ((*name).to_owned(), value.clone());
        Params(pairs.iter().map(pair).collect())
    }

    /// From `a=1&b=2`, percent-encoded, `+` for a space.
    pub(crate) fn parse(text: &str) -> Result<Params, Refusal> {
        let mut params = Params::default();
        params.add(text)?;
        Ok(params)
    }

    /// Adds what `text` says, behind what is there.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), Refusal> {
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.0.push((decode(name)?, decode(value)?));
        }
        Ok(())
    }

    /// The first value of `name`; an empty one counts as not given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let first = self.0.iter().find(|(n, _)| n == name);
        first
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Every value of `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

fn decode(text: &str) -> Result<String, Refusal> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    let decoded = decoded.map_err(|_| Refusal::bad_request("invalid UTF-8 in a parameter"))?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_repeat() {
        let mut params =
            Params::parse("a=1%2B1&b=x+y&match[]=u&match%5B%5D=v&&empty=&flag").unwrap();
        params.add("a=2").unwrap();
        assert_eq!(params.get("a"), Some("1+1"));
        assert_eq!(params.get("b"), Some("x y"));
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["u", "v"]);
        assert_eq!(
            (params.get("empty"), params.get("flag"), params.get("c")),
            (None, None, None)
        );
        assert!(Params::parse("a=%ff").is_err());
    }
}
