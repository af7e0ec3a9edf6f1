//! Follows the bytes of a connection: where a request's head ends, how its body is framed, where the next begins.
//!
//! `hyper` parses requests. This stands before it for three reasons: `hyper` answers a bad head with an
//! empty body, where ours names the mistake or the limit; it lets some heads pass that must not (a length
//! beside chunks, a head of any number of lines below its buffer's size); and its one header timeout does
//! not tell a slow head from an idle connection. What passes here is a subset of what `hyper` takes, so the
//! two cannot disagree on where a request ends (RFC 9112, sections 2, 3, 5, 6 and 7.1).
//!
//! Pure: bytes in, verdicts out. Not here: sockets and timers (`guard.rs`), what a path means (`route.rs`).

use bellwether_model::limits::{HTTP_HEADER_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_URI_BYTES_MAX};
use hyper::StatusCode;

use super::answer::Refusal;

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
    /// Damaged chunks: everything passes, `hyper` refuses it, and the connection ends.
    Damaged,
}

/// What to do with the bytes at hand.
#[derive(Debug)]
pub(super) enum Step {
    /// The first so many bytes may pass. At least one.
    Pass(usize),
    /// Nothing can be said before more bytes have come.
    More,
    /// A head that must not pass. Nothing behind it is looked at again.
    Refuse(Refusal),
}

/// Follows one connection.
#[derive(Debug)]
pub(super) struct Framer {
    state: State,
    /// Bytes at the start of the head that hold no end of it, so that a slow head is not searched again and again.
    searched: usize,
    /// Bytes of trailers and chunk lines since the last data.
    overhead: usize,
}

/// More headers than ever pass: what `hyper` is told.
pub(super) const HEADERS_PASSED_MAX: usize = HTTP_HEADERS_MAX.usize() + 1;
/// Longest line of a chunk's size with its extensions.
const CHUNK_LINE_MAX: usize = 1024;

impl Framer {
    pub(super) fn new() -> Framer {
        Framer {
            state: State::Head,
            searched: 0,
            overhead: 0,
        }
    }

    /// True when the next byte begins a request.
    pub(super) fn at_head(&self) -> bool {
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
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
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
            State::ChunkLine { trailers } => self.chunk_line(bytes, trailers),
            State::ChunkData(n) => {
                let pass = n.min(bytes.len() as u64);
                let next = State::ChunkLine { trailers: false };
                self.state = after(n, pass, State::ChunkData, next);
                Step::Pass(pass as usize)
            }
            State::Damaged => Step::Pass(bytes.len()),
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
                    self.overhead = 0;
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

    fn chunk_line(&mut self, bytes: &[u8], trailers: bool) -> Step {
        let max = if trailers {
            HTTP_HEADER_BYTES_MAX.usize()
        } else {
            CHUNK_LINE_MAX
        };
        let end = memchr::memchr(b'\n', bytes).map(|at| at + 1);
        let line = match end {
            Some(end) => &bytes[..end],
            None => bytes,
        };
        self.overhead = if trailers { self.overhead } else { 0 };
        if self.overhead + line.len() > max {
            return self.damaged(bytes);
        }
        let Some(end) = end else {
            return Step::More;
        };
        self.overhead += end;
        let Some(text) = line.strip_suffix(b"\r\n") else {
            return self.damaged(bytes);
        };
        self.state = match (trailers, text.is_empty()) {
            (true, true) => State::Head,
            (true, false) => State::ChunkLine { trailers: true },
            (false, _) => match chunk_size(text) {
                Some(0) => {
                    self.overhead = 0;
                    State::ChunkLine { trailers: true }
                }
                Some(size) => State::ChunkData(size + 2), // Its line end.
                None => return self.damaged(bytes),
            },
        };
        Step::Pass(end)
    }

    fn damaged(&mut self, bytes: &[u8]) -> Step {
        self.state = State::Damaged;
        Step::Pass(bytes.len())
    }
}

fn after(left: u64, passed: u64, same: impl Fn(u64) -> State, next: State) -> State {
    match left.saturating_sub(passed) {
        0 => next,
        left => same(left),
    }
}

/// The size in a chunk's first line, whatever extensions follow; at most what a body could ever have.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = line[digits..].trim_ascii_start();
    if digits == 0 || digits > 15 || !(rest.is_empty() || rest[0] == b';') {
        return None;
    }
    let text = std::str::from_utf8(&line[..digits]).ok()?;
    u64::from_str_radix(text, 16).ok()
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
                None,
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
        None,
    )
}

fn uri_too_long(got: usize) -> Refusal {
    Refusal::over_limit(
        StatusCode::URI_TOO_LONG,
        "the request's target is too long",
        &HTTP_URI_BYTES_MAX,
        Some(got),
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

    /// Feeds `input` in pieces of `piece` bytes; returns what passed and the refusal's status.
    fn run(input: &[u8], piece: usize) -> (Vec<u8>, Option<u16>, bool) {
        let mut framer = Framer::new();
        let (mut passed, mut at_hand) = (Vec::new(), Vec::new());
        for part in input.chunks(piece) {
            at_hand.extend_from_slice(part);
            loop {
                match framer.step(&at_hand) {
                    Step::Pass(n) => {
                        assert!(n > 0);
                        passed.extend(at_hand.drain(..n));
                    }
                    Step::More => break,
                    Step::Refuse(refusal) => {
                        return (passed, Some(refusal.status.as_u16()), framer.at_head());
                    }
                }
            }
        }
        (passed, None, framer.at_head() && at_hand.is_empty())
    }

    fn check(input: &[u8], want: Option<u16>) {
        for piece in [1, 2, 3, 7, input.len().max(1)] {
            let (passed, status, at_head) = run(input, piece);
            assert_eq!(status, want, "{piece}: {}", String::from_utf8_lossy(input));
            if want.is_none() {
                assert_eq!(passed, input);
                assert!(at_head, "the next byte begins a request");
            }
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
    fn damaged_chunks_pass_to_the_parser_that_refuses_them_and_never_become_a_request() {
        let extension = "x".repeat(1100);
        let trailers = "t: 1\r\n".repeat(3000);
        for body in [
            "zz\r\n".to_owned(),
            "\r\n".into(),
            "5\nhello\r\n".into(),
            "10000000000000000\r\n".into(),
            format!("1;{extension}\r\nx\r\n"),
            format!("0\r\n{trailers}\r\n"),
        ] {
            let input = format!(
                "POST /w HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}GET / HTTP/1.1\r\n\r\n"
            );
            let (passed, status, at_head) = run(input.as_bytes(), input.len());
            assert_eq!((status, at_head), (None, false), "{body:.20}");
            assert_eq!(passed.len(), input.len());
        }
    }
}
