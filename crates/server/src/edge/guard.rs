//! One connection's bytes: lets good requests through to `hyper`, keeps time, and ends without losing the last answer.
//!
//! A head that must not pass is replaced by a request of our own, and the service answers that one with the
//! refusal: so `hyper` stays the only one who writes, answers keep their order, and every refusal has a body. A target with
//! bytes that no URI may hold is handed on percent-encoded.
//!
//! - Headers have to be whole within their timeout, counted from the connection's start or from their first byte.
//! - Between requests, and only there, the connection may idle.
//! - An answer has to be read: without any progress for the write timeout, the connection ends.
//! - After an answer to a request that was not read to its end, what still comes is read and dropped for a
//!   moment: closing at once would make the peer's system throw the answer away.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::answer::Refusal;
use super::framing::{Framer, Step, with_escaped_target};
use crate::config::HttpLimits;

/// What stands in for a head that was refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
/// How long what still comes is dropped after the last answer.
const LINGER: Duration = Duration::from_secs(1);
/// How much of it.
const LINGER_BYTES_MAX: usize = 4 << 20;
/// How much is read at a time where the end of a head or chunk is looked for.
const READ_BYTES: usize = 16 * 1024;

/// What a connection's guard and its service tell each other.
#[derive(Debug, Default)]
pub(super) struct Link {
    started: AtomicUsize,
    ended: AtomicUsize,
    /// The refusal, and how many good requests came before it.
    refusal: Mutex<Option<(usize, Refusal)>>,
}

impl Link {
    /// A request has reached the service. Returns the refusal that it stands in for, if it does.
    pub(super) fn start(&self) -> Option<Refusal> {
        let index = self.started.fetch_add(1, Ordering::SeqCst);
        let mut refusal = self.refusal.lock();
        match refusal.take() {
            Some((at, refused)) if at == index => Some(refused),
            other => {
                *refusal = other;
                None
            }
        }
    }

    /// The service has answered it.
    pub(super) fn end(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    fn is_busy(&self) -> bool {
        self.started.load(Ordering::SeqCst) > self.ended.load(Ordering::SeqCst)
    }
}

/// What the read deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// The rest of a head, or the first byte of the connection.
    Head,
    /// The next request.
    Idle,
    /// A body: whoever reads it keeps the time.
    Body,
}

/// The connection as `hyper` sees it.
pub(super) struct Guard<T> {
    io: T,
    link: Arc<Link>,
    limits: HttpLimits,
    framer: Framer,
    /// Read and not yet handed on.
    inbox: BytesMut,
    /// Bytes at the inbox's front that may pass.
    passing: usize,
    /// Heads that passed.
    heads: usize,
    refused: bool,
    waiting: Waiting,
    read_deadline: Pin<Box<Sleep>>,
    write_deadline: Option<Pin<Box<Sleep>>>,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Guard<T> {
    pub(super) fn new(io: T, link: Arc<Link>, limits: HttpLimits) -> Guard<T> {
        let read_deadline = Box::pin(tokio::time::sleep(limits.header_timeout));
        Guard {
            io,
            link,
            limits,
            framer: Framer::new(),
            inbox: BytesMut::new(),
            passing: 0,
            heads: 0,
            refused: false,
            waiting: Waiting::Head,
            read_deadline,
            write_deadline: None,
            linger: None,
        }
    }

    /// Judges what is in the inbox. True when something may pass; an error ends the body that is being read.
    fn judge(&mut self) -> io::Result<bool> {
        let at_head = self.framer.at_head();
        match self.framer.step(&self.inbox) {
            Step::Pass(count) => {
                self.passing = count;
                // An empty line before a request is no head.
                if at_head && count > 2 {
                    self.heads += 1;
                    self.escape_target();
                }
            }
            Step::More => return Ok(false),
            // `hyper` hands it to whoever reads the body, writes the answer to that, and closes.
            Step::Broken(fault) => return Err(io::Error::new(io::ErrorKind::InvalidData, fault)),
            Step::Refuse(refusal) => {
                *self.link.refusal.lock() = Some((self.heads, refusal));
                self.refused = true;
                // `hyper` must see nothing of it, and nothing that came behind it.
                self.inbox = BytesMut::from(STAND_IN);
                self.passing = STAND_IN.len();
            }
        }
        Ok(true)
    }

    /// Makes the head that passes one that `hyper` takes.
    fn escape_target(&mut self) {
        let Some(escaped) = with_escaped_target(&self.inbox[..self.passing]) else {
            return;
        };
        let behind = self.inbox.split_off(self.passing);
        self.passing = escaped.len();
        self.inbox = BytesMut::from(escaped.as_slice());
        self.inbox.unsplit(behind);
    }

    /// Reads more into the inbox. `Ok(0)` is the end of the connection.
    fn read_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let len = self.inbox.len();
        self.inbox.resize(len + READ_BYTES, 0);
        let mut space = ReadBuf::new(&mut self.inbox[len..]);
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut space);
        let count = space.filled().len();
        self.inbox.truncate(len + count);
        polled.map_ok(|()| count)
    }

    /// Reads plain body past the inbox, straight into `out`.
    fn read_plain(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
        left: u64,
    ) -> Poll<io::Result<()>> {
        let room = out
            .remaining()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut space = ReadBuf::new(out.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut space))?;
        let count = space.filled().len();
        out.advance(count);
        self.framer.passed_plain(count as u64);
        Poll::Ready(Ok(()))
    }

    /// Sets what the clock runs for, and looks at it. An error when time is up.
    fn keep_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let now_waiting = if !self.framer.at_head() {
            Waiting::Body
        } else if self.heads == 0 || !self.inbox.is_empty() {
            Waiting::Head
        } else {
            Waiting::Idle
        };
        if now_waiting != self.waiting {
            self.waiting = now_waiting;
            self.set_read_deadline();
        }
        if self.waiting == Waiting::Body {
            return Ok(());
        }
        while self.read_deadline.as_mut().poll(cx).is_ready() {
            if !self.link.is_busy() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // The request before is still being answered: nobody waits for the client.
            self.set_read_deadline();
        }
        Ok(())
    }

    fn set_read_deadline(&mut self) {
        let time = match self.waiting {
            Waiting::Head => self.limits.header_timeout,
            Waiting::Idle | Waiting::Body => self.limits.keepalive_idle,
        };
        self.read_deadline.as_mut().reset(deadline(time));
    }

    /// Looks at the write deadline: started by the first write that has to wait, ended by any progress.
    fn keep_write_time<R>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.write_deadline = None;
            return polled;
        }
        let time = self.limits.write_timeout;
        let deadline = self
            .write_deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// True when the peer may still be sending what nobody will read.
    fn has_unread_input(&self) -> bool {
        self.refused || !self.framer.at_head() || !self.inbox.is_empty()
    }
}

fn deadline(after: Duration) -> Instant {
    Instant::now() + after
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.passing > 0 {
                let count = this.passing.min(out.remaining());
                out.put_slice(&this.inbox[..count]);
                this.inbox.advance(count);
                this.passing -= count;
                return Poll::Ready(Ok(()));
            }
            if this.refused {
                // Nothing comes behind the stand-in; its answer ends the connection.
                return Poll::Pending;
            }
            if this.judge()? {
                continue;
            }
            this.keep_time(cx)?;
            if let (Some(left), true) = (this.framer.plain_bytes(), this.inbox.is_empty()) {
                return this.read_plain(cx, out, left);
            }
            if ready!(this.read_more(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.keep_write_time(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.keep_write_time(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_flush(cx);
        this.keep_write_time(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            if !this.has_unread_input() {
                return Poll::Ready(Ok(()));
            }
            this.linger = Some((Box::pin(tokio::time::sleep(LINGER)), 0));
        }
        let mut scrap = [0; 4096];
        while let Some((until, dropped)) = &mut this.linger {
            if until.as_mut().poll(cx).is_ready() || *dropped > LINGER_BYTES_MAX {
                break;
            }
            let mut space = ReadBuf::new(&mut scrap);
            // An error is as good as the end: the connection is over either way.
            match ready!(Pin::new(&mut this.io).poll_read(cx, &mut space)) {
                Ok(()) if !space.filled().is_empty() => *dropped += space.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
