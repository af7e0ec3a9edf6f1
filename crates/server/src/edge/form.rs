//! A request's parameters, wherever they stand: behind `?`, and in the form that a POST carries.

use bellwether_model::limits::{BACKTEST_FORM_MAX, HTTP_FORM_MAX};
use hyper::{HeaderMap, Method, StatusCode, header};

use super::answer::Refusal;
use super::body::{Encoding, SizeLimit, encoding, gunzip};
use super::params::Params;
use super::route::Call;
use crate::config::HttpLimits;

/// What a form may hold.
pub(crate) const MAX: SizeLimit = SizeLimit {
    bytes: HTTP_FORM_MAX.usize(),
    limit: &HTTP_FORM_MAX,
};

/// What a form with rules to be tested may hold.
pub(crate) const RULES_MAX: SizeLimit = SizeLimit {
    bytes: BACKTEST_FORM_MAX.usize(),
    limit: &BACKTEST_FORM_MAX,
};

/// Reads the form of a POST, then the query: where both name something, the form wins.
pub(crate) async fn params(
    call: Call,
    http: &HttpLimits,
    max: SizeLimit,
) -> Result<Params, Refusal> {
    let mut params = Params::default();
    if call.method == Method::POST && !call.body.is_empty() {
        check_is_form(&call.headers)?;
        let encoding = encoding(&call.headers, StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
        let mut form = Vec::new();
        call.body.read(max, http, &mut form).await?;
        if encoding == Encoding::Gzip {
            let mut plain = Vec::new();
            gunzip(&form, max, &mut plain)?;
            form = plain;
        }
        let form =
            String::from_utf8(form).map_err(|_| Refusal::bad_request("the form is not UTF-8"))?;
        params.add(&form)?;
    }
    params.add(&call.query)?;
    Ok(params)
}

/// A body that says it is something else than a form is not read as one.
fn check_is_form(headers: &HeaderMap) -> Result<(), Refusal> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or("");
    let kind = text.split(';').next().unwrap_or("").trim();
    if kind.eq_ignore_ascii_case(FORM) {
        return Ok(());
    }
    let text = format!("Content-Type `{kind}` is not {FORM}");
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
}
