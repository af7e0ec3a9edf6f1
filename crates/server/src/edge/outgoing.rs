//! A body on its way out: whole, or its first part with the rest coming as it is made.
//!
//! Whoever makes the rest says when it is whole. Without that word (the maker failed) the connection is cut, so that no
//! reader takes a part for the whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// What comes behind the first part; `None` says that nothing more comes.
pub(crate) type Rest = mpsc::Receiver<Option<Bytes>>;

/// The body was not made to its end.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub(super) struct BrokenOff;

/// See the module. `K` is kept until the body is sent or given up.
#[derive(Debug)]
pub(super) struct Outgoing<K> {
    first: Bytes,
    rest: Option<Rest>,
    _kept: K,
}

impl<K> Outgoing<K> {
    pub(super) fn new(first: Bytes, rest: Option<Rest>, kept: K) -> Outgoing<K> {
        Outgoing {
            first,
            rest,
            _kept: kept,
        }
    }
}

impl<K: Unpin> Body for Outgoing<K> {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if !self.first.is_empty() {
            let first = std::mem::take(&mut self.first);
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let part = ready!(rest.poll_recv(cx));
        Poll::Ready(match part {
            Some(Some(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(None) => {
                self.rest = None;
                None
            }
            None => Some(Err(BrokenOff)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest {
            None => SizeHint::with_exact(self.first.len() as u64),
            Some(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn collect(parts: Vec<Option<&'static str>>) -> Result<Bytes, BrokenOff> {
        let (send, rest) = mpsc::channel(8);
        for part in parts {
            send.try_send(part.map(|text| Bytes::from_static(text.as_bytes())))
                .unwrap();
        }
        drop(send);
        let body = Outgoing::new(Bytes::from_static(b"first"), Some(rest), ());
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        Ok(runtime.block_on(body.collect())?.to_bytes())
    }

    #[test]
    fn parts_make_a_body_only_when_the_end_was_said() {
        assert_eq!(
            collect(vec![Some(" a"), Some(" b"), None]).unwrap(),
            "first a b"
        );
        assert_eq!(collect(vec![None]).unwrap(), "first");
        assert!(collect(vec![Some(" a")]).is_err());
        assert!(collect(vec![]).is_err());
    }

    #[test]
    fn a_whole_body_says_how_long_it_is() {
        let whole = Outgoing::new(Bytes::from_static(b"12345"), None, ());
        assert_eq!(whole.size_hint().exact(), Some(5));
        assert!(!whole.is_end_stream());
        let (_send, rest) = mpsc::channel(1);
        let parts = Outgoing::new(Bytes::new(), Some(rest), ());
        assert_eq!(parts.size_hint().exact(), None);
        assert!(!parts.is_end_stream());
    }
}
