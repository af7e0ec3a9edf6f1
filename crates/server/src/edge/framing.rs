//! Follows the bytes of a connection: where a request's head ends, how its body is framed, where the next begins.
//!
//! `hyper` parses requests. This stands before it for three reasons: `hyper` answers a bad head with an
//! empty body, where ours names the mistake or the limit; it lets some heads pass that must not (a length
//! beside chunks, a head of any number of lines below its buffer's size); and its one header timeout does
//! not tell a slow head from an idle connection. What passes here is a subset of what `hyper` takes, so the
//! two cannot disagree on where a request ends (RFC 9112, sections 2, 3, 5, 6 and 7.1).
//!
//! Pure: bytes in, verdicts out. Not here: sockets and timers (`guard.rs`), what a path means (`route.rs`).

use bellwether_model::limits::{
    HTTP_CHUNK_EXTENSION_MAX, HTTP_HEADER_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_URI_BYTES_MAX, Limit,
};
use hyper::StatusCode;

use super::answer::{Exceeded, Refusal};

/// What the next bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The head of a request, from its first byte on.
    Head,
    /// This many bytes of a body, at least one.
    Length(u64),
    /// A chunk's size line, or the trailers behind the last chunk.
    ChunkLine { trailers: bool },
    /// This many bytes of a chunk, with the line end behind it; at least one.
    ChunkData(u64),
    /// Chunks that must not pass: nothing behind them is looked at again.
    Damaged(ChunkFault),
}

/// What is wrong with the chunks of a body. Reaches whoever reads the body, as the cause of `hyper`'s error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChunkFault {
    #[error("a chunk's size is not a hexadecimal number of at most {CHUNK_SIZE_DIGITS_MAX} digits")]
    Size,
    #[error("a chunk's line does not end with CR and LF")]
    LineEnd,
    #[error("a chunk's extension is too long")]
    ExtensionTooLong,
    #[error("the trailers are too long")]
    TrailersTooLong,
}

impl ChunkFault {
    /// The limit, if one was hit.
    pub(super) fn limit(self) -> Option<&'static Limit> {
        match self {
            ChunkFault::Size | ChunkFault::LineEnd => None,
            ChunkFault::ExtensionTooLong => Some(&HTTP_CHUNK_EXTENSION_MAX),
            ChunkFault::TrailersTooLong => Some(&HTTP_HEADER_BYTES_MAX),
        }
    }
}

/// What to do with the bytes at hand.
#[derive(Debug)]
pub(crate) enum Step {
    /// The first so many bytes may pass. At least one.
    Pass(usize),
    /// Nothing can be said before more bytes have come.
    More,
    /// A head that must not pass. Nothing behind it is looked at again.
    Refuse(Refusal),
    /// Chunks that must not pass. Nothing behind them is looked at again.
    Broken(ChunkFault),
}

/// Follows one connection.
#[derive(Debug)]
pub(crate) struct Framer {
    state: State,
    /// Bytes at the start of the head that hold no end of it, so that a slow head is not searched again and again.
    searched: usize,
    /// Bytes of trailers so far.
    trailer_bytes: usize,
}

/// More headers than ever pass: what `hyper` is told.
pub(super) const HEADERS_PASSED_MAX: usize = HTTP_HEADERS_MAX.usize() + 1;
/// More digits than any body that fits through here needs.
const CHUNK_SIZE_DIGITS_MAX: usize = 15;
/// Longest line of a chunk's size: the digits, the extension, the line end.
const CHUNK_LINE_MAX: usize = CHUNK_SIZE_DIGITS_MAX + HTTP_CHUNK_EXTENSION_MAX.usize() + 2;

impl Framer {
    pub(crate) fn new() -> Framer {
        Framer {
            state: State::Head,
            searched: 0,
            trailer_bytes: 0,
        }
    }

    /// True when the next byte begins a request.
    pub(crate) fn at_head(&self) -> bool {
        self.state == State::Head
    }

    /// How many bytes of plain body come next, when that is known and more than none.
    pub(super) fn plain_bytes(&self) -> Option<u64> {
        match self.state {
            State::Length(n) => Some(n),
            _ => None,
        }
    }

    /// `count` bytes of plain body have passed by another way.
    pub(super) fn passed_plain(&mut self, count: u64) {
        if let State::Length(n) = self.state {
            self.state = after(n, count, State::Length, State::Head);
        }
    }

    /// Judges `bytes`, which begin where the last step ended. A head passes as a whole.
    pub(crate) fn step(&mut self, bytes: &[u8]) -> Step {
        if bytes.is_empty() {
            return Step::More;
        }
        match self.state {
            State::Head => self.head(bytes),
            State::Length(n) => {
                let pass = n.min(bytes.len() as u64);
                self.state = after(n, pass, State::Length, State::Head);
                Step::Pass(pass as usize)
            }
            State::ChunkLine { trailers: false } => self.chunk_line(bytes),
            State::ChunkLine { trailers: true } => self.trailer(bytes),
            State::ChunkData(n) => {
                let pass = n.min(bytes.len() as u64);
                let next = State::ChunkLine { trailers: false };
                self.state = after(n, pass, State::ChunkData, next);
                Step::Pass(pass as usize)
            }
            State::Damaged(fault) => Step::Broken(fault),
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Step {
        // An empty line before a request is tolerated, as RFC 9112 2.2 asks; it is passed on alone.
        if bytes.starts_with(b"\r\n") {
            self.searched = 0;
            return Step::Pass(2);
        }
        // No request begins like this (a TLS hello does): answer at once, its end may never come.
        if !is_token(bytes[0]) && bytes[0] != b'\r' {
            return refuse(
                StatusCode::BAD_REQUEST,
                "the connection does not begin with an HTTP request",
            );
        }
        let from = self.searched.saturating_sub(3);
        let end = memchr::memmem::find(&bytes[from..], b"\r\n\r\n").map(|at| from + at + 4);
        let max = HTTP_HEADER_BYTES_MAX.usize();
        match end {
            Some(end) if end <= max => match parse_head(&bytes[..end]) {
                Ok(state) => {
                    self.state = state;
                    self.searched = 0;
                    self.trailer_bytes = 0;
                    Step::Pass(end)
                }
                Err(refusal) => Step::Refuse(refusal),
            },
            None if bytes.len() <= max => {
                self.searched = bytes.len();
                Step::More
            }
            _ => Step::Refuse(too_large(bytes)),
        }
    }

    /// The line with a chunk's size. It passes as a whole.
    fn chunk_line(&mut self, bytes: &[u8]) -> Step {
        let line = match line(bytes) {
            Some(Ok(line)) => line,
            Some(Err(fault)) => return self.broken(fault),
            // What has come decides already when no end of the line could make it good.
            None if bytes.len() < CHUNK_LINE_MAX => return Step::More,
            None => bytes,
        };
        match chunk_size(line) {
            Ok(0) => self.state = State::ChunkLine { trailers: true },
            Ok(size) => self.state = State::ChunkData(size + 2), // Its line end.
            Err(fault) => return self.broken(fault),
        }
        Step::Pass(line.len() + 2)
    }

    /// A line behind the last chunk. It passes as a whole; an empty one ends the request.
    fn trailer(&mut self, bytes: &[u8]) -> Step {
        let max = HTTP_HEADER_BYTES_MAX.usize() - self.trailer_bytes;
        let line = match line(bytes) {
            Some(Ok(line)) => line,
            Some(Err(fault)) => return self.broken(fault),
            None if bytes.len() <= max => return Step::More,
            None => bytes,
        };
        let pass = line.len() + 2;
        if pass > max {
            return self.broken(ChunkFault::TrailersTooLong);
        }
        self.trailer_bytes += pass;
        if line.is_empty() {
            self.state = State::Head;
        }
        Step::Pass(pass)
    }

    fn broken(&mut self, fault: ChunkFault) -> Step {
        self.state = State::Damaged(fault);
        Step::Broken(fault)
    }
}

/// The first line without its end; `None` when the end has not come.
fn line(bytes: &[u8]) -> Option<Result<&[u8], ChunkFault>> {
    let end = memchr::memchr(b'\n', bytes)?;
    Some(bytes[..end].strip_suffix(b"\r").ok_or(ChunkFault::LineEnd))
}

fn after(left: u64, passed: u64, same: impl Fn(u64) -> State, next: State) -> State {
    match left.saturating_sub(passed) {
        0 => next,
        left => same(left),
    }
}

/// The size in a chunk's first line, whatever extension follows.
fn chunk_size(line: &[u8]) -> Result<u64, ChunkFault> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at(digits);
    let text = extension.trim_ascii_start();
    if !(1..=CHUNK_SIZE_DIGITS_MAX).contains(&digits) || !(text.is_empty() || text[0] == b';') {
        return Err(ChunkFault::Size);
    }
    if extension.len() > HTTP_CHUNK_EXTENSION_MAX.usize() {
        return Err(ChunkFault::ExtensionTooLong);
    }
    let text = std::str::from_utf8(size).map_err(|_| ChunkFault::Size)?;
    u64::from_str_radix(text, 16).map_err(|_| ChunkFault::Size)
}

/// A whole head, with the empty line at its end: what comes behind it, or why it must not pass.
fn parse_head(head: &[u8]) -> Result<State, Refusal> {
    let bad = |why: &str| Refusal::fatal(StatusCode::BAD_REQUEST, why);
    let mut lines = head[..head.len() - 4].split(|b| *b == b'\n');
    let mut line = || -> Option<Result<&[u8], Refusal>> {
        let line = lines.next()?;
        // The last line lost its `\r` together with the head's end.
        Some(Ok(line.strip_suffix(b"\r").unwrap_or(line)))
    };
    let request = line().ok_or_else(|| bad("empty request"))??;
    let version_11 = parse_request_line(request)?;
    let mut framing = Framing::default();
    let mut count = 0;
    while let Some(header) = line() {
        let header = header?;
        count += 1;
        if count > HTTP_HEADERS_MAX.usize() {
            return Err(Refusal::over_limit(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the request has too many headers",
                &HTTP_HEADERS_MAX,
            ));
        }
        let colon = memchr::memchr(b':', header).ok_or_else(|| bad("a header without a colon"))?;
        let (name, value) = (&header[..colon], header[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
            return Err(bad("a header's name is not a token"));
        }
        if value
            .iter()
            .any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f)
        {
            return Err(bad("a header's value holds a control character"));
        }
        framing.header(name, value, version_11).map_err(bad)?;
    }
    framing.state().map_err(bad)
}

/// Checks method, target and version; true for HTTP/1.1.
fn parse_request_line(line: &[u8]) -> Result<bool, Refusal> {
    let bad = |why: &str| Refusal::fatal(StatusCode::BAD_REQUEST, why);
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("the request line is not `METHOD TARGET VERSION`"));
    };
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
        return Err(bad("the method is not a token"));
    }
    let version_11 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ => return Err(bad("only HTTP/1.1 and HTTP/1.0 are spoken here")),
    };
    if target.len() > HTTP_URI_BYTES_MAX.usize() {
        return Err(uri_too_long(target.len()));
    }
    if target.first() != Some(&b'/') && target != b"*" {
        return Err(bad("the target must be a path that begins with `/`"));
    }
    if target.iter().any(|b| !b.is_ascii_graphic()) {
        return Err(bad("the target holds a byte that must be percent-encoded"));
    }
    Ok(version_11)
}

/// A head that passed, with the bytes of its target percent-encoded that no URI may hold (RFC 3986) and people write all the
/// same, as in `query?query=up{job="api"}`: `hyper` would refuse some of them with an empty answer, and take `#` for the
/// target's end. `None` when there are none.
pub(super) fn with_escaped_target(head: &[u8]) -> Option<Vec<u8>> {
    let start = memchr::memchr(b' ', head)? + 1;
    let end = start + memchr::memchr(b' ', &head[start..])?;
    let target = &head[start..end];
    if !target.iter().any(|b| needs_escape(*b)) {
        return None;
    }
    let mut escaped = Vec::with_capacity(head.len() + 2 * target.len());
    escaped.extend_from_slice(&head[..start]);
    for byte in target {
        if needs_escape(*byte) {
            escaped.push(b'%');
            escaped.extend(
                [byte >> 4, byte & 15].map(|digit| b"0123456789ABCDEF"[usize::from(digit)]),
            );
        } else {
            escaped.push(*byte);
        }
    }
    escaped.extend_from_slice(&head[end..]);
    Some(escaped)
}

fn needs_escape(byte: u8) -> bool {
    b"\"#<>\\^`{|}".contains(&byte)
}

/// What the headers say about the body.
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    hosts: usize,
}

impl Framing {
    fn header(&mut self, name: &[u8], value: &[u8], version_11: bool) -> Result<(), &'static str> {
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err("more than one Content-Length");
            }
            if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
                return Err("Content-Length is not a number");
            }
            let digits = value.iter().map(|b| u64::from(b - b'0'));
            self.length = Some(digits.fold(0, |n, digit| n * 10 + digit));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !version_11 || !value.eq_ignore_ascii_case(b"chunked") {
                return Err("Transfer-Encoding is not `chunked`, once, in HTTP/1.1");
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
            if self.hosts > 1 {
                return Err("more than one Host");
            }
        }
        Ok(())
    }

    fn state(&self) -> Result<State, &'static str> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err("Content-Length beside Transfer-Encoding"),
            (_, true) => Ok(State::ChunkLine { trailers: false }),
            (None | Some(0), false) => Ok(State::Head),
            (Some(n), false) => Ok(State::Length(n)),
        }
    }
}

/// A head beyond the largest one: the target's fault, or the headers'.
fn too_large(bytes: &[u8]) -> Refusal {
    let line = bytes.split(|b| *b == b'\r').next().unwrap_or(bytes);
    let target = line.split(|b| *b == b' ').nth(1).unwrap_or(line);
    if target.len() > HTTP_URI_BYTES_MAX.usize() {
        return uri_too_long(target.len());
    }
    Refusal::over_limit(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "the request's head is too large",
        &HTTP_HEADER_BYTES_MAX,
    )
}

fn uri_too_long(got: usize) -> Refusal {
    Refusal::over_limit(
        StatusCode::URI_TOO_LONG,
        "the request's target is too long",
        Exceeded::from(&HTTP_URI_BYTES_MAX).got(got),
    )
}

fn refuse(status: StatusCode, why: &str) -> Step {
    Step::Refuse(Refusal::fatal(status, why))
}

/// A `tchar` of RFC 9110 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::{End, run};

    fn check(input: &[u8], refused: Option<u16>) {
        for piece in [1, 2, 3, 7, input.len().max(1)] {
            let (passed, end) = run(input, piece);
            let want = refused.map_or(End::AtHead, End::Refused);
            assert_eq!(end, want, "{piece}: {}", String::from_utf8_lossy(input));
            if refused.is_none() {
                assert_eq!(passed, input);
            }
        }
    }

    #[test]
    fn whatever_comes_ends_the_same_in_any_pieces() {
        let parts = [
            "GET / HTTP/1.1\r\n",
            "POST /w HTTP/1.1\r\n",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Host: a\r\n",
            "\r\n",
            "5\r\nhello\r\n",
            "0\r\n\r\n",
            "hello",
            "3;a=b\r\n",
            "\n",
            "\r",
        ];
        let mut seed = 1_u64;
        for _ in 0..3000 {
            let mut input = Vec::new();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
                input.extend_from_slice(parts[(seed >> 33) as usize % parts.len()].as_bytes());
            }
            crate::fuzzing::http_framing(&input);
        }
    }

    #[test]
    fn good_requests_pass_one_after_the_other() {
        check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None);
        check(
            b"POST /w HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n",
            None,
        );
        check(
            b"\r\nPOST /w HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5;x=y\r\nhello\r\n1 \r\n!\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            None,
        );
        check(b"OPTIONS * HTTP/1.1\r\nContent-Length: 0\r\n\r\n", None);
    }

    #[test]
    fn bad_heads_are_refused_wherever_the_pieces_end() {
        let headers = "a: b\r\n".repeat(65);
        let long = "x".repeat(16 * 1024);
        for (input, status) in [
            ("\x16\x03\x01\x02\x00\x01".to_owned(), 400),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 400),
            ("garbage\r\n\r\n".into(), 400),
            ("GET  / HTTP/1.1\r\n\r\n".into(), 400),
            ("GET / HTTP/1.1 \r\n\r\n".into(), 400),
            ("GET http://a/ HTTP/1.1\r\n\r\n".into(), 400),
            ("GET /\u{fc} HTTP/1.1\r\n\r\n".into(), 400),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n".into(), 400),
            ("GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n".into(), 400),
            ("GET / HTTP/1.1\r\na : b\r\n\r\n".into(), 400),
            ("GET / HTTP/1.1\r\na: \0\r\n\r\n".into(), 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into(), 400),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
                400,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n".into(),
                400,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n".into(),
                400,
            ),
            ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".into(), 400),
            ("POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n".into(), 400),
            (
                "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n".into(),
                400,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".into(),
                400,
            ),
            (
                "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
                400,
            ),
            (format!("GET / HTTP/1.1\r\n{headers}\r\n"), 431),
            (format!("GET / HTTP/1.1\r\na: {long}\r\n\r\n"), 431),
            (format!("GET /{} HTTP/1.1\r\n\r\n", &long[..8192]), 414),
            (format!("GET /{long} HTTP/1.1\r\n\r\n"), 414),
        ] {
            check(input.as_bytes(), Some(status));
        }
        check(
            format!("GET / HTTP/1.1\r\n{}\r\n", &headers[6..]).as_bytes(),
            None,
        );
    }

    #[test]
    fn bytes_that_no_target_may_hold_are_escaped_in_the_target_only() {
        let head = b"GET /q?a=m{x=\"<>\"}#\\^`|%22 HTTP/1.1\r\nHost: {a}\r\n\r\n";
        let escaped = with_escaped_target(head).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&escaped),
            "GET /q?a=m%7Bx=%22%3C%3E%22%7D%23%5C%5E%60%7C%22 HTTP/1.1\r\nHost: {a}\r\n\r\n"
        );
        assert_eq!(with_escaped_target(&escaped), None);
    }

    const CHUNKED: &str = "POST /w HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn damaged_chunks_do_not_pass_and_nothing_behind_them_does() {
        use ChunkFault::{ExtensionTooLong, LineEnd, Size, TrailersTooLong};
        let extension = ";".repeat(1025);
        let trailer = "t".repeat(16 * 1024);
        for (good, bad, fault) in [
            ("", "zz\r\n", Size),
            ("", "\r\n", Size),
            ("", "-1\r\n", Size),
            ("5\r\nhello\r\n", "5 ?\r\n", Size),
            ("", "1000000000000000\r\n", Size),
            ("", "5\nhello\r\n", LineEnd),
            ("0\r\n", "t: 1\n\r\n", LineEnd),
            (
                "1\r\nx\r\n",
                &format!("1{extension}\r\nx\r\n"),
                ExtensionTooLong,
            ),
            ("0\r\nt: 1\r\n", &format!("{trailer}\r\n"), TrailersTooLong),
        ] {
            let input = format!("{CHUNKED}{good}{bad}GET / HTTP/1.1\r\n\r\n");
            for piece in [1, 7, input.len()] {
                let (passed, end) = run(input.as_bytes(), piece);
                assert_eq!(end, End::Broken(fault), "{bad:.20}");
                assert_eq!(passed.len(), CHUNKED.len() + good.len(), "{bad:.20}");
            }
        }
    }

    #[test]
    fn extensions_and_trailers_may_be_as_long_as_their_limits() {
        let extension = format!(";{}", "x".repeat(1023));
        // With its own line end and the empty line behind it, a trailer of this length is all there may be.
        let trailer = "t".repeat(16 * 1024 - 4);
        let body = format!("1{extension}\r\nx\r\n000{extension}\r\n{trailer}\r\n\r\n");
        check(format!("{CHUNKED}{body}").as_bytes(), None);
        let body = format!("0\r\n{trailer}t\r\n\r\n");
        let (_, end) = run(format!("{CHUNKED}{body}").as_bytes(), 7);
        assert_eq!(end, End::Broken(ChunkFault::TrailersTooLong));
    }
}
